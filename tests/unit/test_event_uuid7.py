"""
Ids sort by time, never repeat and never go back, whatever the clock does.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from uuid import RFC_4122

from auditlog.event import UUID7Source, uuid7


def zeros(count):
    return bytes(count)


def ones(count):
    return b"\xff" * count


def milliseconds(identifier):
    return identifier.int >> 80


def test_layout():
    """
    48 bits of milliseconds, version, variant, and random bits elsewhere.
    """
    source = UUID7Source(clock=lambda: 0x017F22E279B0 * 10**6, random=ones)

    made = source()

    assert str(made) == "017f22e2-79b0-77ff-bfff-ffffffffffff"
    assert made.version == 7
    assert made.variant == RFC_4122


def test_the_time_is_now():
    """
    The first 48 bits are the Unix time in milliseconds.
    """
    before = time.time_ns() // 10**6

    made = UUID7Source()()

    assert before <= milliseconds(made) <= time.time_ns() // 10**6


def test_equals_an_ordinary_uuid():
    """
    Ids are plain UUIDs in every respect.
    """
    made = uuid7()

    assert type(made)(str(made)) == made
    assert hash(type(made)(int=made.int)) == hash(made)
    assert made.is_safe is type(made)(int=made.int).is_safe


def test_order_within_a_millisecond():
    """
    Ids of the same millisecond go up by the counter, not by chance.
    """
    noise = iter([ones(10), *[zeros(10)] * 999])
    source = UUID7Source(clock=lambda: 10**15, random=lambda _: next(noise))

    made = [source() for _ in range(1000)]

    assert sorted(set(made)) == made
    assert {10**9} == set(map(milliseconds, made))


def test_order_when_the_clock_goes_back():
    """
    A clock set back by a day does not bring ids back.
    """
    times = iter([10**18, 10**18 - 86_400 * 10**9, 0, 10**18 + 10**6])
    source = UUID7Source(clock=lambda: next(times))

    made = [source() for _ in range(4)]

    assert sorted(set(made)) == made
    assert list(map(milliseconds, made)) == [10**12] * 3 + [10**12 + 1]


def test_order_when_the_counter_is_full():
    """
    A full counter borrows from the next millisecond.
    """
    source = UUID7Source(clock=lambda: 10**15, random=zeros)
    first = source()
    source._counter = (1 << 42) - 2

    made = [first, source(), source(), source()]

    assert sorted(set(made)) == made
    assert [milliseconds(m) - 10**9 for m in made] == [0, 0, 1, 1]


def test_threads_share_one_order():
    """
    Each thread's ids go up, and no two threads get the same one.
    """
    made = [[] for _ in range(8)]
    threads = [
        threading.Thread(
            target=lambda mine: mine.extend(uuid7() for _ in range(2000)),
            args=(mine,),
        )
        for mine in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(sorted(mine) == mine for mine in made)
    assert len({one for mine in made for one in mine}) == 16_000


def test_one_thread_at_a_time_takes_the_counter():
    """
    The counter is guarded, and not by how an interpreter switches threads.
    """
    source = UUID7Source()
    step, inside, crowded = source._step, [], []

    def slow_step(*args):
        inside.append(1)
        time.sleep(0.001)
        crowded.append(len(inside) > 1)
        inside.pop()
        return step(*args)

    source._step = slow_step
    threads = [threading.Thread(target=source) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [False] * 8 == crowded


def test_a_forked_child_starts_anew():
    """
    A child does not go on with its parent's counter, and is not held up by a
    lock that the parent held.
    """
    uuid7()
    before = uuid7._counter
    reading, writing = os.pipe()
    with uuid7._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)  # ends a child that waits for the lock
            fresh = uuid7._millisecond == -1
            os.write(writing, b"%d%s" % (fresh, uuid7().bytes))
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)

    assert answer[:1] == b"1"
    assert uuid7().bytes != answer[1:]
    assert before <= uuid7._counter or uuid7._millisecond > 0


def test_a_forked_child_repeats_no_id_of_any_source():
    """
    Randomness that was drawn before the fork is not used by both.
    """
    own = UUID7Source(clock=lambda: 10**15)
    own()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(own().bytes for _ in range(70)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)

    tails = {answer[start + 12 : start + 16] for start in range(0, 1120, 16)}
    assert len(tails) >= 69
    assert tails.isdisjoint(own().bytes[12:] for _ in range(70))


def test_made_while_one_is_being_made():
    """
    A finalizer or a signal handler may come in at any moment, and make ids of
    its own in the same thread.
    """
    made, inside = [], []

    def random(count):
        if not inside:
            inside.append(True)
            made.append(source())
            inside.clear()
        return os.urandom(count)

    source = UUID7Source(random=random)
    made += [source() for _ in range(200)]

    assert len(set(made)) == len(made)

"""
The spool on a system whose calls fail, one by one, or do only a part.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal

import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import SinkError
from auditlog.spool import SpoolSink
from tests.spool_tools import all_of, bodies, flip, make_records


CALLS = (
    "open",
    "pwrite",
    "pread",
    "ftruncate",
    "fdatasync",
    "fsync",
    "rename",
    "unlink",
    "fstat",
)


class Life:
    """
    What a spool goes through, with the events that it acknowledged.
    """

    def __init__(self, path):
        self.sink = SpoolSink(path, segment_bytes=4096, name="one")
        self.acknowledged = []
        self.batches = [make_records(5) for _ in range(8)]
        self.refused = 0

    def run(self):
        for number, batch in enumerate(self.batches):
            self.insist(lambda batch=batch: self.sink.write(batch))
            self.acknowledged += batch
            if number % 3 == 2:
                self.insist(self.relay)
        self.insist(lambda: self.sink.redriven("topic", 1))
        self.sink.close()

    def relay(self):
        """
        Deliver what there is, of which the first is refused.
        """
        lease = self.sink.lease("topic")
        try:
            found = self.sink.read(lease.position, 99)
            assert found, "nothing can be read"
            letter = DeadLetter(record=found[0], reason="no")
            lease.advance(found[-1].index, [letter])
        finally:
            lease.release()

    def insist(self, step):
        """
        As a publisher and a relay do: again until it works.
        """
        for _ in range(3):
            try:
                return step()
            except SinkError:
                self.refused += 1
        raise AssertionError("does not recover")


def check(life):
    """
    All that was acknowledged is there, in order, each once.
    """
    for _ in range(2):
        sink = life.sink
        found = all_of(sink)
        first = found[0].index
        assert [*range(first, 41)] == [each.index for each in found]
        assert bodies(life.acknowledged[first - 1 :]) == bodies(found)
        assert first <= sink.position("topic") + 1
        assert 30 == sink.position("topic")
        letters = sink.dead_letters("topic")
        assert [16] == [each.record.index for each in letters]
        assert [life.acknowledged[15].body] == bodies(
            each.record for each in letters
        )
        assert 0 == sink.lost
        sink.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", CALLS)
def test_each_call_fails_once(tmp_path, monkeypatch, call, number):
    """
    Whichever call of the system fails, an error of ours says so or nothing
    is lost by it, and what is tried again works.
    """
    nth, reached = 0, True
    while reached:
        life = Life(tmp_path / str(nth))
        with monkeypatch.context() as patch:
            count = fail_at(patch, call, nth, number)
            life.run()
        reached = count[0] > nth
        assert life.refused <= reached
        check(life)
        nth += 1
    assert nth > 1


def fail_at(patch, call, nth, number):
    """
    Fail the call of that number alone; how many there were.
    """
    real, count = getattr(os, call), [0]

    def failing(*args, **options):
        count[0] += 1
        if count[0] == nth + 1 and _is_ours(args):
            raise OSError(number, os.strerror(number))
        return real(*args, **options)

    patch.setattr(os, call, failing)
    return count


def _is_ours(args):
    # What the call is made with: a descriptor, or something in the folder.
    return isinstance(args[0], int) or "/one" in os.fspath(args[0])


@pytest.mark.parametrize("call", ["pwrite", "pread"])
def test_each_call_does_a_part(tmp_path, monkeypatch, call):
    """
    Writes and reads of a few bytes at a time come to the same.
    """
    real = getattr(os, call)
    draw = random.Random(1)

    def pwrite(fd, data, at):
        return real(fd, data[: draw.randint(1, 90)], at)

    def pread(fd, size, at):
        return real(fd, min(size, draw.randint(1, 90)), at)

    life = Life(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, {"pwrite": pwrite, "pread": pread}[call])
        life.run()

    assert 0 == life.refused
    check(life)


def test_signals_all_the_time(tmp_path):
    """
    A storm of signals interrupts calls of the system, and no event.
    """
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    life = Life(tmp_path)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        life.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert seen
    assert 0 == life.refused
    check(life)


def test_each_file_with_a_flipped_bit(tmp_path, caplog):
    """
    One bit anywhere in any file: nothing wrong is given out, what is missing
    was told, and the spool goes on.
    """
    life = Life(tmp_path / "begun")
    life.run()
    events = all_of(life.sink)
    dead = bodies([life.acknowledged[0], life.acknowledged[15]])
    letters = life.sink.dead_letters("topic")
    life.sink.close()
    draw = random.Random(5)
    late = make_records(2)

    for path in sorted((tmp_path / "begun" / "one").iterdir()):
        for _ in range(30 if path.name != "lock" else 2):
            copy = tmp_path / "copy"
            shutil.copytree(tmp_path / "begun", copy)
            flip(copy / "one" / path.name, draw.randrange(used(path) * 8))
            caplog.clear()
            sink = SpoolSink(copy, name="one")
            found, kept = all_of(sink), sink.dead_letters("topic")
            assert [each for each in found if each not in events] == []
            # That the first was delivered may be what is damaged.
            assert {each.record.body for each in kept} <= {*dead}
            assert sink.position("topic") in {15, 30}
            if [found, kept, sink.position("topic")] != [events, letters, 30]:
                assert "damaged" in caplog.text
            assert len(events) - len(found) <= sink.lost
            sink.write(late)
            assert bodies(late) == bodies(all_of(sink)[-2:])
            sink.close()
            shutil.rmtree(copy)


def used(path):
    """
    How many bytes of it say something.
    """
    size = path.stat().st_size
    return size if path.name != "positions" else 100

"""
The spool under kills and on disks that are full: real processes and disks.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

from hashlib import sha256

import pytest

from auditlog import AuditLogPublisher
from auditlog.abc import DeadLetter
from auditlog.errors import SinkError, SinkSetupError, SinkUnavailableError
from auditlog.spool import SpoolSink
from tests.spool_tools import all_of, bodies, make_records


ROUNDS = 25

WRITER = """
import hashlib, os, sys
from auditlog.errors import PartialWriteError, SinkUnavailableError
from auditlog.spool import SpoolSink
from tests.spool_tools import make_records
path, oracle, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
sink = SpoolSink(path, segment_bytes=32 * 1024)
out = os.open(oracle, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for n in range(100_000):
    batch = make_records(1 + (seed + n * 7) % 40)
    sink.write(batch)
    lines = "".join(
        f"{r.event_id} {hashlib.sha256(r.body).hexdigest()}\\n" for r in batch
    )
    os.write(out, lines.encode())
    os.fsync(out)
"""


def acknowledged(oracle):
    """
    What was noted after write() had returned; a torn line is cut off, or
    the next writer would go on in it.
    """
    whole, newline, _ = oracle.read_text().rpartition("\n")
    oracle.write_text(whole + newline)
    return [tuple(line.split()) for line in whole.splitlines()]


def digests(records):
    return [(str(r.event_id), sha256(r.body).hexdigest()) for r in records]


def test_killed_writer_loses_nothing_acknowledged(tmp_path):
    """
    After each of many kills: all that was acknowledged is read, in order and
    byte for byte, the indexes are gapless, and nothing counts as damaged.
    """
    seed = random.SystemRandom().randrange(1000)
    print("seed", seed)
    draw = random.Random(seed)
    oracle = tmp_path / "oracle"
    oracle.touch()
    for n in range(ROUNDS):
        size = oracle.stat().st_size
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", WRITER),
                *(tmp_path / "spool", oracle, str(seed + n)),
            ],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        while oracle.stat().st_size == size and process.poll() is None:
            time.sleep(0.001)
        time.sleep(draw.random() / 30)  # where it is hit, not a wait
        process.kill()
        assert -signal.SIGKILL == process.wait(30)

        sink = SpoolSink(tmp_path / "spool", segment_bytes=32 * 1024)
        found = all_of(sink)
        assert 0 == sink.lost
        sink.close()
        read = digests(found)
        noted = acknowledged(oracle)
        assert noted
        assert [*range(1, len(found) + 1)] == [r.index for r in found]
        assert len(read) == len(set(read))
        among = set(noted)
        assert noted == [one for one in read if one in among]


@pytest.fixture
def small_disk(tmp_path):
    """
    A file system of one MiB.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_stores_whole_batches_and_goes_on(small_disk):
    """
    A batch that finds no room is not there at all; relays go on without any
    room, and what they free is used.
    """
    blocker = small_disk / "blocker"
    sink = SpoolSink(small_disk / "spool", segment_bytes=64 * 1024)
    sink.write(stored := make_records(2))
    lease = sink.lease("topic")
    refused = None
    while refused is None:
        batch = make_records(50)
        try:
            sink.write(batch)
        except SinkUnavailableError as exc:
            refused = exc
        else:
            stored += batch
    assert "disk is full" in str(refused)
    with contextlib.suppress(OSError):
        blocker.write_bytes(bytes(2**20))
    assert bodies(stored) == bodies(all_of(sink))

    half = len(stored) // 2
    lease.advance(half)
    blocker.unlink()
    sink.write(batch)
    stored += batch

    assert bodies(stored[half:]) == bodies(sink.read(half, 10_000))
    sink.close()
    again = SpoolSink(small_disk / "spool")
    assert bodies(stored[half:]) == bodies(again.read(half, 10_000))
    assert half == again.position("topic")
    assert 0 == again.lost
    again.close()


def test_publisher_on_a_disk_that_fills_up(small_disk, caplog):
    """
    It warns at 50 and at 80 %, refuses whoever waits at 100, keeps what was
    enqueued, and goes on by itself; no acknowledged event is torn or lost.
    """
    sink = SpoolSink(
        small_disk / "spool", max_bytes=512 * 1024, segment_bytes=32 * 1024
    )
    acknowledged = []
    with AuditLogPublisher(sink) as publisher:
        refused = None
        while refused is None:
            events = [record.event for record in make_records(20)]
            receipts = [publisher.enqueue(each) for each in events]
            try:
                publisher.publish(last := make_records(1)[0].event, timeout=1)
            except SinkError as exc:
                refused = exc
            else:
                acknowledged += [*events, last]
        steps = [
            int(line.partition(" is ")[2].split()[0]) // 10 * 10
            for line in caplog.messages
            if line.endswith("because no relay reads it")
        ]
        stored = {record.event_id for record in all_of(sink)}
        assert {each.event_id for each in acknowledged} <= stored
        assert not all(receipt.done() for receipt in receipts)

        lease = sink.lease("topic")
        lease.advance(sink.size())
        publisher.flush(timeout=30)

    assert [50, 80] == steps
    for receipt in receipts:
        receipt.result(0)
    sink = SpoolSink(small_disk / "spool")
    left = {r.event_id for r in sink.read(sink.position("topic"), 10_000)}
    assert {each.event_id for each in events} <= stored | left
    assert 0 == sink.lost
    sink.close()


def test_spool_on_a_disk_that_others_fill(small_disk):
    """
    Without room for a byte: what was acknowledged is read, by a new process
    too, relays get on and dead letters are refused again or delivered, as
    far as their notes find room; it goes on when space returns.
    """
    blocker = small_disk / "blocker"
    sink = SpoolSink(small_disk / "spool", name="one", segment_bytes=4096)
    for _ in range(8):
        sink.write(make_records(5))
    stored = all_of(sink)
    lease = sink.lease("topic")
    letter = DeadLetter(record=stored[0], reason="no")
    lease.advance(1, [letter])
    with contextlib.suppress(OSError), blocker.open("wb", 0) as file:
        while True:
            file.write(bytes(512))

    batch = make_records(60)
    with pytest.raises(SinkUnavailableError, match="disk is full"):
        sink.write(batch)
    sink.close()
    again = SpoolSink(small_disk / "spool", name="one", segment_bytes=4096)
    assert stored == again.read(0, 99)
    with pytest.raises(SinkUnavailableError, match="disk is full"):
        again.refused_again("topic", 1, "no " * 4096)
    assert ["no"] == [each.reason for each in again.dead_letters("topic")]
    again.lease("topic").advance(30)
    assert 30 == again.position("topic")
    blocker.unlink()
    again.write(batch)
    again.redriven("topic", 1)

    assert bodies(batch) == bodies(again.read(40, 99))
    assert [] == again.dead_letters("topic")
    assert 0 == again.lost
    again.close()


LIMITED = """
import resource, sys
from auditlog.errors import SinkUnavailableError
from auditlog.spool import SpoolSink
from tests.spool_tools import all_of, bodies, make_records
sink = SpoolSink(sys.argv[1])
sink.write(stored := make_records(5))
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
try:
    sink.write(batch := make_records(500))
except SinkUnavailableError as exc:
    assert "EFBIG" in str(exc), exc
else:
    raise AssertionError("there was room")
resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, resource.RLIM_INFINITY))
sink.write(batch)
assert bodies(stored + batch) == bodies(all_of(sink))
"""


def test_limit_of_the_system_tears_nothing(tmp_path):
    """
    A write that the system cuts in the middle is taken back.
    """
    subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "spool"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


def test_read_only_disk_is_said(small_disk):
    """
    What is there can't be read without a lock, and the message says why.
    """
    options = ["-o", "remount,ro", str(small_disk)]
    subprocess.run(["mount", *options], check=True)

    with pytest.raises(SinkSetupError, match=r"EROFS.*must be a folder"):
        SpoolSink(small_disk / "spool").write(make_records(1))

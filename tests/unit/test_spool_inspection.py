"""
What a look at a spool finds, while others have it.
"""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
import zlib

from contextlib import contextmanager

import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import SinkUnavailableError
from auditlog.spool import SpoolSink, inspect_spool, positions
from tests.spool_tools import make_records, segments


HOLD = """
import sys
from auditlog.spool import SpoolSink
SpoolSink(sys.argv[1]).size()
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def process(path):
    """
    A process that has a folder of the spool.
    """
    started = subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert started.stdout.readline() == "\n"
        yield started
    finally:
        started.communicate(timeout=30)


def look(path, **options):
    """
    The findings by check; nothing in the folder is changed by the look.
    """
    before = everything(path)
    found = inspect_spool(path, **options)
    assert everything(path) == before
    for each in found:
        assert (each.way_out is None) == (each.state == "ok"), each
    return {each.check: each for each in found}


def everything(path):
    return {
        each: (each.stat().st_mtime_ns, each.is_file() and each.read_bytes())
        for each in [path, *path.rglob("*")]
        if each.exists()
    }


def states(found):
    return {
        name: each.state for name, each in found.items() if each.state != "ok"
    }


def test_nothing_is_there_yet(tmp_path):
    """
    All is well, and nothing is made.
    """
    found = look(tmp_path / "a" / "b")

    assert {} == states(found)
    assert "is made with the first event" in found["spool.folder"].detail
    assert not (tmp_path / "a").exists()


def test_spool_in_use(tmp_path):
    """
    Says who has it and how full it is; whoever has it goes on.
    """
    sink = SpoolSink(tmp_path)
    sink.write(make_records(100))
    sink.lease("topic").advance(40)

    with process(tmp_path) as other:
        found = look(tmp_path)
        pids = sorted([str(os.getpid()), str(other.pid)])
        assert "2 processes" in found["spool.processes"].detail
        for pid in pids:
            assert pid in found["spool.processes"].detail

    assert {} == states(found)
    assert "relay 'topic' is at 40" in found["spool.fill"].detail
    sink.write(make_records(1))
    sink.close()


def test_fill_level(tmp_path):
    """
    A warning from the first step of the ladder on.
    """
    sink = SpoolSink(tmp_path, max_bytes=128 * 1024)
    while sink.stored_bytes < 70 * 1024:
        sink.write(make_records(10))

    found = look(tmp_path, max_bytes=128 * 1024)

    assert {"spool.fill": "warning"} == states(found)
    assert "% full, and no relay reads it" in found["spool.fill"].detail
    sink.close()


def test_disk_that_is_smaller_than_the_spool_may_be(tmp_path):
    """
    The disk would be full before the spool says so.
    """
    found = look(tmp_path, max_bytes=2**60)

    assert {"spool.disk": "warning"} == states(found)


def test_what_dead_processes_left(tmp_path):
    """
    Only events that a relay still needs.
    """
    sink = SpoolSink(tmp_path)
    sink.write(make_records(5))
    sink.lease("topic").advance(3)
    sink.close()

    left = look(tmp_path)
    sink.lease("topic").advance(5)
    sink.close()

    assert {"spool.left": "warning"} == states(left)
    assert "2 events wait in 1 folder of" in left["spool.left"].detail
    assert {} == states(look(tmp_path))


def test_losses_and_dead_letters(tmp_path):
    """
    Each with what to do about it.
    """
    sink = SpoolSink(tmp_path, segment_bytes=4096)
    for _ in range(6):
        sink.write(make_records(5))
    letter = DeadLetter(record=sink.read(0, 1)[0], reason="no")
    sink.lease("topic").advance(1, [letter])
    segments(sink)[1].unlink()
    found = sink.read(0, 99)
    sink.read(found[-1].index, 99)

    found = look(tmp_path)

    assert {
        "spool.lost": "warning",
        "spool.dead_letters": "warning",
    } == states(found)
    assert f"up to {sink.lost} events" in found["spool.lost"].detail
    assert "refused 1 event" in found["spool.dead_letters"].detail
    sink.close()


def test_letter_that_does_not_count(tmp_path, monkeypatch):
    """
    One whose position was never kept is none, for those who look either.
    """
    sink = SpoolSink(tmp_path)
    sink.write(make_records(2))
    letter = DeadLetter(record=sink.read(0, 1)[0], reason="no")
    lease = sink.lease("topic")

    def broken(*_):
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(positions.Positions, "_write", broken)
        with pytest.raises(SinkUnavailableError):
            lease.advance(1, [letter])

    assert (sink.folder / "dead-letters").stat().st_size > 100
    assert {} == states(look(tmp_path))
    sink.close()


@pytest.mark.parametrize("name", ["dead-letters", "positions"])
def test_newer_version(tmp_path, name):
    """
    Both versions are named.
    """
    sink = SpoolSink(tmp_path)
    sink.write(make_records(1))
    letter = DeadLetter(record=sink.read(0, 1)[0], reason="no")
    sink.lease("topic").advance(1, [letter])
    path = sink.folder / name
    sink.close()
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, 8, 7)
    struct.pack_into(">I", data, 20, zlib.crc32(data[:20]))
    path.write_bytes(data)

    found = look(tmp_path)

    assert {"spool.version": "failed"} == states(found)
    assert "version 7" in found["spool.version"].detail
    assert "knows version 1" in found["spool.version"].detail
    assert "newer auditlog" in found["spool.version"].way_out


def test_folder_that_cannot_be_used(tmp_path):
    """
    A file, something below a file, a name that is too long.
    """
    (tmp_path / "file").write_text("x")

    for name in ("file", "file/below", "x" * 300):
        looked = inspect_spool(tmp_path / name)
        found = {each.check: each for each in looked}
        assert {"spool.folder": "failed"} == states(found), name
        assert "AUDITLOG_SPOOL_PATH" in found["spool.folder"].way_out

"""
How spools stand: one's own, and from outside those of other processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import SinkSetupError
from auditlog.spool import SpoolSink, header, lock, positions, segment
from auditlog.spool.status import _first_in as first_in
from auditlog.spool.status import look
from auditlog.testing.contracts import make_record
from tests.spool_tools import flip, make_records, segments


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def sink(path):
    with_files = SpoolSink(path, segment_bytes=4096, max_bytes=200_000)
    yield with_files
    with_files.close()


def fill(sink, count):
    """
    Write one by one, so that there are several files.
    """
    for each in make_records(count):
        sink.write([each])


def without_age(status):
    return [(r.relay, r.position, r.behind, r.dead_letters) for r in status]


def test_own_status_has_the_size_of_the_spool(sink):
    """
    With its limit, what the disk lost, and whose folder it is.
    """
    sink.write(make_records(30))

    found = sink.status()

    assert (30, sink.stored_bytes, 200_000, 0, os.getpid()) == (
        found.size,
        found.stored_bytes,
        found.max_bytes,
        found.lost,
        found.process,
    )
    assert str(sink.folder) == found.where
    assert (found.relays, found.oldest_age) == ((), None)


def test_age_is_that_of_the_first_event_that_was_not_passed(sink):
    """
    By when it was recorded, wherever it lies.
    """
    fill(sink, 30)
    lease = sink.lease("a")
    lease.advance(20)
    first = sink.read(20, 1)[0].recorded_at

    (relay,) = sink.status().relays
    ((seen,),) = [each.relays for each in look(sink._path)]

    assert relay.oldest_age > 0
    assert abs(relay.oldest_age - seen.oldest_age) < 5
    assert first_in(segment.find(sink.folder), 20) == first


def test_look_from_outside_agrees(sink, path):
    """
    Position, events behind, dead letters and bytes are what the owner says.
    """
    fill(sink, 60)
    lease = sink.lease("a")
    letter = DeadLetter(record=sink.read(0, 1)[0], reason="no")
    lease.advance(25, [letter])

    own = sink.status(relays=["b"])
    (seen,) = look(path, relays=["b"], max_bytes=200_000)

    assert len(segments(sink)) > 2
    assert [("a", 25, 35, 1), ("b", 0, 60, 0)] == without_age(own.relays)
    assert without_age(own.relays) == without_age(seen.relays)
    assert (own.size, own.stored_bytes, own.max_bytes, own.process) == (
        seen.size,
        seen.stored_bytes,
        seen.max_bytes,
        seen.process,
    )


def test_look_takes_no_lock_and_changes_nothing(sink, path):
    """
    Not a byte, not a name; and who opens the spool meanwhile gets it.
    """
    sink.write(make_records(10))
    folder = sink.folder
    before = _all(folder)

    for _ in range(3):
        look(path, relays=["never"])

    assert before == _all(folder)
    sink.close()
    look(path)
    held = lock.acquire(folder)
    assert held is not None
    held.release()


def _all(folder):
    return {
        each: (each.read_bytes(), each.stat().st_mtime_ns)
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


def test_look_while_another_process_writes_and_relays(path):
    """
    Whatever is under way, the numbers are possible ones and never go back.
    """
    script = """
    import sys
    from auditlog import SpoolSink
    from auditlog.testing.contracts import make_record
    sink = SpoolSink(sys.argv[1], segment_bytes=4096)
    lease, at = sink.lease("a"), 0
    for _ in range(400):
        sink.write([make_record() for _ in range(5)])
        at += 4
        lease.advance(at)
    print("done", flush=True)
    sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        try:
            sizes, places = [0], [0]
            os.set_blocking(writer.stdout.fileno(), False)
            while not writer.stdout.read():
                assert writer.poll() is None
                for found in look(path):
                    sizes.append(found.size)
                    for relay in found.relays:
                        places.append(relay.position)
                        assert 0 <= relay.behind <= found.size
            (end,) = look(path)
        finally:
            writer.kill()

    assert sizes == sorted(sizes)
    assert places == sorted(places)
    assert [("a", 1600, 400, 0)] == without_age(end.relays)
    assert end.process == writer.pid
    assert len(sizes) > 10


def test_look_after_the_process_has_died(path):
    """
    What it left is seen, and which process it was.
    """
    script = """
    import os, sys
    from auditlog import SpoolSink
    from auditlog.testing.contracts import make_record
    sink = SpoolSink(sys.argv[1])
    sink.write([make_record(), make_record()])
    os._exit(os.getpid() % 200)
    """
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), path],
        timeout=120,
        check=False,
    )
    (found,) = look(path, relays=["a"])

    assert [("a", 0, 2, 0)] == without_age(found.relays)
    assert died.returncode == found.process % 200


def test_torn_end_is_not_counted(sink, path):
    """
    An event of which only a part is written has no index yet.
    """
    sink.write([make_record(), make_record()])
    last = segments(sink)[-1]
    with last.open("r+b") as file:
        file.truncate(last.stat().st_size - 3)

    assert 1 == look(path)[0].size


@pytest.mark.parametrize("slot", [0, 1])
def test_position_that_is_being_written(sink, path, slot):
    """
    One of the two places is whole at any time, and counts.
    """
    sink.write(make_records(5))
    lease = sink.lease("a")
    lease.advance(3)
    lease.advance(4)
    flip(sink.folder / positions.NAME, (slot * 16 * 1024 + 30) * 8)

    (relay,) = look(path)[0].relays

    assert relay.position in {3, 4}


def test_all_is_deleted_that_was_delivered(sink, path):
    """
    The size is kept by the positions.
    """
    sink.write(make_records(5))
    sink.lease("a").advance(5)
    for each in segments(sink):
        each.unlink()

    (found,) = look(path)

    assert (5, 0, 0) == (
        found.size,
        found.relays[0].behind,
        found.stored_bytes,
    )


def test_file_that_goes_away_while_it_is_looked_at(sink, path, monkeypatch):
    """
    It was delivered meanwhile: the look begins again.
    """
    sink.write(make_records(5))
    read = positions.peek
    calls = []

    def peek(folder):
        calls.append(folder)
        if len(calls) == 1:
            raise FileNotFoundError
        return read(folder)

    monkeypatch.setattr(positions, "peek", peek)

    assert 5 == look(path)[0].size
    assert {sink.folder} == {*calls}


def test_damage_is_told(sink, path):
    """
    What is in quarantine counts, from outside too.
    """
    sink.write(make_records(3))
    flip(segments(sink)[0], 800)
    sink.close()
    sink.read(0, 10)

    assert sink.lost == look(path)[0].lost == sink.status().lost > 0


def test_nothing_there(path, tmp_path):
    """
    No folder, an empty one, or one of something else.
    """
    (tmp_path / "other").mkdir()
    (tmp_path / "file").write_text("x")

    assert [] == look(path)
    assert [] == look(tmp_path)
    assert [] == look(tmp_path / "file")


def test_newer_version_is_refused(sink, path, monkeypatch):
    """
    Nobody guesses what it says.
    """
    sink.write([make_record()])
    monkeypatch.setattr(header, "VERSION", 0)

    with pytest.raises(SinkSetupError, match="version"):
        look(path)


def test_folder_with_a_name(path):
    """
    A folder with a name of the application's choice is seen as well.
    """
    sink = SpoolSink(path, name="web")
    sink.write([make_record()])
    sink.close()

    assert [str(path / "web")] == [each.where for each in look(path)]

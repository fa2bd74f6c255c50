"""
What a spool makes of files that are torn, damaged or newer.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import struct
import zlib

import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import SinkSetupError
from auditlog.spool import SpoolSink, frame, header, segment
from auditlog.testing.contracts import make_record
from tests.spool_tools import (
    all_of,
    bodies,
    flip,
    make_records,
    segments,
)


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**options):
        sink = SpoolSink(tmp_path / "spool", **options)
        made.append(sink)
        return sink

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def copied(tmp_path):
    """
    A function that opens a spool as a copy of a folder.
    """
    made = []

    def copied(folder):
        copy = tmp_path / f"copy-{len(made)}" / folder.name
        shutil.copytree(folder, copy)
        made.append(SpoolSink(copy.parent))
        return made[-1], copy

    yield copied
    for sink in made:
        sink.close()


def test_stray_byte_costs_no_event():
    """
    The next frame is found wherever it begins.
    """
    parts = frame.encode(1, [bytes(16)], [0], [b"{}"])

    damage, found = frame.scan(b"?" + b"".join(parts), 0, 0)

    assert (0, 1) == (damage.start, damage.end)
    assert (1, 1) == (found.start, found.index)


def test_older_file_that_was_cut_loses_what_is_cut(make, caplog):
    """
    And no more: what is left of a frame is kept, and the rest is read.
    """
    sink = make(name="one", segment_bytes=4096)
    for _ in range(12):
        sink.write(make_records(5))
    stored, path = all_of(sink), segments(sink)[0]
    count = int(segments(sink)[1].stem) - 1
    sink.close()
    *_, end = frame.scan(path.read_bytes(), header.HEADER, 0)
    os.truncate(path, end.start + 10)

    again = make(name="one")

    del stored[count - 1]
    assert bodies(stored) == bodies(all_of(again))
    assert 1 == again.lost
    assert "spool: 10 bytes at " in caplog.text


def test_torn_end_is_cut_and_told(make, caplog):
    """
    As no loss: a write that was under way was told to nobody.
    """
    sink = make(name="one")
    sink.write(records := make_records(2))
    (path,) = segments(sink)
    sink.close()
    with path.open("ab") as file:
        file.write(b"\xffAE1")

    with caplog.at_level("INFO", "auditlog.spool"):
        found = all_of(make(name="one"))

    assert bodies(records) == bodies(found)
    assert [f"spool: cut 4 torn bytes off {path}"] == caplog.messages


def test_torn_anywhere_gives_what_is_whole(make, tmp_path):
    """
    Whatever part of the newest file reached the disk, the whole frames in it
    are read, nothing else, nothing is reported lost, and it goes on.
    """
    sink = make(name="one")
    records = [*make_records(2), make_record(metadata={"x": "x" * 900})]
    sizes = []
    for record in records:
        sink.write([record])
        sizes.append(segments(sink)[0].stat().st_size)
    (path,) = segments(sink)
    sink.close()
    data = path.read_bytes()
    late = make_records(1)

    for size in range(len(data)):
        path.write_bytes(data[:size])
        opened = SpoolSink(tmp_path / "spool", name="one")
        whole = sum(size >= end for end in sizes)
        assert bodies(records[:whole]) == bodies(all_of(opened)), size
        opened.write(late)
        found = all_of(opened)
        assert bodies(records[:whole] + late) == bodies(found), size
        assert [*range(1, whole + 2)] == [r.index for r in found]
        opened.close()
        assert found == all_of(opened)
        assert 0 == opened.lost
        opened.close()


def test_pages_of_a_batch_that_came_in_no_order(make, tmp_path):
    """
    After a loss of power any pages of a batch that was not acknowledged may
    be missing: all before it is read, and nothing that was not written.
    """
    sink = make(name="one")
    first, batch = make_records(3), make_records(6)
    sink.write(first)
    (path,) = segments(sink)
    size = path.stat().st_size
    sink.write(batch)
    sink.close()
    data = path.read_bytes()
    draw = random.Random(11)

    for _ in range(60):
        pages = [data[at : at + 128] for at in range(size, len(data), 128)]
        left = [draw.choice([page, bytes(len(page))]) for page in pages]
        path.write_bytes(data[:size] + b"".join(left))
        opened = SpoolSink(tmp_path / "spool", name="one")
        found = bodies(all_of(opened))
        opened.close()
        assert bodies(first) == found[:3]
        assert [b for b in bodies(batch) if b in found] == found[3:]
        shutil.rmtree(path.parent / "quarantine", ignore_errors=True)
        for other in path.parent.glob("*.log"):
            other.unlink()


def test_end_that_the_disk_forgot_makes_no_relay_skip(make):
    """
    Indexes that a relay has passed are not given again, even if their events
    are gone.
    """
    sink = make(name="one")
    sizes = []
    for record in make_records(5):
        sink.write([record])
        sizes.append(segments(sink)[0].stat().st_size)
    (path,) = segments(sink)
    sink.lease("topic").advance(5)
    sink.close()
    path.write_bytes(path.read_bytes()[: sizes[2]])

    again = make(name="one")
    again.write(late := make_records(2))

    assert bodies(late) == bodies(again.read(again.position("topic"), 9))


def test_each_flipped_bit_is_detected(make, copied, caplog):
    """
    One bit anywhere: no event is changed, those around it are read, what is
    lost is counted, kept and told.
    """
    sink = make()
    records = make_records(5)
    sink.write(records)
    (path,) = segments(sink)
    folder = sink.folder
    sink.close()
    bits = path.stat().st_size * 8
    header = segment.HEADER * 8
    drawn = random.Random(7).sample(range(header, bits), 150)

    for bit in drawn:
        opened, copy = copied(folder)
        flip(copy / path.name, bit)
        caplog.clear()
        found = all_of(opened)
        lost = [r for r in records if r.body not in bodies(found)]
        assert 1 == len(lost), bit
        assert bodies(r for r in records if r not in lost) == bodies(found)
        if lost == records[-1:]:  # its length may be unknown
            assert 1 <= opened.lost
        else:
            assert 1 == opened.lost
        assert 1 == len(list((copy / "quarantine").glob("*.bad")))
        (line,) = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert str(copy / path.name) in line.getMessage()
        opened.close()
        shutil.rmtree(copy)


def test_flipped_bit_in_a_header_costs_no_event(make, copied):
    """
    A file whose beginning is damaged still gives all its events.
    """
    sink = make()
    records = make_records(3)
    sink.write(records)
    (path,) = segments(sink)
    folder = sink.folder
    sink.close()

    for bit in range(segment.HEADER * 8):
        opened, copy = copied(folder)
        flip(copy / path.name, bit)
        assert bodies(records) == bodies(all_of(opened)), bit
        assert 0 == opened.lost
        assert 1 == len(list((copy / "quarantine").glob("*.bad")))
        opened.close()
        shutil.rmtree(copy)


def test_damage_is_told_once(make, caplog):
    """
    The next start finds a whole file and still knows what is missing.
    """
    sink = make()
    records = make_records(5)
    sink.write(records)
    (path,) = segments(sink)
    sink.close()
    flip(path, path.stat().st_size * 4)
    first = make()
    found = all_of(first)
    first.close()
    caplog.clear()

    second = make()

    assert found == all_of(second)
    assert 4 == len(found)
    assert 1 == second.lost
    assert [] == caplog.records


def test_index_of_a_lost_event_is_not_given_again(make):
    """
    Also at the end, and also if the next process writes nothing.
    """
    sink = make()
    sink.write(make_records(3))
    (path,) = segments(sink)
    sink.close()
    flip(path, path.stat().st_size * 8 - 5)
    for _ in range(2):
        again = make()
        assert [1, 2] == [r.index for r in all_of(again)]
        assert 2 == again.size()
        again.close()

    last = make()
    last.write(make_records(1))

    assert [1, 2, 4] == [r.index for r in all_of(last)]


def test_damage_while_open_is_passed_over(make):
    """
    A reader finds it, and goes on behind it; so does the writer.
    """
    sink = make(segment_bytes=4096)
    records = make_records(60)
    for start in range(0, 60, 5):
        sink.write(records[start : start + 5])
    assert 2 < len(segments(sink))
    for path in segments(sink):
        flip(path, path.stat().st_size * 4)

    found = all_of(sink)
    late = make_records(3)
    sink.write(late)

    assert 60 - len(segments(sink)) <= len(found) < 60
    assert sink.lost == 60 - len(found)
    assert bodies(found + late) == bodies(all_of(sink))


def test_failed_write_leaves_nothing_that_is_damage(make):
    """
    Bytes that were never acknowledged, before a newer file, are no loss.
    """
    sink = make(segment_bytes=4096)
    records = make_records(30)
    for start in range(0, 30, 5):
        sink.write(records[start : start + 5])
    first, second, *_ = segments(sink)
    sink.close()
    late = make_records(3)
    given_up = b"".join(
        frame.encode(
            int(second.stem),
            [record.event_id.bytes for record in late],
            [0] * 3,
            bodies(late),
        )
    )
    with first.open("ab") as file:
        file.write(given_up[:-9])

    again = make()

    assert bodies(records) == bodies(all_of(again))
    assert 0 == again.lost


NEWER = [("*.log", 0), ("dead-letters", 0), ("positions", 16384)]


@pytest.mark.parametrize("name", ["one", None])
@pytest.mark.parametrize(("pattern", "start"), NEWER)
def test_newer_version_is_refused_and_left_alone(
    make, name, caplog, pattern, start
):
    """
    Both versions are named and not a byte is changed; without a name the
    process has another folder meanwhile.
    """
    sink = make(name=name)
    sink.write(make_records(2))
    letter = DeadLetter(record=sink.read(0, 1)[0], reason="no")
    sink.lease("topic").advance(1, [letter])
    folder = sink.folder
    sink.close()
    (path,) = folder.glob(pattern)
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, start + 8, 7)
    crc = zlib.crc32(data[start : start + 20])
    struct.pack_into(">I", data, start + 20, crc)
    path.write_bytes(data)
    before = {p: p.read_bytes() for p in folder.iterdir()}

    again = make(name=name)
    if name:
        with pytest.raises(
            SinkSetupError, match=r"is of version 7.*version 1"
        ):
            again.write(make_records(1))
    else:
        again.write(make_records(1))
        assert 1 == len(all_of(again))
        assert "is of version 7" in caplog.text

    assert before == {p: p.read_bytes() for p in folder.iterdir()}


def test_damaged_positions_deliver_again(make, caplog):
    """
    A position that can't be trusted is that before it, never one beyond.
    """
    sink = make(name="one")
    sink.write(make_records(9))
    lease = sink.lease("topic")
    lease.advance(3)
    lease.advance(7)
    sink.close()
    path = sink.folder / "positions"
    sink.close()
    before = path.read_bytes()
    whole = [
        bit
        for bit in range(len(before) * 8)
        if any(before[bit // 8 // 16384 * 16384 :][:16384])
        and bit // 8 % 16384 < 60
    ]

    for bit in whole:
        path.write_bytes(before)
        flip(path, bit)
        again = make(name="one")
        assert again.position("topic") in {3, 7}, bit
        assert "positions is damaged" in caplog.text
        again.close()

"""
Files of a spool that somebody has deleted.
"""

from __future__ import annotations

import errno
import logging
import os

import pytest

from auditlog.errors import SinkSetupError
from auditlog.spool import SpoolSink
from tests.spool_tools import all_of, bodies, flip, make_records, segments


@pytest.fixture
def make(tmp_path):
    made = []

    def make():
        sink = SpoolSink(tmp_path / "spool", segment_bytes=4096, name="one")
        made.append(sink)
        return sink

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def sink(make):
    """
    A spool of several files.
    """
    sink = make()
    for _ in range(12):
        sink.write(make_records(5))
    assert 3 < len(segments(sink))
    return sink


def in_file(sink, number):
    """
    The indexes in that file.
    """
    paths = segments(sink)
    until = int(paths[number + 1].stem) if paths[number + 1 :] else None
    until = until or sink.size() + 1
    return range(int(paths[number].stem), until)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_deleted_file_is_counted_once(sink, make, caplog, number):
    """
    At the next start: what it held is lost, a line says so, and the rest is
    read.
    """
    gone = in_file(sink, number)
    path = segments(sink)[number]
    sink.close()
    path.unlink()

    for times in (1, 0):
        again = make()
        assert {r.index for r in all_of(again)} == {*range(1, 61)} - {*gone}
        assert len(gone) == again.lost
        assert times == caplog.text.count("is missing, up to")
        caplog.clear()
        again.close()


@pytest.mark.parametrize("number", [0, 1, -1])
def test_file_that_is_deleted_while_open(sink, make, caplog, number):
    """
    Readers go on behind it, it is counted, and no index is given again.
    """
    gone = in_file(sink, number % len(segments(sink)))
    segments(sink)[number].unlink()

    left = {r.index for r in all_of(sink)}

    assert left == {*range(1, 61)} - {*gone}
    assert len(gone) == sink.lost
    assert 1 == caplog.text.count("is missing, up to")
    sink.close()
    again = make()
    again.write(late := make_records(1))
    assert bodies(late) == bodies(again.read(60, 9))
    assert 61 == again.size()
    assert len(gone) == again.lost


def test_file_that_is_deleted_while_written(sink):
    """
    No batch is acknowledged that has no file; the next has one.
    """
    sink.write(make_records(1))
    gone = in_file(sink, len(segments(sink)) - 1)
    segments(sink)[-1].unlink()
    late = make_records(2)

    with pytest.raises(SinkSetupError, match="was deleted"):
        sink.write(late)
    sink.write(late)

    assert bodies(late) == bodies(all_of(sink)[-2:])
    assert len(gone) == sink.lost


def test_what_relays_have_passed_is_no_loss(sink, make, caplog):
    """
    Neither what was deleted because of it, for a relay that comes later or
    without any relay, nor what somebody else deleted.
    """
    sink.lease("topic").advance(30)
    first = int(segments(sink)[0].stem)
    assert 1 < first <= 31
    sink.lease("late")
    sink.close()
    again = make()
    assert 0 == again.lost
    again.forget("topic")
    again.forget("late")
    again.close()
    again = make()
    assert 0 == again.lost
    again.lease("topic").advance(60)
    again.close()
    assert 0 == make().lost
    assert [] == [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_file_that_is_deleted_before_it_is_passed(sink):
    """
    The others that nobody needs are deleted all the same.
    """
    lease = sink.lease("topic")
    segments(sink)[0].unlink()

    lease.advance(60)

    assert 1 == len(segments(sink))


def test_what_is_deleted_at_the_start_is_no_loss(sink, make):
    """
    Its process had ended before it could, and a relay comes later.
    """
    lease = sink.lease("topic")
    sink._spool.deliveries.after_advance = lambda: None
    lease.advance(60)
    sink.close()
    again = make()
    again.lease("late")
    assert 1 == len(segments(again))
    again.close()

    assert 0 == make().lost


def test_only_what_a_relay_still_needs_counts(sink, make):
    """
    Of a deleted file, the events that all relays have passed are no loss.
    """
    gone = in_file(sink, 0)
    sink.lease("topic").advance(gone[-1] - 1)
    path = segments(sink)[0]
    sink.close()
    path.unlink()

    assert 1 == make().lost


def test_damage_at_the_end_of_a_file_is_not_counted_again(sink, make):
    """
    The gap that it leaves is the same loss.
    """
    path = segments(sink)[-1]
    sink.close()
    flip(path, path.stat().st_size * 8 - 5)
    for _ in range(3):
        again = make()
        assert 1 == again.lost
        again.write(make_records(1))
        again.close()


@pytest.mark.parametrize("deleted", [True, False])
def test_lost_positions_accuse_nobody(sink, make, caplog, deleted):
    """
    Without them nobody can know whether the first files were needed.
    """
    sink.lease("topic").advance(30)
    path = sink.folder / "positions"
    sink.close()
    if deleted:
        path.unlink()
    else:
        for place in (0, 16 * 1024):
            flip(path, (place + 30) * 8)

    for _ in range(2):
        again = make()
        assert 0 == again.lost
        again.close()
    assert "is missing" not in caplog.text


def test_takeover_that_was_cut_short_is_no_loss(tmp_path, monkeypatch):
    """
    The files of a folder that was being removed are somewhere else.
    """
    monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
    other = SpoolSink(tmp_path, segment_bytes=4096)
    for _ in range(12):
        other.write(make_records(5))
    stored, count = all_of(other), len(segments(other))
    folder = other.folder
    sink = SpoolSink(tmp_path)
    sink.write(own := make_records(1))
    other.close()
    real = os.unlink

    def unlink(path, **options):
        if folder in path.parents and len([*folder.glob("*.log")]) < count:
            raise OSError(errno.EIO, "broken")
        real(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        all_of(sink)
        assert count - 1 == len([*folder.glob("*.log")])

    assert bodies(own + stored) == bodies(all_of(sink))
    assert [sink.folder] == [*tmp_path.iterdir()]
    assert 0 == sink.lost
    sink.close()

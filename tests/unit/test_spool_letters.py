"""
Dead letters of a spool: given out again, until they are delivered.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import shutil

from datetime import UTC, datetime

import attrs
import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import AuditLogError, EventRefusedError
from auditlog.memory import InMemorySink
from auditlog.redrive import Redriven, redrive
from auditlog.spool import SpoolSink, frame, header, letters, positions
from auditlog.testing.faults import FaultySink
from tests.spool_tools import all_of, bodies, flip, make_records


AT = datetime(2026, 5, 4, 9, 12, 1, tzinfo=UTC)
COUNT = 5


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**options):
        options = {"name": "one"} | options
        sink = SpoolSink(tmp_path / "spool", **options)
        made.append(sink)
        return sink

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def sink(make):
    """
    A spool whose events are all dead letters.
    """
    return with_letters(make(), COUNT)


def with_letters(sink, count):
    sink.write(make_records(count))
    lease = sink.lease("topic")
    found = sink.read(0, count)
    lease.advance(count, [letter(record) for record in found])
    lease.release()
    return sink


def letter(record):
    return DeadLetter(record=record, reason="too large", at=AT)


def told(sink, relay="topic"):
    return [
        (each.record.index, each.reason, each.attempts)
        for each in sink.dead_letters(relay)
    ]


def reopened(sink, make):
    sink.close()
    return make()


def broken(*_args, **_options):
    raise OSError(errno.EIO, "broken")


def test_what_became_of_them_survives(sink, make):
    """
    Over a new start, the bytes of those that are left too.
    """
    stored = sink.read(0, COUNT)
    sink.redriven("topic", 2)
    sink.refused_again("topic", 3, "still")
    sink.refused_again("topic", 3, "still no")
    sink.refused_again("topic", 99, "not there")
    sink.redriven("other", 1)

    again = reopened(sink, make)

    assert told(again) == [
        (1, "too large", 1),
        (3, "still no", 3),
        (4, "too large", 1),
        (5, "too large", 1),
    ]
    assert [each.record for each in again.dead_letters("topic")] == [
        record for record in stored if record.index != 2
    ]
    assert again.dead_letters("topic")[0].at == AT
    assert again.dead_letters("topic")[1].at > AT


def test_redrive_empties_it_and_new_ones_come(sink, make):
    """
    Sent without the index, which counts in one folder only; then none is
    left, and the file begins again.
    """
    target, seen = InMemorySink(), []
    target.write_again = lambda records: [
        seen.extend(records),
        target.write(records),
    ]
    stored = bodies(sink.read(0, COUNT))

    assert redrive(sink, target, relay="topic") == Redriven(COUNT, 0)

    assert bodies(target.records) == stored
    assert {record.index for record in seen} == {None}
    again = reopened(sink, make)
    assert told(again) == []
    again.write(make_records(1))
    (record,) = again.read(COUNT, 1)
    again.lease("topic").advance(COUNT + 1, [letter(record)])
    again = reopened(again, make)
    assert told(again) == [(COUNT + 1, "too large", 1)]
    assert again.dead_letters("topic")[0].record == record
    size = (again.folder / letters.NAME).stat().st_size
    assert size < 2 * len(record.body) + 500


def test_refused_again(sink):
    """
    One that the sink refuses stays, and the others go.
    """
    stubborn = sink.read(2, 1)[0].event_id
    target = FaultySink(InMemorySink())
    target.refuse(
        lambda record: (
            EventRefusedError("never") if record.event_id == stubborn else None
        )
    )

    assert redrive(sink, target, relay="topic") == Redriven(COUNT - 1, 1)

    assert told(sink) == [(3, "never", 2)]


def test_refusals_without_end_take_no_room(sink, make, monkeypatch):
    """
    A file that is mostly history is written again, and says the same.
    """
    monkeypatch.setattr(letters, "TIDY", 8 * 1024)
    path = sink.folder / letters.NAME
    sizes = []
    for number in range(150):
        sink.refused_again("topic", 1 + number % COUNT, "no " * 30)
        sizes.append(path.stat().st_size)
    before = sink.dead_letters("topic")

    assert max(sizes) < 3 * 8 * 1024
    assert {each.attempts for each in before} == {31}
    assert reopened(sink, make).dead_letters("topic") == before


CALLS = ("open", "ftruncate", "pwrite", "fsync", "fdatasync", "rename")


@pytest.mark.parametrize("tidy", [0, 2**30])
@pytest.mark.parametrize("call", CALLS)
def test_cut_short_anywhere(tmp_path, make, monkeypatch, call, tidy):
    """
    Whichever call of the system is the last, a letter was either delivered
    or not, and all others are as they were, here and at the next start.
    """
    monkeypatch.setattr(letters, "TIDY", tidy)
    with_letters(make(), COUNT).close()
    begun = tmp_path / "begun"
    shutil.copytree(tmp_path / "spool", begun)
    done, number = False, 0
    while not done:
        shutil.rmtree(tmp_path / "spool")
        shutil.copytree(begun, tmp_path / "spool")
        sink = make()
        before = told(sink)
        with monkeypatch.context() as patch:
            left = fail_from(patch, call, number)
            try:
                sink.redriven("topic", 2)
            except AuditLogError:
                ok = {"before", "after"}
            else:
                ok = {"after"}
        states = {"before": before, "after": before[:1] + before[2:]}
        allowed = [states[name] for name in ok]
        assert told(sink) in allowed
        again = reopened(sink, make)
        assert told(again) in allowed
        assert again.lost == 0
        again.close()
        done, number = left[0] > 0, number + 1
    assert number > 1 or call == "rename"


def fail_from(patch, call, number):
    """
    Let that many calls pass, and fail all that follow; how many may pass.
    """
    real, left = getattr(os, call), [number + 1]

    def failing(*args, **options):
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.EIO, "broken")
        return real(*args, **options)

    patch.setattr(os, call, failing)
    return left


def test_new_size_that_was_not_kept(sink, make, monkeypatch, caplog):
    """
    A file that was written again counts as it is, with what comes behind.
    """
    sink.redriven("topic", 1)
    sink.redriven("topic", 2)
    real, calls = positions.Positions._write, []
    path = sink.folder / letters.NAME
    before = path.stat().st_size

    def fail_second(*args):
        calls.append(args)
        if len(calls) > 1:
            raise OSError(errno.EIO, "broken")
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(letters, "TIDY", 0)
        patch.setattr(positions.Positions, "_write", fail_second)
        sink.redriven("topic", 3)
    assert path.stat().st_size < before
    assert told(sink) == [(4, "too large", 1), (5, "too large", 1)]

    again = reopened(sink, make)
    assert told(again) == [(4, "too large", 1), (5, "too large", 1)]
    again.refused_again("topic", 5, "still")
    assert told(again) == [(4, "too large", 1), (5, "still", 2)]
    again = reopened(again, make)
    assert told(again) == [(4, "too large", 1), (5, "still", 2)]
    assert again.lost == 0
    assert caplog.records == []


def test_letter_of_an_event_that_comes_again(sink, make):
    """
    A relay that begins anew and fails on it again adds to the attempts.
    """
    sink.forget("topic")
    lease = sink.lease("topic")
    lease.advance(2, [letter(record) for record in sink.read(0, 2)])

    assert [attempts for _, _, attempts in told(sink)] == [2, 2, 1, 1, 1]
    again = reopened(sink, make)
    assert [attempts for _, _, attempts in told(again)] == [2, 2, 1, 1, 1]


def test_each_flipped_bit_is_detected(sink, tmp_path, caplog):
    """
    One bit anywhere in the file: no letter is changed, the others are given
    out, and what is lost is counted, kept and told once.
    """
    sink.refused_again("topic", 4, "still")
    before = sink.dead_letters("topic")
    folder = sink.folder
    size = (folder / letters.NAME).stat().st_size
    sink.close()

    for number, bit in enumerate(
        random.Random(3).sample(range(size * 8), 150)
    ):
        copy = tmp_path / f"copy-{number}" / folder.name
        shutil.copytree(folder, copy)
        flip(copy / letters.NAME, bit)
        caplog.clear()
        opened = SpoolSink(copy.parent, name=folder.name)
        found = opened.dead_letters("topic")
        (line,) = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert str(copy / letters.NAME) in line.getMessage()
        assert len(list((copy / "quarantine").glob("*.bad"))) == 1
        left = [each for each in before if each in found]
        assert [e for e in found if e not in before] == [] or (
            # Only the note that it was refused again is damaged.
            told(opened)[3] == (4, "too large", 1)
        )
        assert len(before) - 1 <= len(left)
        assert (opened.lost >= 1) == (len(left) < len(before))
        opened.close()
        caplog.clear()
        assert opened.dead_letters("topic") == found
        assert caplog.records == []
        opened.close()
        shutil.rmtree(copy)


def test_damage_while_open_gives_nothing_wrong(sink, caplog):
    """
    Its bytes are looked at again before they are given out.
    """
    before = sink.dead_letters("topic")
    path = sink.folder / letters.NAME
    flip(path, (path.stat().st_size - 5) * 8)

    assert sink.dead_letters("topic") == before[:-1]
    assert sink.lost == 1
    assert "dead letters are lost" in caplog.text


def test_damaged_neighbours_are_kept_whole(sink, make):
    """
    Of two in a row no byte is thrown away.
    """
    path = sink.folder / letters.NAME
    frames = [*frame.scan(path.read_bytes(), header.HEADER, 0)]
    for each in frames[1:3]:
        flip(path, (each.end - 5) * 8)
    damaged = path.read_bytes()[frames[1].start : frames[2].end]

    again = reopened(sink, make)

    assert [1, 4, 5] == [index for index, _, _ in told(again)]
    (kept,) = (again.folder / "quarantine").iterdir()
    assert (2, damaged) == (again.lost, kept.read_bytes())


@pytest.mark.parametrize("size", [0, 100, None])
def test_deleted_or_cut_file_is_told(sink, make, caplog, size):
    """
    That dead letters are gone is counted, once, and new ones are kept.
    """
    path = sink.folder / letters.NAME
    sink.close()
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])

    again = make()
    assert told(again) == []
    assert again.lost >= 1
    assert "dead letters are lost" in caplog.text
    again.close()
    caplog.clear()
    again.lease("topic").advance(5, [letter(again.read(4, 1)[0])])

    assert told(reopened(again, make)) == [(5, "too large", 1)]
    assert caplog.records == []


def test_letters_of_others_have_numbers_of_their_own(tmp_path, monkeypatch):
    """
    Two folders have the same indexes; each letter can be told apart once
    they are in one, also if the takeover was cut short.
    """
    monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
    made = [SpoolSink(tmp_path) for _ in range(3)]
    for each in made:
        with_letters(each, 2)
    sink, *others = made
    before = [each.dead_letters("topic") for each in made]
    for each in others:
        each.close()
    with monkeypatch.context() as patch:
        patch.setattr("auditlog.spool.adoption._remove", broken)
        all_of(sink)
        assert len(told(sink)) == 6
    all_of(sink)

    found = sink.dead_letters("topic")
    assert [sink.folder] == [*tmp_path.iterdir()]
    assert len({each.record.index for each in found}) == 6
    assert [1, 2] == [each.record.index for each in found[:2]]
    assert all(e.record.index > letters.INHERITED for e in found[2:])
    assert sorted(bodies(e.record for e in found)) == sorted(
        bodies(e.record for one in before for e in one)
    )
    unmoved = [attrs.evolve(e, record=None) for e in found]
    assert unmoved == [attrs.evolve(e, record=None) for e in before[0] * 3]
    assert redrive(sink, InMemorySink(), relay="topic") == Redriven(6, 0)
    assert told(sink) == []
    sink.close()

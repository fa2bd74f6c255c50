"""
What a spool gives after each state in which a loss of power may leave a disk.

Such a state has all that was synced, and of the rest any part: of each file
the first writes, the last of them torn, and of the names in a folder any.
"""

from __future__ import annotations

import itertools
import os
import random

import attrs
import pytest

from auditlog.abc import DeadLetter
from auditlog.spool import SpoolSink
from tests.disk import Disk, followed, lay_out
from tests.spool_tools import all_of, bodies, make_records


OPTIONS = {"name": "one", "segment_bytes": 4096}
# States that are looked at, of some hundred that there are.
STATES = 500


@attrs.frozen
class Moment:
    """
    A state of the disk, and what was acknowledged by then.
    """

    state: dict
    stored: int
    position: int
    attempted: int
    letters: int


class Witness:
    """
    Uses a spool, and keeps all states that the disk may be left in.
    """

    def __init__(self, root, draw, **options):
        self.disk = Disk(root, **options)
        self.moments = {}
        self.records = []
        self.stored = self.position = self.attempted = self.letters = 0
        self._draw = draw

    def look(self):
        """
        Keep what may be left if the power is lost now.
        """
        known = self.stored, self.position, self.attempted, self.letters
        for state in self.disk.states(self._draw):
            key = repr((state, known))
            self.moments.setdefault(hash(key), Moment(state, *known))

    def write(self, sink, count):
        self.records += (batch := make_records(count))
        sink.write(batch)
        self.stored += count

    def advance(self, lease, position, *letters):
        self.attempted = position
        lease.advance(position, letters)
        self.position = position
        self.letters += len(letters)


@pytest.fixture
def witness(tmp_path, monkeypatch):
    """
    A function that lets a spool work, and gives what it left at any moment.
    """

    def witness(work, **options):
        draw = random.Random(5)
        (root := tmp_path / "disk").mkdir()
        found = Witness(root, draw, **options)
        with followed(found.disk, monkeypatch, after=found.look):
            work(found, root)
        moments = [*found.moments.values()]
        print(len(moments), "states")
        draw.shuffle(moments)
        return found, moments[:STATES]

    return witness


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """
    A function that opens a spool in a state of the disk.
    """
    made = []
    numbers = itertools.count()
    for sync in ("fsync", "fdatasync"):  # nothing is lost from now on
        monkeypatch.setattr(os, sync, lambda fd: None)

    def opened(state, **options):
        folder = tmp_path / f"state-{next(numbers)}"
        lay_out(state, folder)
        made.append(SpoolSink(folder / "spool", **options))
        return made[-1]

    yield opened
    for sink in made:
        sink.close()


def busy(witness, root):
    """
    Store, begin files, move positions, bury, and delete files.
    """
    sink = SpoolSink(root / "spool", **OPTIONS)
    witness.write(sink, 2)
    lease = sink.lease("topic")
    for _ in range(4):
        witness.write(sink, 6)
    letter = DeadLetter(record=sink.read(3, 1)[0], reason="no")
    witness.advance(lease, 4, letter)
    witness.advance(lease, 20)
    witness.write(sink, 1)
    sink.close()
    again = SpoolSink(root / "spool", **OPTIONS)
    witness.write(again, 6)
    witness.advance(again.lease("topic"), 30)
    again.close()


def check(witness, moment, sink):
    """
    All that was acknowledged and not passed is there, and goes on.
    """
    position = sink.position("topic")
    found = [e for e in all_of(sink) if e.index > position]
    assert moment.position <= position <= moment.attempted
    assert moment.letters <= len(sink.dead_letters("topic"))
    assert 0 == sink.lost
    wanted = bodies(witness.records[position : moment.stored])
    assert wanted == bodies(found)[: len(wanted)]
    assert bodies(found) == bodies(witness.records[position:])[: len(found)]

    sink.write(late := make_records(1))
    behind = [*sink.read(position + len(found), 9)]
    assert bodies(late) == bodies(behind)


def test_acknowledged_survives_any_loss_of_power(witness, opened):
    """
    Whatever the disk had of what was not synced: events, positions and dead
    letters that were confirmed are there, nothing counts as damaged, and
    what is stored next is read next.
    """
    found, moments = witness(busy)

    for moment in moments:
        check(found, moment, opened(moment.state, **OPTIONS))
    assert len(moments) > 100


def adopting(witness, root):
    """
    Take over the folder of another process, with a dead letter.
    """
    own, other = SpoolSink(root / "spool"), SpoolSink(root / "spool")
    witness.write(own, 1)
    witness.write(other, 3)
    own.lease("topic")
    letter = DeadLetter(record=other.read(0, 1)[0], reason="no")
    witness.advance(other.lease("topic"), 1, letter)
    other.close()
    all_of(own)
    witness.write(own, 1)
    own.close()


def test_takeover_survives_any_loss_of_power(witness, opened, monkeypatch):
    """
    What was confirmed is in one of the two folders, and a dead letter in one
    of them; the next process makes one folder of them.
    """
    monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
    found, moments = witness(adopting)

    for moment in moments:
        sink = opened(moment.state)
        wanted = bodies(found.records[: moment.stored])
        left = bodies(all_of(sink))
        dead = bodies(e.record for e in sink.dead_letters("topic"))
        assert {*wanted} <= {*left, *dead}
        assert dead == bodies(found.records[1:2])[: len(dead)]
        assert len(dead) >= moment.letters
        assert [sink.folder] == [*sink.folder.parent.iterdir()]
    assert len(moments) > 100


@pytest.mark.parametrize("sync", ["fsync", "fdatasync"])
def test_spool_that_does_not_sync_loses(witness, opened, sync):
    """
    Without one of the two calls, some state has not all that was confirmed.
    """
    found, moments = witness(busy, unsynced=[sync])

    lost = 0
    for moment in moments:
        try:
            check(found, moment, opened(moment.state, **OPTIONS))
        except Exception:  # noqa: BLE001 - it may be of any kind
            lost += 1
    print(lost, "of", len(moments))
    assert lost

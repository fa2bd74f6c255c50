"""
Dead letters that are sent once more.
"""

from __future__ import annotations

import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import (
    DuplicateEventError,
    EventRefusedError,
    PartialWriteError,
    SinkUnavailableError,
)
from auditlog.memory import InMemorySink
from auditlog.redrive import Redriven, redrive
from auditlog.testing.contracts import make_record
from auditlog.testing.faults import FaultySink


COUNT = 250


@pytest.fixture
def journal():
    """
    A journal whose events are all dead letters.
    """
    journal = InMemorySink()
    journal.write([make_record(metadata={"n": n}) for n in range(COUNT)])
    lease = journal.lease("topic")
    lease.advance(
        COUNT,
        [DeadLetter(record=r, reason="too large") for r in journal.records],
    )
    return journal


@pytest.fixture
def target():
    return InMemorySink()


def indexes(journal):
    letters = journal.dead_letters("topic", limit=COUNT)
    return [letter.record.index for letter in letters]


def test_all_in_their_order(journal, target):
    """
    Each with its old bytes and id; none is left.
    """
    found = redrive(journal, target, relay="topic")

    assert found == Redriven(COUNT, 0)
    assert [r.body for r in target.records] == [
        r.body for r in journal.records
    ]
    assert indexes(journal) == []


def test_some(journal, target):
    """
    Only those that are asked for; an unknown index is nothing.
    """
    found = redrive(journal, target, relay="topic", indexes={3, 200, 999})

    assert found == Redriven(2, 0)
    assert len(indexes(journal)) == COUNT - 2


def test_refused_again(journal, target):
    """
    What the sink refuses again stays, with the reason and another attempt;
    the others go on.
    """
    sink = FaultySink(target)
    stubborn = journal.records[4].event_id
    sink.refuse(
        lambda r: (
            EventRefusedError("still too large")
            if r.event_id == stubborn
            else None
        )
    )

    found = redrive(journal, sink, relay="topic")

    assert found == Redriven(COUNT - 1, 1)
    (letter,) = journal.dead_letters("topic")
    assert (letter.record.index, letter.reason, letter.attempts) == (
        5,
        "still too large",
        2,
    )


class Settling:
    """
    A sink that answers by `PartialWriteError`, always.
    """

    def __init__(self, *, stores):
        self._stores = stores

    def write(self, records):
        ids = [each.event_id for each in records]
        if self._stores:
            raise PartialWriteError(ids, {})
        raise PartialWriteError(
            [], {each: DuplicateEventError("another one") for each in ids}
        )


@pytest.mark.parametrize("stores", [True, False])
def test_answer_for_single_events(journal, stores):
    """
    What a `PartialWriteError` says of the event counts.
    """
    found = redrive(
        journal, Settling(stores=stores), relay="topic", indexes=[1]
    )

    assert found == (Redriven(1, 0) if stores else Redriven(0, 1))


def test_sink_that_is_away(journal, target):
    """
    An outage ends it; what was delivered is noted, the rest is kept.
    """
    sink = FaultySink(target)
    redrive(journal, sink, relay="topic", indexes=[1, 2])
    sink.fail(SinkUnavailableError("away"))

    with pytest.raises(SinkUnavailableError):
        redrive(journal, sink, relay="topic")

    assert len(indexes(journal)) == COUNT - 2
    assert journal.dead_letters("topic")[0].attempts == 1


def test_sink_that_marks_them(journal, target):
    """
    A sink that can mark them is asked to.
    """
    marked = []
    target.write_again = marked.extend

    redrive(journal, target, relay="topic", indexes=[7])

    assert [each.index for each in marked] == [7]
    assert target.records == []


def test_other_relays_are_left_alone(journal, target):
    """
    Each relay has its own.
    """
    assert redrive(journal, target, relay="other") == Redriven(0, 0)
    assert len(indexes(journal)) == COUNT

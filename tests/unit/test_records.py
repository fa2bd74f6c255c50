"""
The records that a sink is given of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from auditlog import AuditEvent, Resource, codec
from auditlog._engine.buffer import Buffer
from auditlog._engine.receipt import PendingReceipt
from auditlog._engine.records import Records


@pytest.fixture
def events():
    return [
        AuditEvent(event_type="A.B", resource=Resource(type="t", id=str(i)))
        for i in range(5)
    ]


def make_records(events, encode=codec.encode):
    buffer = Buffer(sink="x", name="x", max_events=10, max_bytes=10)
    receipts = [
        PendingReceipt(event, buffer, weight=1, urgent=False)
        for event in events
    ]
    items = dict(zip(receipts, events, strict=True))
    return Records(receipts, items, encode)


@pytest.fixture
def records(events):
    return make_records(events)


def ids(some):
    return [each.event_id for each in some]


def test_as_a_sequence(records, events):
    """
    What can be done with a list that isn't changed.
    """
    expected = ids(events)

    assert isinstance(records, Sequence)
    assert len(records) == 5
    assert expected == ids(records) == [records[i].event_id for i in range(5)]
    assert expected[1:4] == ids(records[1:4])
    assert expected[::-1] == ids(reversed(records)) == ids(records[::-1])
    assert expected[-1] == records[-1].event_id
    assert records[2] in records
    with pytest.raises(IndexError):
        records[5]


def test_bodies_are_those_of_the_events(records, events):
    """
    Whoever looks, however often.
    """
    assert [codec.encode(event) for event in events] == [
        record.body for record in records
    ]


def test_record_is_made_when_it_is_looked_at(events):
    """
    And only once.
    """
    made = []
    records = make_records(events, lambda e: made.append(e) or b"{}")

    assert records[1] is records[1] is [*records][1] is records[1:2][0]
    assert made == []
    assert records[3].body == b"{}"
    assert made == [events[3]]

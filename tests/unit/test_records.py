"""
The records that a sink is given of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from auditlog import AuditEvent, Resource, codec
from auditlog._engine.records import Records


@pytest.fixture
def events():
    return [
        AuditEvent(event_type="A.B", resource=Resource(type="t", id=str(i)))
        for i in range(5)
    ]


@pytest.fixture
def records(events):
    return Records(events, codec.encode)


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
    records = Records(events, lambda event: made.append(event) or b"{}")

    assert records[1] is records[1] is [*records][1] is records[1:2][0]
    assert made == []
    assert records[3].body == b"{}"
    assert made == [events[3]]

"""
The record: one event as bytes, made or decoded when they are asked for.
"""

from __future__ import annotations

import pickle

from functools import partial

import attrs
import pytest

from hypothesis import given

from auditlog import AuditEvent, Change, Resource, codec
from auditlog.abc import Record
from auditlog.errors import DecodingError
from auditlog.postgres.columns import COLUMNS, row
from tests import strategies


CODECS = [codec.CloudEventsCodec(), codec.ConduktorCodec()]


def make_event(**changes):
    return AuditEvent(
        event_type="App.Invoice.Approve",
        resource=Resource(type="invoice", id="7"),
        **changes,
    )


def unmade(event, encode=codec.encode):
    """
    As a publisher makes it.
    """
    return Record(event_id=event.event_id, body=partial(encode, event))


def read(event, encode=codec.encode):
    """
    As a reader makes it.
    """
    return Record(event_id=event.event_id, body=encode(event))


def test_body_is_made_once_when_it_is_asked_for():
    """
    And not by looking at the rest.
    """
    made = []
    record = unmade(make_event(), lambda e: made.append(e) or codec.encode(e))

    assert "body" not in repr(record)
    assert [] == made
    assert record.body is record.body
    assert 1 == len(made)


def columns(record):
    return dict(zip(COLUMNS, row(record), strict=True))


@pytest.mark.parametrize("codec_", CODECS, ids=lambda c: c.name)
@given(event=strategies.events(types=strategies.three_part_types()))
def test_event_is_the_one_in_the_body(codec_, event):
    """
    Whether it was at hand or had to be decoded; so are the columns.
    """
    record, decoded = unmade(event, codec_.encode), read(event, codec_.encode)

    assert decoded.event == record.event == codec.decode(record.body)
    mine, other = columns(record), columns(decoded)
    times = [each.pop("occurred_at").rstrip("0Z.") for each in (mine, other)]
    assert mine == other
    assert times[0] == times[1]


def test_event_of_a_body_that_was_cut_is_the_cut_one():
    """
    Sinks see what readers will, in whatever order they ask.
    """
    changes = (Change(path="text", old="a" * 70_000, new="b"),)
    event = make_event(changes=changes)
    record = unmade(event)

    assert record.event == codec.decode(codec.encode(event)) != event
    assert columns(unmade(event))["body"] == record.body


def test_records_are_equal_by_what_they_hold():
    """
    However they came to it; as keys too.
    """
    event = make_event()

    assert unmade(event) == read(event)
    assert {read(event)} == {unmade(event)}
    assert unmade(event) != read(make_event())
    assert attrs.evolve(read(event), index=1) != read(event)
    assert read(event) != event


@pytest.mark.parametrize("make", [unmade, read])
def test_record_can_be_copied_and_sent_elsewhere(make):
    """
    Such as to a worker process; as its bytes, whoever makes them.
    """
    record = make(make_event(), lambda event: bytes(codec.encode(event)))

    assert record == pickle.loads(pickle.dumps(record))
    assert len(pickle.dumps(record)) < len(record.body) + 300
    assert 3 == attrs.evolve(record, index=3).index
    assert record.body == attrs.evolve(record, index=3).body


@pytest.mark.parametrize("make", [unmade, read])
def test_another_body_is_another_event(make):
    """
    A sink that wraps another may change what that one stores.
    """
    record = make(make_event(tenant="a"))
    assert "a" == record.event.tenant

    other = attrs.evolve(record, body=codec.encode(make_event(tenant="b")))

    assert "b" == other.event.tenant == columns(other)["tenant"]


def test_fault_in_making_the_body_is_told_each_time():
    """
    It stays a record without a body.
    """
    record = unmade(make_event(), lambda _: 1 / 0)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            _ = record.event


def test_what_is_no_event_says_so():
    """
    When the event is asked for.
    """
    record = Record(event_id=make_event().event_id, body=b"{}")

    with pytest.raises(DecodingError):
        _ = record.event
    assert not record.is_decoded

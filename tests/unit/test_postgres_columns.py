"""
The columns are what a decoded event has, however they were found.
"""

from __future__ import annotations

import contextlib

from datetime import datetime
from uuid import uuid4

import msgspec
import pytest

from hypothesis import given
from hypothesis import strategies as st

from auditlog import codec
from auditlog.abc import Record
from auditlog.errors import DecodingError
from auditlog.postgres import columns
from auditlog.testing.contracts import make_record
from tests.strategies import events, three_part_types


def found(record):
    event_id, text, *others = columns.row(record)
    time = datetime.fromisoformat(text)
    assert time.tzinfo is not None
    return (event_id, time, *others)


def expected(record):
    event = record.event
    return (
        record.event_id,
        event.occurred_at,
        event.event_type,
        event.actor.id if event.actor else None,
        f"{event.resource.type}/{event.resource.id}",
        event.outcome,
        event.tenant,
        record.body,
    )


@given(
    events(types=three_part_types()),
    st.sampled_from(["cloudevents", "conduktor"]),
)
def test_columns_of_our_bodies(event, dialect):
    """
    In both dialects.
    """
    body = codec.codec_named(dialect).encode(event)
    record = Record(event_id=event.event_id, body=body)

    assert expected(record) == found(record)


TIME = "2026-01-05T12:00:00Z"

FOREIGN = (
    b'{"source":"//kafka/kafkacluster/c/topic/t","data":{"eventType":'
    b'"Kafka.Topic.Create","metadata":{"a":1}},"datacontenttype":'
    b'"application/json","id":"f80937c1-ae60-4a50-b8a8-c43a3a4e5b0a",'
    b'"specversion":"1.0","time":"2024-11-05T15:04:05.123456789Z",'
    b'"type":"AuditLogEventType(Kafka,Topic,Create)"}'
)


def test_columns_of_foreign_body():
    """
    What is not as we write it is decoded.
    """
    record = Record(event_id=uuid4(), body=FOREIGN)

    assert expected(record) == found(record)


@given(events(), st.data())
def test_columns_of_altered_bodies(event, data):
    """
    With members missing, null or of another type, columns and event agree.
    """
    tree = msgspec.json.decode(codec.encode(event))
    where = tree if data.draw(st.booleans()) else tree["data"]
    name = data.draw(st.sampled_from(sorted(where)))
    value = data.draw(st.sampled_from([None, "", 5, {}, [], "x", TIME, "\0"]))
    where[name] = value
    if data.draw(st.booleans()):
        del where[name]
    record = Record(event_id=event.event_id, body=msgspec.json.encode(tree))
    try:
        decoded = expected(record)
    except DecodingError:
        return

    assert decoded == found(record)


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-05T12:00:00.0000000",
        "2026-01-05T12:00:00.0+01:00",
        "2026-01-05T12:00:00.123456789Z",
        "2026-01-05 12:00:00.000000Z",
        "2026-01-05t12:00:00.000000z",
        "2026-01-05T24:00:00.000000Z",
        "2026-W01-1T12:00:00.000000Z",
        "2026-01-05T12:00:00,000000Z",
        "0001-01-01T00:00:00.000000Z",
    ],
)
def test_times_in_any_form(time):
    """
    A time has a zone, and is what the decoded event says, or is refused.
    """
    body = make_record().body
    tree = {**msgspec.json.decode(body), "time": time}
    record = Record(event_id=uuid4(), body=msgspec.json.encode(tree))
    try:
        decoded = expected(record)
    except DecodingError:
        with pytest.raises(DecodingError):
            columns.row(record)
    else:
        assert decoded == found(record)


@pytest.mark.parametrize("name", ["tenant", "actor", "resource"])
def test_nul_in_text(name):
    """
    PostgreSQL can't store it, and a decoded event does not have it.
    """
    tree = msgspec.json.decode(make_record().body)
    text = "a\0b"
    value = text if name == "tenant" else {"type": text, "id": text}
    tree["data"][name] = value
    record = Record(event_id=uuid4(), body=msgspec.json.encode(tree))

    row = found(record)

    assert expected(record) == row
    assert "\0" not in repr(row[:-1])


@given(st.binary() | st.text().map(str.encode))
def test_other_bytes_are_refused_in_one_way(body):
    """
    Whatever they are.
    """
    with contextlib.suppress(DecodingError):
        columns.row(Record(event_id=uuid4(), body=body))


def test_our_bodies_are_not_decoded(monkeypatch):
    """
    Looking into them is the fast path, and it is taken.
    """
    monkeypatch.setattr(columns, "_full", None)

    assert "Contract.Thing.Create" in columns.row(make_record())

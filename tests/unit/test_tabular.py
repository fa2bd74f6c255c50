"""
Records as Arrow batches: one schema, bounded batches, nothing lost quietly.
"""

from __future__ import annotations

import sys

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from auditlog._tabular import (
    LAYOUTS,
    record_batch,
    record_batches,
    schema,
)
from auditlog.abc import Origin, Record
from auditlog.errors import MissingExtraError
from auditlog.event import uuid7
from auditlog.exporters._columns import EVENT_COLUMNS
from auditlog.testing.reader_contract import START, sample_records


RECORDS = sample_records()


def broken_record(body=b"{}"):
    return Record(event_id=uuid7(), body=body)


def never(record, reason):
    raise AssertionError((record, reason))


def test_columns_are_those_of_csv_files():
    """
    Events have the same names in both, and their place in a store behind.
    """
    names = [name.replace(".", "_") for name in EVENT_COLUMNS]

    assert [
        *names,
        "index",
        "recorded_at",
        "topic",
        "partition",
        "offset",
    ] == schema().names


def test_types_do_not_depend_on_what_is_in_a_batch():
    """
    No row, nulls only, and usual events make columns of the same types.
    """
    batches = [record_batch(RECORDS[:count]) for count in (0, 1, 12)]

    assert {schema()} == {batch.schema for batch in batches}
    assert pa.timestamp("us", "UTC") == schema().field("occurred_at").type
    for name in ("event_type", "outcome", "actor_type"):
        assert pa.types.is_dictionary(schema().field(name).type)


def test_values_are_those_of_the_events():
    """
    A cell holds what the event's field holds, null for None.
    """
    rows = record_batch(RECORDS).to_pylist()

    events = [record.event for record in RECORDS]
    assert [e.occurred_at for e in events] == [r["occurred_at"] for r in rows]
    assert [e.event_type for e in events] == [r["event_type"] for r in rows]
    assert [e.resource.id for e in events] == [r["resource_id"] for r in rows]
    assert [e.tenant for e in events] == [r["tenant"] for r in rows]
    assert START == rows[0]["occurred_at"]
    assert {None} == {row["index"] for row in rows}


def test_records_keep_body_and_place():
    """
    ``records`` has the bytes of body, key and headers as they are.
    """
    body = b'{"no": "event"}\xff'
    time = datetime(2026, 1, 5, 11, tzinfo=UTC)
    origin = Origin(
        topic="audit",
        partition=1,
        offset=2**53 + 1,
        timestamp=time,
        key=b"\xff\x00",
        headers=(("h", b"\xfe"), ("h", None)),
    )
    record = Record(
        event_id=uuid7(), body=body, index=7, recorded_at=time, origin=origin
    )

    [row] = record_batch([record], LAYOUTS["records"]).to_pylist()

    assert {
        "index": 7,
        "recorded_at": time,
        "topic": "audit",
        "partition": 1,
        "offset": 2**53 + 1,
        "timestamp": time,
        "key": b"\xff\x00",
        "headers": [
            {"name": "h", "value": b"\xfe"},
            {"name": "h", "value": None},
        ],
        "value": body,
    } == row


def test_batches_are_bounded_in_rows_and_bytes():
    """
    Many small events or a few long ones end a batch.
    """
    small = record_batches(RECORDS, skip=never, rows=5)
    long = [broken_record(b"x" * 3_000_000)] * 5
    names = LAYOUTS["records"]

    assert [5, 5, 2] == [batch.num_rows for batch in small]
    assert [3, 2] == [
        batch.num_rows for batch in record_batches(long, names, skip=never)
    ]


def test_what_is_no_event_is_told_and_left_out():
    """
    A body that can't be decoded costs its own row, and is named.
    """
    broken = broken_record()
    told = []
    batches = record_batches(
        [RECORDS[0], broken, RECORDS[1]],
        skip=lambda record, reason: told.append((record, reason)),
    )

    assert [2] == [batch.num_rows for batch in batches]
    assert [(broken, "no CloudEvents 1.0 object: 'specversion'")] == told


def test_missing_package_is_named_with_its_extra(monkeypatch):
    """
    Without pyarrow the error says what to install.
    """
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r"auditlog-publisher\[arrow"):
        record_batch(RECORDS)

"""
CSV of bodies as they are stored: what the events in them make, and faster.
"""

from __future__ import annotations

from unittest import mock

import pytest

from hypothesis import given
from hypothesis import strategies as st

from auditlog import codec
from auditlog.abc import Record
from auditlog.exporters import CSVExporter
from auditlog.exporters._columns import EVENT_COLUMNS
from tests.strategies import events
from tests.unit.test_publisher import make_event


def record_of(event, write=codec.encode):
    return Record(event_id=event.event_id, body=write(event))


@given(
    st.lists(events(), max_size=3),
    st.sampled_from(
        [
            {},
            {"guard": None},
            {"columns": ("metadata", "event_id", "replaced")},
            {"metadata_keys": ("a",)},
            {"columns": ("value", "actor_id")},
        ]
    ),
)
def test_rows_are_those_of_the_events(some, options):
    """
    Whether bodies are decoded makes no difference to a file.
    """
    exporter = CSVExporter(**options)
    records = [record_of(event) for event in some]

    found = exporter.dumps(records)

    with mock.patch("auditlog.exporters._csv.cells_of", return_value=None):
        assert exporter.dumps(records) == found


@pytest.mark.parametrize("columns", [None, tuple(reversed(EVENT_COLUMNS))])
def test_events_are_not_built(columns):
    """
    A usual body is never decoded into an event for that.
    """
    names = columns and [name.replace(".", "_") for name in columns]
    record = record_of(make_event(1))

    CSVExporter(columns=names).dumps([record])

    assert not record.is_decoded

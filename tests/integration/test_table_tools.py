"""
Data frames and databases take Parquet files and what readers give.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pyarrow import parquet

from auditlog import codec
from auditlog._tabular import schema
from auditlog.abc import Origin, Record
from auditlog.exporters import ParquetExporter, read_parquet
from auditlog.testing.reader_contract import START
from tests.integration.test_csv_tools import EVENTS, HOSTILE, cells


NAMES = schema().names
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(name="path", scope="module")
def _path(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "audit.parquet"
    ParquetExporter(row_group_rows=10).export(records(), path)
    return path


def records():
    """
    Hostile texts, from a topic with offsets that no double can hold, but
    for the first.
    """
    return [
        Record(
            event_id=event.event_id,
            body=codec.encode(event),
            recorded_at=START,
            origin=origin_of(number) if number else None,
        )
        for number, event in enumerate(EVENTS)
    ]


def origin_of(number):
    return Origin(topic="audit", partition=3, offset=2**53 + number)


def expected():
    """
    What each tool should find: the texts that ``csv`` finds in a CSV file.
    """
    occurred_at = microseconds(EVENTS[0].occurred_at)
    stored = ["", microseconds(START)]
    first, *others = [[occurred_at, *row[1:], *stored] for row in cells()]
    return [
        [*first, "", "", ""],
        *(
            [*row, "audit", "3", str(2**53 + number)]
            for number, row in enumerate(others, 1)
        ),
    ]


def plain(rows):
    """
    The values of *rows* as the texts that a CSV file has for them.
    """
    return [[text(row[name], name) for name in NAMES] for row in rows]


def text(value, name):
    if value is None or value is pd.NA or (name, value) == ("replaced", 0):
        return ""
    return microseconds(value) if isinstance(value, datetime) else str(value)


def microseconds(time):
    return str((time - EPOCH) // timedelta(microseconds=1))


def asked(source):
    """
    The rows that DuckDB finds; *source* may be used in the query.
    """
    with duckdb.connect() as connection:
        table = f"read_parquet('{source}')"
        if not isinstance(source, str):
            connection.register("found", source)
            table = "found"
        times = ("occurred_at", "recorded_at")
        epochs = ", ".join(f"epoch_us({name}) AS {name}" for name in times)
        found = connection.execute(
            f"SELECT * REPLACE ({epochs}) FROM {table}"
        ).fetchall()
    return [dict(zip(NAMES, row, strict=True)) for row in found]


FILES = {
    "pyarrow": lambda path: parquet.read_table(path).to_pylist(),
    "pandas": lambda path: pd.read_parquet(
        path, dtype_backend="pyarrow"
    ).to_dict("records"),
    "polars": lambda path: pl.read_parquet(path).to_dicts(),
    "duckdb": lambda path: asked(str(path)),
}


@pytest.mark.parametrize("tool", FILES)
def test_files_read_alike(path, tool):
    """
    Each tool finds every text, null, time and number of a Parquet file.
    """
    assert expected() == plain(FILES[tool](path))


STREAMS = {
    "pyarrow": lambda events: pa.table(events).to_pylist(),
    "to_arrow": lambda events: events.to_arrow().to_pylist(),
    "pandas": lambda events: without_nan(events.to_pandas()),
    "polars": lambda events: pl.DataFrame(events).to_dicts(),
    "to_polars": lambda events: events.to_polars().to_dicts(),
    "duckdb": asked,
}


def without_nan(frame):
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


@pytest.mark.parametrize("tool", STREAMS)
def test_what_a_reader_gives_is_a_table(path, tool):
    """
    Each tool takes it as it is, and finds the same.
    """
    assert expected() == plain(STREAMS[tool](read_parquet(path)))


def test_duckdb_asks_by_the_name_of_a_variable(path):
    """
    A query reads as often as it has to, and another one reads again.
    """
    events = read_parquet(path)

    with duckdb.connect() as connection:
        counted = connection.sql(
            "SELECT outcome, count(*) AS n, any_value(event_type) AS t"
            " FROM events GROUP BY ALL"
        )
        joined = connection.sql(
            "SELECT count(*) FROM events AS a JOIN events AS b"
            " USING (event_id) WHERE a.metadata ->> 'text' = ''"
        )
        shown = str(counted)

        assert [("success", len(EVENTS), "Kafka.Topic.Create")] == (
            counted.fetchall()
        )
        assert [(1,)] == joined.fetchall()
        assert "success" in shown
    assert len(EVENTS) == events.count()


def rewritten_by_duckdb(path, target):
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (FROM '{path}') TO '{target}' (FORMAT parquet)"
        )


REWRITERS = {
    "duckdb": rewritten_by_duckdb,
    "polars": lambda path, to: pl.read_parquet(path).write_parquet(to),
    "pandas": lambda path, to: pd.read_parquet(
        path, dtype_backend="pyarrow"
    ).to_parquet(to),
}


@pytest.mark.parametrize("tool", REWRITERS)
def test_files_that_a_tool_rewrote_are_read_back(path, tmp_path, tool):
    """
    What another tool has read and written again makes equal events.
    """
    target = tmp_path / "rewritten.parquet"
    REWRITERS[tool](path, target)

    found = list(read_parquet(target).scan())

    assert EVENTS == [record.event for record in found]
    assert [r.origin for r in records()] == [r.origin for r in found]
    assert HOSTILE == [record.event.reason for record in found]

"""
Other tools read the CSV files, and see what was written.
"""

from __future__ import annotations

import csv
import gzip
import io

from datetime import UTC, datetime

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pyarrow import csv as arrow_csv

from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    RequestContext,
    Resource,
)
from auditlog.exporters import CSVExporter
from auditlog.exporters._columns import EVENT_COLUMNS
from auditlog.testing.reader_contract import START, sample_records


HOSTILE = [
    "=1+1",
    "'=1",
    "+x",
    " -x",
    "@x",
    "\tx",
    "\r\nx",
    'quote " and, comma; semicolon\ttab|pipe',
    "line\nbreak",
    "line\rbreak",
    "line\r\nbreak\r\n",
    "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e",
    "",
    " ",
    "NULL",
    "NA",
    "nan",
    "null",
    "None",
    "\\N",
    "007",
    "1e5",
    "true",
    "2026-01-01",
    '"',
    '""',
    "'",
    "\\",
    '\\"',
    "\ufeffx",
    "ä ö \U0001f600 \U0010fffd",
    "x" * 5_000,
]


def make_event(text):
    return AuditEvent(
        event_type="Kafka.Topic.Create",
        actor=Actor(id=text or "x", name=text),
        resource=Resource(type="topic", id=text or "x"),
        reason=text,
        request=RequestContext(user_agent=text),
        changes=[Change(path=text or "x", old=text, new=None)],
        metadata={"text": text, text: 1},
        occurred_at=datetime(2026, 1, 5, 11, 0, 0, 374, tzinfo=UTC),
    )


EVENTS = [make_event(text) for text in HOSTILE]
HEADER = [name.replace(".", "_") for name in EVENT_COLUMNS]


@pytest.fixture(name="path", params=["audit.csv", "audit.csv.gz"])
def _path(tmp_path, request):
    path = tmp_path / request.param
    CSVExporter(guard=None).export(EVENTS, path)
    return path


def cells():
    """
    What each reader should find: texts, with null for None.
    """
    text = CSVExporter(guard=None).dumps(EVENTS)
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert HEADER == header
    return rows


def test_standard_library_finds_every_text(path):
    """
    ``csv`` reads rows and cells; null and empty are one to it.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert HOSTILE == [row["reason"] for row in rows]
    assert HOSTILE == [row["request_user_agent"] for row in rows]
    assert {""} == {row["tenant"] for row in rows}


def test_pandas_finds_every_text(path):
    """
    pandas agrees with ``csv`` cell by cell, and reads the times.
    """
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)

    assert HEADER == list(frame.columns)
    assert cells() == frame.to_numpy().tolist()
    assert HOSTILE == frame["reason"].tolist()
    times = pd.to_datetime(frame["occurred_at"])
    assert {pd.Timestamp(EVENTS[0].occurred_at)} == set(times)


def test_polars_finds_every_text_and_null(path):
    """
    polars agrees with ``csv``, and keeps null apart from empty.
    """
    frame = pl.read_csv(path, infer_schema=False)

    assert HEADER == frame.columns
    assert HOSTILE == frame["reason"].to_list()
    assert [None] == frame["tenant"].unique().to_list()
    found = [[cell or "" for cell in row] for row in frame.rows()]
    assert cells() == found


def test_pyarrow_finds_every_text_and_null(path):
    """
    pyarrow agrees with ``csv``, and keeps null apart from empty if told so.
    """
    table = arrow_csv.read_csv(
        path,
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(HEADER, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )

    assert HEADER == table.column_names
    assert HOSTILE == table["reason"].to_pylist()
    assert {None} == set(table["tenant"].to_pylist())
    columns = [column.to_pylist() for column in table.columns]
    found = [[c or "" for c in row] for row in zip(*columns, strict=True)]
    assert cells() == found


def query(path, columns, **options):
    settings = {
        "header": True,
        "all_varchar": True,
        "allow_quoted_nulls": False,
        "quote": '"',
        "escape": '"',
        "delim": ",",
        "max_line_size": 4_000_000,
        "null_padding": False,
        "strict_mode": True,
    } | options
    with duckdb.connect() as connection:
        arguments = ", ".join(f"{k}={v!r}" for k, v in settings.items())
        return connection.execute(
            f"SELECT {columns} FROM read_csv(?, {arguments})", [str(path)]
        ).fetchall()


def test_duckdb_finds_every_text_and_null(path):
    """
    DuckDB agrees with ``csv``, and keeps null apart from empty.
    """
    found = query(path, "*")

    assert len(EVENTS) == len(found)
    assert HOSTILE == [row[HEADER.index("reason")] for row in found]
    assert {None} == {row[HEADER.index("tenant")] for row in found}
    assert cells() == [[cell or "" for cell in row] for row in found]


def test_duckdb_reads_a_file_without_being_told(tmp_path):
    """
    Its sniffer finds delimiter, header and UTC times of usual events.
    """
    path = tmp_path / "audit.csv"
    records = sample_records() * 20
    CSVExporter().export(records, path)

    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT count(*), epoch_us(min(occurred_at)),"
            " typeof(min(occurred_at)),"
            " count(*) FILTER (outcome = 'denied'),"
            " count(DISTINCT resource_id), count(tenant)"
            " FROM read_csv(?)",
            [str(path)],
        ).fetchone()
        names = connection.execute(
            "DESCRIBE SELECT * FROM read_csv(?)", [str(path)]
        ).fetchall()

    events = [record.event for record in records]
    assert (
        240,
        int(START.timestamp()) * 1_000_000,
        "TIMESTAMP WITH TIME ZONE",
        sum(event.outcome == "denied" for event in events),
        4,
        sum(event.tenant is not None for event in events),
    ) == found
    assert HEADER == [name for name, *_ in names]


def test_json_columns_can_be_asked(path):
    """
    DuckDB's JSON functions look into *metadata* and *changes*.
    """
    found = query(
        path, "metadata::json ->> 'text', changes::json -> 0 ->> 'old'"
    )

    assert list(zip(HOSTILE, HOSTILE, strict=True)) == found


def test_guarded_cells_are_what_a_spreadsheet_shows(tmp_path):
    """
    Other tools see the ``'``, before dangerous texts only.
    """
    path = tmp_path / "audit.csv"
    CSVExporter(columns=["event_id", "reason"]).export(EVENTS, path)

    frame = pd.read_csv(path, dtype=str, keep_default_na=False)

    marked = [
        given
        for given, cell in zip(HOSTILE, frame["reason"], strict=True)
        if given != cell
    ]
    assert ["=1+1", "'=1", "+x", " -x", "@x", "\tx", "\r\nx"] == marked
    assert "'=1+1" == frame["reason"][0]

"""
CSV files: RFC 4180, null apart from empty, safe in spreadsheets, reversible.
"""

from __future__ import annotations

import csv
import io
import re

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import attrs
import pytest

from hypothesis import example, given
from hypothesis import strategies as st

from auditlog import codec
from auditlog.abc import Origin, Record, Skipped
from auditlog.errors import ConfigError, ExportError, ReadError
from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    RequestContext,
    Resource,
)
from auditlog.exporters import CSVExporter, read_csv
from auditlog.exporters._cells import Cells, guarded, unguarded
from auditlog.exporters._columns import COLUMNS, EVENT_COLUMNS
from auditlog.testing.reader_contract import sample_records
from tests.strategies import events, texts


RECORDS = sample_records()
DANGEROUS = tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")


def make_event(**fields):
    fields.setdefault("resource", Resource(type="topic", id="orders"))
    fields.setdefault("actor", None)
    fields.setdefault("request", None)
    return AuditEvent(event_type="Kafka.Topic.Create", **fields)


def full_event():
    return make_event(
        event_id=UUID("0199a000-0000-7000-8000-000000000001"),
        occurred_at=datetime(2026, 1, 5, 11, tzinfo=UTC),
        outcome="denied",
        actor=Actor(
            id="alice",
            name="Alice",
            email="alice@example.com",
            on_behalf_of=Actor(id="bob"),
        ),
        resource=Resource(
            type="topic",
            id="orders",
            name="Orders",
            parent=Resource(type="cluster", id="one"),
        ),
        code="E1",
        reason='no, "never"',
        tenant="north",
        severity="high",
        request=RequestContext(
            id="r-1",
            source_ip="10.0.0.1",
            user_agent="curl",
            method="GET",
            url="/x",
            session_id="s",
        ),
        correlation_id="c",
        causation_id="d",
        traceparent="00-a",
        changes=[Change(path="a.b", old=None, new=[1, 2])],
        metadata={"n": 1, "deep": {"x": [1e16, -5]}, "note": "=1"},
    )


def record_of(event, **fields):
    return Record(event_id=event.event_id, body=codec.encode(event), **fields)


def record_of_topic(event=None, **fields):
    origin = {
        "topic": "audit",
        "partition": 0,
        "offset": 7,
        "timestamp": datetime(2026, 1, 5, tzinfo=UTC),
        "key": b"//kafka/topic/orders",
    }
    return record_of(event or full_event(), origin=Origin(**origin | fields))


def read_back(path, **settings):
    return [record.event for record in read_csv(path, **settings)]


def rows_of(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def test_file_is_as_documented():
    """
    Every column, its order and the form of its value, to the byte.
    """
    expected = (
        "occurred_at,event_id,event_type,outcome,"
        "actor_type,actor_id,actor_name,actor_email,actor_on_behalf_of,"
        "resource_type,resource_id,resource_name,resource_parent,"
        "code,reason,tenant,severity,"
        "request_id,request_source_ip,request_user_agent,request_method,"
        "request_url,request_session_id,"
        "correlation_id,causation_id,traceparent,"
        "changes,metadata,truncated,replaced\r\n"
        "2026-01-05T11:00:00.000000Z,0199a000-0000-7000-8000-000000000001,"
        "Kafka.Topic.Create,denied,user,alice,Alice,alice@example.com,"
        '"{""id"":""bob"",""type"":""user""}",topic,orders,Orders,'
        '"{""type"":""cluster"",""id"":""one""}",E1,"no, ""never""",'
        "north,high,r-1,10.0.0.1,curl,GET,/x,s,c,d,00-a,"
        '"[{""path"":""a.b"",""old"":null,""new"":[1,2]}]",'
        '"{""deep"":{""x"":[1e16,-5]},""n"":1,""note"":""=1""}",,\r\n'
    )

    assert expected == CSVExporter().dumps([full_event()])


def test_null_is_nothing_and_empty_is_quoted(tmp_path):
    """
    An unset field and an empty text stay apart, there and back.
    """
    given_events = [make_event(reason=None, code=""), make_event(reason="")]

    text = CSVExporter(columns=["code", "reason"]).dumps(given_events)
    CSVExporter().export(given_events, tmp_path / "a.csv")

    assert text == 'code,reason\r\n"",\r\n,""\r\n'
    assert given_events == read_back(tmp_path / "a.csv")


def test_one_column_of_nulls_keeps_its_rows():
    """
    A blank line would be left out by other tools.
    """
    text = CSVExporter(columns=["reason"]).dumps([make_event()] * 2)

    assert text == 'reason\r\n""\r\n""\r\n'


def test_records_are_the_columns_of_a_topic(tmp_path):
    """
    Place and key from the topic, the value as it is stored.
    """
    path = tmp_path / "records.csv"
    body = codec.encode(full_event()).decode()

    CSVExporter(layout="records").export([record_of_topic()], path)

    header, row = rows_of(path.read_bytes().decode())
    assert header == ["timestamp", "partition", "offset", "key", "value"]
    assert ["0", "7", "//kafka/topic/orders", body] == row[1:]
    assert row[0] == "2026-01-05T00:00:00.000000Z"


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"text",
        b"\xff\x00",
        b"base64:",
        b"base64:eHk=",
        b"=1",
        b"'=1",
    ],
)
def test_records_are_read_back(tmp_path, key):
    """
    Bodies, places and keys of any bytes come back.
    """
    columns = ["topic", "index", "recorded_at", "timestamp", "partition"]
    columns += ["offset", "key", "value"]
    record = record_of_topic(key=key)
    elsewhere = timezone(timedelta(hours=-4))
    record = attrs.evolve(
        record, index=5, recorded_at=datetime(2026, 2, 1, tzinfo=elsewhere)
    )

    CSVExporter(columns=columns).export([record], tmp_path / "a.csv")

    assert [record] == list(read_csv(tmp_path / "a.csv"))


def test_records_without_a_topic_are_refused(tmp_path):
    """
    Where there is no partition nothing is written, and the old file stays.
    """
    path = tmp_path / "records.csv"
    path.write_text("old")
    exporter = CSVExporter(layout="records")

    with pytest.raises(ExportError, match="comes from no topic, so it has"):
        exporter.export(RECORDS, path)
    with pytest.raises(ExportError, match="comes from no topic"):
        exporter.export([record_of_topic(), *RECORDS], path)
    with pytest.raises(ExportError):
        exporter.export(RECORDS, target := io.BytesIO())

    assert path.read_text() == "old"
    assert [path] == list(tmp_path.iterdir())
    assert target.getvalue() == b""


def test_no_events_make_a_header(tmp_path):
    """
    A file without events has all columns, and reads back as no events.
    """
    report = CSVExporter().export([], tmp_path / "a.csv")

    assert report.rows == 0
    assert len(rows_of((tmp_path / "a.csv").read_text())[0]) == 30
    assert read_back(tmp_path / "a.csv") == []


@pytest.mark.parametrize("settings", [{}, {"separator": "."}])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_variant_is_read_back(tmp_path, settings, delimiter, encoding):
    """
    The reader finds delimiter, separator and byte order mark by itself.
    """
    event = attrs.evolve(full_event(), code=f"a{delimiter}b")
    exporter = CSVExporter(delimiter=delimiter, encoding=encoding, **settings)

    exporter.export([event], tmp_path / "a.csv.gz")

    assert [event] == read_back(tmp_path / "a.csv.gz")


def test_names_take_the_separator():
    """
    Nested fields are ``actor.id`` for tools that like it.
    """
    exporter = CSVExporter(
        separator=".", columns=["actor.id", "event_id"], metadata_keys=["n"]
    )

    assert exporter.dumps([]) == "actor.id,event_id,metadata.n\r\n"


def test_byte_order_mark_comes_once():
    """
    ``utf-8-sig`` is a mark before the header, with or without a header.
    """
    settings = {"encoding": "utf-8-sig", "columns": ["code"]}
    plain = CSVExporter(**settings, header=False)
    pieces = plain.iter_bytes([make_event(code="é")] * 300)

    assert (
        b"".join(CSVExporter(**settings).iter_bytes([]))
        == b"\xef\xbb\xbfcode\r\n"
    )
    assert b"\xef\xbb\xbf" + "é\r\n".encode() * 300 == b"".join(pieces)


def test_without_header_columns_are_told(tmp_path):
    """
    A file without a header is read if the reader is told its columns.
    """
    exporter = CSVExporter(header=False)

    exporter.export([full_event()], tmp_path / "a.csv")

    columns = [name.replace(".", "_") for name in EVENT_COLUMNS]
    assert [full_event()] == read_back(tmp_path / "a.csv", columns=columns)


def test_metadata_keys_get_columns_of_their_own(tmp_path):
    """
    Each kind of value has its form; *metadata* keeps it, too.
    """
    keys = ["text", "number", "yes", "null", "none", "list", "object", "a,b"]
    event = make_event(
        metadata={
            "text": "=1",
            "number": -5,
            "yes": True,
            "null": None,
            "list": [1],
            "object": {"x": 1e16},
            "a,b": "",
        }
    )

    exporter = CSVExporter(columns=["code"], metadata_keys=keys)
    whole = CSVExporter(metadata_keys=keys)
    whole.export([event], tmp_path / "a.csv")

    header, row = exporter.dumps([event]).splitlines()
    assert header[-30:] == 'metadata_object,"metadata_a,b"'
    assert row == ''','=1,-5,true,,,[1],"{""x"":1e16}",""'''
    assert [event] == read_back(tmp_path / "a.csv")


def test_one_name_may_stand_alone():
    """
    A single name isn't taken for a list of its letters.
    """
    assert CSVExporter(columns="code").columns == ("code",)
    assert CSVExporter(metadata_keys="name").metadata_keys == ("name",)


def test_settings_are_checked_all_at_once():
    """
    Every wrong setting is named.
    """
    with pytest.raises(ConfigError) as caught:
        CSVExporter(
            layout="rows",
            separator="-",
            guard="excel",
            delimiter=",,",
            encoding="latin-1",
            columns=["code", "code", "colour"],
        )

    text = str(caught.value)
    for mistake in (
        "'layout' must be one of 'events', 'records' (got 'rows')",
        "'separator' must be one of '_', '.' (got '-')",
        "'guard' must be one of 'spreadsheet', None (got 'excel')",
        "'delimiter' must be one of ',', ';', '\\t', '|' (got ',,')",
        "'encoding' must be one of 'utf-8', 'utf-8-sig' (got 'latin-1')",
        "'columns' has 'colour'; known are occurred_at, event_id,",
        "'columns' and 'metadata_keys' must name each column once",
    ):
        assert mistake in text


def test_no_columns_are_a_mistake():
    """
    A file of nothing would lose the rows.
    """
    with pytest.raises(ConfigError, match="'columns' must not be empty"):
        CSVExporter(columns=[])


@pytest.mark.parametrize("sign", DANGEROUS)
@pytest.mark.parametrize("before", ["", " ", "\xa0", " \u3000", "\ufeff", "'"])
def test_formulas_are_guarded(sign, before):
    """
    What a spreadsheet runs gets a ``'``, also behind blanks; other text not.
    """
    assert f"'{before}{sign}cmd" == guarded(f"{before}{sign}cmd")
    assert f"x{before}{sign}" == guarded(f"x{before}{sign}")


@pytest.mark.parametrize(
    "text", ["", "'", "''", "'quoted'", "a=b", "1-2", "{}", "ä", " x"]
)
def test_harmless_texts_are_left_alone(text):
    """
    Nothing is put before a text that no spreadsheet runs.
    """
    assert text == guarded(text)


@given(texts() | st.text("'=+-@ \t\r\n\0\xa0\uff1da", max_size=6))
@example("''=1")
@example("' =1")
def test_any_text_is_guarded_and_brought_back(text):
    """
    No cell begins with a dangerous sign behind what is stripped, and each
    text comes back.
    """
    cell = guarded(text)
    stripped = re.sub(r"^[ \xa0\u3000\ufeff]*", "", cell)

    assert not stripped.startswith(DANGEROUS)
    assert text == unguarded(cell)


@given(events())
def test_no_cell_of_any_event_is_dangerous(event):
    """
    Whatever an event holds, no cell is a formula.
    """
    text = CSVExporter(metadata_keys=[*event.metadata][:3]).dumps([event])

    _, row = rows_of(text)
    # Numbers in metadata are numbers in spreadsheets, too.
    lifted = [event.metadata.get(key) for key in [*event.metadata][:3]]
    cells = row[:30] + [
        cell
        for cell, value in zip(row[30:], lifted, strict=True)
        if isinstance(value, str)
    ]
    assert not [c for c in cells if c.strip(" \xa0").startswith(DANGEROUS)]


def test_guard_is_told_and_can_be_left_out():
    """
    The report says that cells were changed; machines get them as they are.
    """
    dangerous = [make_event(code="=1")]
    guarding, plain = CSVExporter(), CSVExporter(guard=None)

    report = guarding.export(dangerous, io.BytesIO())
    silent = [
        guarding.export([make_event(code="x")], io.BytesIO()),
        plain.export(dangerous, io.BytesIO()),
    ]

    assert [w[:24] for w in report.warnings] == ["texts that a spreadsheet"]
    assert [report.warnings for report in silent] == [(), ()]
    assert ",'=1," in guarding.dumps(dangerous)
    assert ",=1," in plain.dumps(dangerous)


@pytest.mark.parametrize("guard", ["spreadsheet", None])
def test_reader_knows_the_guard_by_the_header(tmp_path, guard):
    """
    Both kinds of files come back right without a word, quotes in the way of
    formulas too.
    """
    event = make_event(code="'=1", reason="=1", tenant="''=1")

    CSVExporter(guard=guard).export([event], tmp_path / "a.csv")

    assert [event] == read_back(tmp_path / "a.csv")
    assert [event] == read_back(tmp_path / "a.csv", guard=guard)


@pytest.mark.parametrize("guard", ["spreadsheet", None])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_reader_knows_the_guard_among_other_quotes(tmp_path, guard, quoting):
    """
    A name that needs quotes doesn't hide it, and who quotes every name says
    nothing by it: guarded is what is usual.
    """
    event = make_event(code="'=1", reason="=1", metadata={"a,b": "=1"})
    exporter = CSVExporter(guard=guard, metadata_keys=["a,b"])
    text = exporter.dumps([event])
    if quoting == csv.QUOTE_ALL and guard:
        file = io.StringIO(newline="")
        csv.writer(file, quoting=quoting).writerow(rows_of(text)[0])
        text = file.getvalue() + text.split("\r\n", 1)[1]
    (tmp_path / "a.csv").write_bytes(text.encode())

    assert [event] == read_back(tmp_path / "a.csv")


def test_guard_can_be_told_to_the_reader(tmp_path):
    """
    A reader that is told wins over the header.
    """
    event = make_event(code="=1")
    CSVExporter().export([event], tmp_path / "a.csv")

    (read,) = read_back(tmp_path / "a.csv", guard=None)

    assert read.code == "'=1"


@given(
    st.lists(events(), max_size=3),
    st.sampled_from(["spreadsheet", None]),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_event_survives(tmp_path_factory, given_events, guard, delimiter):
    """
    What is exported is read back as equal events with equal bodies.
    """
    path = tmp_path_factory.getbasetemp() / "any.csv"
    exporter = CSVExporter(guard=guard, delimiter=delimiter)
    given_events = [without_empty_request(event) for event in given_events]

    exporter.export(given_events, path)

    found = list(read_csv(path))
    assert given_events == [record.event for record in found]
    assert [codec.encode(e) for e in given_events] == [r.body for r in found]


def without_empty_request(event):
    """
    A request of which nothing is known has no cell that says so.
    """
    if event.request == RequestContext():
        return attrs.evolve(event, request=None)
    return event


def test_long_events_survive(tmp_path):
    """
    Events that were cut, and cells beyond the limits of other tools.
    """
    event = make_event(
        reason="x" * 40_000, metadata={"cut": "y" * 5_000_000, "n": 1}
    )

    report = CSVExporter().export([event], tmp_path / "a.csv")

    expected = codec.decode(codec.encode(event))
    assert expected.truncated.fields == ("metadata.cut",)
    assert [expected] == read_back(tmp_path / "a.csv")
    assert "Excel shows 32,767 characters" in report.warnings[0]


def test_huge_numbers_are_exact(tmp_path):
    """
    Integers of thousands of digits and floats at their limits come back.
    """
    event = make_event(
        metadata={"n": 7 * 10**4200, "x": [5e-324, -0.0, 1.5e308, 2**64]}
    )

    CSVExporter().export([event], tmp_path / "a.csv")

    assert [event] == read_back(tmp_path / "a.csv")


def test_equal_events_give_equal_files(tmp_path):
    """
    However they come: as records, as events, one by one, compressed.
    """
    many = RECORDS * 30
    hashes = {
        CSVExporter().export(source, tmp_path / "a.csv.gz").sha256
        for source in (many, iter(many), [r.event for r in many])
    }

    assert len(hashes) == 1


def test_bodies_that_cannot_be_read_are_counted(tmp_path):
    """
    A record of the right shape that holds no event costs no other.
    """
    broken = Record(event_id=RECORDS[0].event_id, body=b"{}", index=9)

    report = CSVExporter().export([RECORDS[0], broken], tmp_path / "a.csv")

    assert report.rows == 1
    assert RECORDS[0].event_id == report.last
    assert [skipped.place for skipped in report.skipped_first] == ["9"]
    with pytest.raises(ExportError, match="can't export 9: no CloudEvents"):
        CSVExporter().export([broken], tmp_path / "a.csv", errors="raise")


def test_values_that_are_no_text_are_counted():
    """
    The layout of records decodes no events, but a cell needs text.
    """
    record = attrs.evolve(record_of_topic(), body=b"\xff")

    report = CSVExporter(layout="records").export([record], io.BytesIO())

    assert report.skipped == {"not UTF-8": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it has no header"),
        ("\r\n", "it has no header"),
        ("a,b\r\n", "no event has a column 'a'"),
        ("value,colour\r\n", "no event has a column 'colour'"),
        ("value,value\r\n", "a column stands twice: value"),
        ("actor_id,actor.id\r\n", "a column stands twice: actor_id"),
        ("event_type\r\n", "columns are missing: occurred_at, event_id, out"),
        ('value""\r\n', "its header is broken: a quote stands where none"),
        ('"value\r\n', "a quote is never closed"),
        ("v\xe4lue\r\n", "its header is broken: not UTF-8"),
    ],
)
def test_files_without_the_columns_are_refused(tmp_path, content, reason):
    """
    A file that can't hold events is an error that says what is wrong.
    """
    (tmp_path / "a.csv").write_bytes(content.encode("latin-1"))

    with pytest.raises(ReadError, match=re.escape(reason)):
        list(read_csv(tmp_path / "a.csv"))


def test_every_column_is_needed(tmp_path):
    """
    A column that is left out is named, and never taken for unset.
    """
    names = [name.replace(".", "_") for name in EVENT_COLUMNS]
    for missing in names:
        columns = [name for name in names if name != missing]
        CSVExporter(columns=columns).export(RECORDS, tmp_path / "a.csv")

        with pytest.raises(ReadError, match=f"missing: {missing};"):
            list(read_csv(tmp_path / "a.csv"))


def test_columns_come_in_any_order(tmp_path):
    """
    Names say what a column holds, not its place; extra places do no harm.
    """
    names = [name.replace(".", "_") for name in COLUMNS if name != "value"]
    record = attrs.evolve(record_of_topic(), index=3, recorded_at=None)

    exporter = CSVExporter(columns=names[::-1])
    exporter.export([record], tmp_path / "a.csv")

    assert [record] == list(read_csv(tmp_path / "a.csv"))


def columns_with(**cells):
    row = dict.fromkeys((n.replace(".", "_") for n in EVENT_COLUMNS), "")
    row |= {
        "occurred_at": "2026-01-05T11:00:00Z",
        "event_id": "0199a000-0000-7000-8000-000000000001",
        "event_type": "A.B.C",
        "outcome": "success",
        "resource_type": "topic",
        "resource_id": "orders",
    }
    return row | cells


@pytest.mark.parametrize(
    "cells",
    [
        {"event_id": ""},
        {"event_id": "x"},
        {"occurred_at": ""},
        {"occurred_at": "2026-01-05T11:00:00"},
        {"occurred_at": "yesterday"},
        {"event_type": ""},
        {"event_type": "A..B"},
        {"resource_id": ""},
        {"resource_type": ""},
        {"metadata": "{"},
        {"metadata": "[]"},
        {"metadata": "[" * 100_000},
        {"metadata": '{},"outcome":"denied"'},
        {"changes": "{}"},
        {"actor_name": "no id"},
        {"replaced": "many"},
        {"replaced": "-1"},
    ],
)
def test_broken_rows_are_told_and_cost_no_others(tmp_path, cells):
    """
    A row that makes no event is passed over, with its line.
    """
    good = columns_with()
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, good)
        writer.writeheader()
        writer.writerows([good, columns_with(**cells), good])

    first, broken, last = read_csv(path).scan()

    assert first.event == last.event
    assert isinstance(broken, Skipped)
    assert f"{path}:3" == broken.place


def test_rows_of_another_width_are_told(tmp_path):
    """
    Too few cells, too many, text behind a quote, bytes that are no text.
    """
    path = tmp_path / "a.csv"
    CSVExporter().export(RECORDS[:1], path)
    header, row, _ = path.read_bytes().split(b"\r\n")
    broken = [b"a,b", row + b",x", b'"a"b' + row, row + b"\xff"]
    path.write_bytes(b"\r\n".join([header, row, *broken, b"", row, b""]))

    found = list(read_csv(path).scan())

    assert RECORDS[0].event == found[0].event == found[-1].event
    assert [
        (f"{path}:3", "not 30 cells"),
        (f"{path}:4", "not 30 cells"),
        (f"{path}:5", "a quote stands where none may"),
        (f"{path}:6", "not UTF-8"),
    ] == [(s.place, s.reason) for s in found[1:-1]]


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path):
    """
    The rows behind it are read, in their order.
    """
    path = tmp_path / "a.csv"
    records = [RECORDS[place] for place in (0, 1, 2, 4, 5)]
    CSVExporter().export(records, path)
    header, first, second, *others = path.read_bytes().split(b"\r\n")
    cut = second[: second.index(b'"{') + 4]
    path.write_bytes(b"\r\n".join([header, first, cut, *others]))

    found = list(read_csv(path).scan())

    broken = found.pop(1)
    assert (f"{path}:3", "a quote is never closed") == (
        broken.place,
        broken.reason,
    )
    del records[1]
    assert [r.event_id for r in records] == [r.event_id for r in found]


def test_files_of_other_tools_are_read(tmp_path):
    """
    LF, quotes around everything, other forms of times: still equal events.
    """
    path = tmp_path / "a.csv"
    text = CSVExporter(guard=None).dumps([full_event()])
    rows = rows_of(text)
    rows[1][0] = "2026-01-05 12:00:00+01:00"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL)
        writer.writerows(rows)
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))

    assert [full_event()] == read_back(path)


def test_short_texts_are_remembered_in_bounds():
    """
    Cells are made once, and what is remembered doesn't grow for ever.
    """
    cells = Cells(",", guard=True)

    made = [cells[f"{n}"] for n in range(3 * Cells.max_size)]
    long = cells["x" * 100]

    assert [f"{n}" for n in range(3 * Cells.max_size)] == made
    assert len(cells) <= Cells.max_size
    assert long not in cells


def test_reference_page_names_all_columns(pytestconfig):
    """
    The documented columns are those of the code, in their order.
    """
    path = pytestconfig.rootpath / "docs" / "reference" / "csv.md"
    page = path.read_text(encoding="utf-8")

    named = re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)
    assert [name.replace(".", "_") for name in COLUMNS] == named


HEADERS = (
    ("audit-index", b"17"),
    ("twice", b"=1+1"),
    ("twice", None),
    ("empty", b""),
    ("raw", b"\xff\0"),
    ("looks like it", b"base64:eHk="),
    ('q"uote,\r\n', "ÄÖ\u2028".encode()),
)


def test_headers_come_back(tmp_path):
    """
    Names that come twice, null, empty and raw values are as they were; a
    record without headers has none.
    """
    exporter = CSVExporter(layout="records", headers=True)
    records = [
        record_of_topic(headers=HEADERS),
        record_of_topic(),
        record_of_topic(headers=()),
    ]

    exporter.export(records, tmp_path / "a.csv")

    read = list(read_csv(tmp_path / "a.csv"))
    header = (tmp_path / "a.csv").read_text().splitlines()[0]
    assert "timestamp,partition,offset,key,value,headers" == header
    expected = [record.origin.headers for record in records]
    assert expected == [record.origin.headers for record in read]
    assert [r.body for r in records] == [r.body for r in read]


@pytest.mark.parametrize("cell", ["{", "[1]", '[["a"]]', '[["a","base64:!"]]'])
def test_broken_headers_are_told(tmp_path, cell):
    """
    A row with headers that another tool has broken is passed over.
    """
    exporter = CSVExporter(layout="records", headers=True)
    exporter.export([record_of_topic()], tmp_path / "a.csv")
    quoted = '"' + cell.replace('"', '""') + '"'
    text = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "a.csv").write_bytes(text[:-2] + quoted.encode() + b"\r\n")

    (skipped,) = read_csv(tmp_path / "a.csv").scan()

    assert skipped.reason.startswith("a ")


def test_headers_belong_to_records():
    """
    Elsewhere they are a column like others, to be named.
    """
    for settings in ({}, {"layout": "records", "columns": ["value"]}):
        with pytest.raises(ConfigError, match="is for layout='records'"):
            CSVExporter(headers=True, **settings)
    CSVExporter(columns=["headers", "value"])

"""
What a reader gives: counted, begun, ended, shown, handed over as tables.
"""

from __future__ import annotations

import ast
import html
import logging
import re
import subprocess
import sys

from html.parser import HTMLParser

import pyarrow as pa
import pytest

from auditlog import codec
from auditlog._tabular import LAYOUTS, schema
from auditlog.abc import EventQuery, Reader, Record, Skipped, select
from auditlog.errors import (
    ConfigError,
    MissingExtraError,
    MissingPackageError,
    QueryError,
    ReadError,
)
from auditlog.event import Actor, AuditEvent, Resource, uuid7
from auditlog.memory import InMemoryReader, InMemorySink
from auditlog.testing.reader_contract import sample_records


RECORDS = sample_records()


class ListReader(Reader):
    """
    Reads a list, and remembers how much of it was asked for.
    """

    def __init__(self, items, error=None):
        self.items = items
        self.error = error
        self.taken = 0

    def scan(self, query, /):
        newest = query.order == "newest"
        return select(self.each(self.items[:: -1 if newest else 1]), query)

    def each(self, items):
        for item in items:
            self.taken += 1
            yield item
        if self.error:
            raise self.error

    def __repr__(self):
        return "<ListReader>"


def events_of(*events):
    sink = InMemorySink()
    if events:
        sink.write(events)
    return InMemoryReader(sink).read()


def record(**fields):
    fields.setdefault("resource", Resource(type="topic", id="orders"))
    fields.setdefault("actor", None)
    event = AuditEvent(event_type="Kafka.Topic.Create", **fields)
    return Record(event_id=event.event_id, body=codec.encode(event))


def broken_record():
    return Record(event_id=uuid7(), body=b"{}")


def ids(events):
    return [each.event_id for each in events]


QUERIES = [
    EventQuery(),
    EventQuery(order="newest"),
    EventQuery(limit=4),
    EventQuery(limit=4, order="newest"),
    EventQuery(actors=["alice"]),
    EventQuery(actors=[]),
]


@pytest.mark.parametrize("query", QUERIES, ids=range(6))
@pytest.mark.parametrize("n", [0, 1, 3, 5, 100])
def test_head_and_tail_are_the_ends_of_what_is_read(query, n):
    """
    They are what slices of a list would be, can be read again, and taken of
    each other.
    """
    events = ListReader(RECORDS).read(query)
    everything = ids(events)

    assert everything[:n] == ids(events.head(n))
    tail = events.tail(n)
    assert everything[max(len(everything) - n, 0) :] == ids(tail)
    assert ids(tail) == ids(tail)
    assert ids(tail)[:2] == ids(tail.head(2))
    assert ids(tail)[-1:] == ids(tail.tail(1))
    assert len(everything) == events.count()


def test_head_reads_no_more():
    """
    The first events of a long source are cheap, and so are the last ones.
    """
    reader = ListReader(RECORDS * 100)

    list(reader.read().head(3))
    list(reader.read().tail(3))

    assert 6 == reader.taken


def test_negative_numbers_are_refused():
    """
    What means the other end in a list is a mistake here.
    """
    with pytest.raises(QueryError, match=r"at least 0 \(got -1\)"):
        events_of().head(-1)
    with pytest.raises(QueryError, match=r"at least 0 \(got -1\)"):
        events_of().tail(-1)


def test_what_is_no_event_is_not_counted():
    """
    Things that were passed over are no events.
    """
    items = [RECORDS[0], Skipped(place="x", reason="y"), RECORDS[1]]

    assert 2 == ListReader(items).read().count()
    assert ids(items[:1] + items[2:]) == ids(ListReader(items).read().tail(2))


class Page(HTMLParser):
    """
    The elements, attributes and texts of a page.
    """

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.cells, self.text = [], set(), [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.add(tag)
        assert {"style"} >= {name for name, _ in attributes}
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        self.text += data
        if "td" in self.open:
            self.cells[-1] += data


HARMLESS = {
    *("div", "table", "thead", "tbody", "tr", "th", "td", "bdi", "p"),
}


def test_notebook_shows_a_table():
    """
    Who did what to which resource, when, and how it ended.
    """
    page = Page(events_of(*RECORDS)._repr_html_())

    assert HARMLESS == page.tags
    assert [
        "2026-01-05 11:00:00.000 UTC",
        "Kafka.Topic.Create",
        "success",
        "alice",
        "topic/website-orders",
    ] == page.cells[:5]
    assert 12 * 5 == len(page.cells)
    assert page.text.endswith("12 events")


def test_notebook_reads_no_more_than_it_shows():
    """
    The first 50 of many, said so, without a look at the others.
    """
    reader = ListReader(RECORDS * 100)

    page = Page(reader.read()._repr_html_())

    assert 50 * 5 == len(page.cells)
    assert "the first 50 events; count() says how many" in page.text
    assert 51 == reader.taken


def test_notebook_shows_texts_as_texts():
    """
    Nothing in an event is markup, a script, or turns its row around.
    """
    hostile = "<script>alert('x')</script>\0\u202e&amp;\"\u2066\u200b\x1b[31m"
    events = events_of(
        record(
            actor=Actor(id=hostile),
            resource=Resource(type='"><b onclick=x>', id="y" * 10_000),
        )
    )

    text = events._repr_html_()

    page = Page(text)
    assert HARMLESS == page.tags
    assert "<script>alert('x')</script>\ufffd\\u202e&amp;" in page.cells[3]
    assert not re.search("[\x00-\x1f\u200b-\u200f\u202a-\u202e\u2066]", text)
    assert 100 == len(page.cells[4])


def test_notebook_has_no_colours_of_its_own():
    """
    Light or dark, the table takes over what the notebook has; nothing is
    loaded from elsewhere.
    """
    text = events_of(*RECORDS)._repr_html_()

    assert "color:inherit" in text
    text = text.replace("color:inherit", "")
    assert not re.search("color|background|http|src=|class=|<style", text)


def test_notebook_tells_what_cannot_be_shown():
    """
    A reader that fails, no events, and records that are none.
    """
    nothing = Page(events_of()._repr_html_())
    failing = ListReader(RECORDS, ReadError("can't read <db>: it is away"))
    items = [broken_record(), Skipped(place="x", reason="y"), RECORDS[0]]
    mixed = Page(ListReader(items).read()._repr_html_())

    assert "no events" in nothing.text
    message = failing.read()._repr_html_()
    assert "can't read <db>: it is away" in html.unescape(message)
    assert "<db>" not in message
    assert "can't be shown: no CloudEvents 1.0 object" in mixed.text
    assert "2 events; passed over: 1" in mixed.text


def test_table_holds_all_events():
    """
    One row an event, in order, in all ways to have it.
    """
    events = ListReader(RECORDS * 1000).read()

    tables = [
        events.to_arrow(),
        pa.Table.from_batches(events.to_arrow_batches()),
        pa.table(events),
        pa.table(events),
    ]

    expected = [str(each.event_id) for each in RECORDS * 1000]
    for table in tables:
        assert expected == table["event_id"].to_pylist()
        assert schema() == table.schema
    assert tables[0].equals(tables[1].unify_dictionaries())


def test_table_without_events_has_all_columns():
    """
    Zero rows have the same types as any.
    """
    events = events_of()

    assert schema() == events.to_arrow().schema
    assert schema() == pa.table(events).schema
    assert schema() == pa.schema(events)
    assert [] == list(events.to_arrow_batches())
    assert schema().names == list(events.to_pandas().columns)
    assert schema().names == events.to_polars().columns


def test_stream_reads_when_it_is_taken_from():
    """
    To ask for a stream reads nothing, and each reads anew.
    """
    reader = ListReader(RECORDS)
    events = reader.read()

    first = pa.RecordBatchReader.from_stream(events)
    second = pa.RecordBatchReader.from_stream(events)

    assert 0 == reader.taken
    assert first.read_all() == second.read_all()
    assert 24 == reader.taken


def test_stream_casts_to_the_schema_that_is_asked_for():
    """
    Types are cast as the protocol wants it; other columns are an error.
    """
    wanted = pa.schema(
        [
            (each.name, pa.large_string())
            if each.type == pa.string()
            else (each.name, each.type)
            for each in schema()
        ]
    )

    found = pa.RecordBatchReader.from_stream(events_of(*RECORDS), wanted)

    assert wanted == found.schema
    ids_found = found.read_all()["event_id"].to_pylist()
    assert [str(each.event_id) for each in RECORDS] == ids_found
    with pytest.raises(ValueError, match="field names"):
        pa.RecordBatchReader.from_stream(events_of(), wanted.remove(0))


def test_errors_of_the_reader_come_through():
    """
    A source that fails in the middle makes no table, and is named.
    """
    events = ListReader(RECORDS, ReadError("it is away")).read()

    with pytest.raises(ReadError, match="it is away"):
        events.to_arrow()
    with pytest.raises(Exception, match="it is away"):
        pa.table(events)


def test_columns_can_be_chosen():
    """
    Few columns are a small table; places need no events to be decoded.
    """
    events = ListReader([*RECORDS, broken_record()]).read()

    few = events.to_arrow(columns=["outcome", "actor_id"])
    place = events.to_arrow(columns=["index", "value"])

    assert ["outcome", "actor_id"] == few.schema.names
    assert (12, 13) == (len(few), len(place))
    assert [b"{}"] == place["value"].to_pylist()[-1:]
    assert ["actor_id"] == list(events.to_pandas(columns=["actor_id"]))
    assert ["actor_id"] == events.to_polars(columns=["actor_id"]).columns
    with pytest.raises(ConfigError, match="'columns' has 'actor'; known are"):
        events.to_arrow(columns=["actor"])
    with pytest.raises(ConfigError, match="each column once"):
        events.to_arrow_batches(columns=["code", "code"])
    with pytest.raises(ConfigError, match="must not be empty"):
        events.to_pandas(columns=[])


def test_what_is_not_in_the_table_is_logged(caplog):
    """
    Records that are no events are counted for each reason.
    """
    skipped = Skipped(place="x", reason="broken line")
    events = ListReader([RECORDS[0], broken_record(), skipped, skipped]).read()

    with caplog.at_level(logging.WARNING, "auditlog.tables"):
        assert 1 == len(events.to_arrow())

    [logged] = caplog.messages
    start = "3 records were no audit events and are not in the table: "
    assert logged.startswith(start)
    assert {
        "no CloudEvents 1.0 object: 'specversion'": 1,
        "broken line": 2,
    } == ast.literal_eval(logged.removeprefix(start))


@pytest.mark.parametrize(
    ("package", "method", "error", "message"),
    [
        ("pyarrow", "to_arrow", MissingExtraError, r"publisher\[arrow\]"),
        ("pyarrow", "to_arrow_batches", MissingExtraError, "to_arrow_batches"),
        ("pyarrow", "to_pandas", MissingExtraError, r"publisher\[arrow\]"),
        ("pyarrow", "__arrow_c_stream__", MissingExtraError, "arrow"),
        ("pandas", "to_pandas", MissingPackageError, "pip install pandas"),
        ("polars", "to_polars", MissingPackageError, "pip install polars"),
    ],
)
def test_missing_packages_are_named(
    monkeypatch, package, method, error, message
):
    """
    The error says what needs what, at once, and how to get it.
    """
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(error, match=message):
        getattr(events_of(), method)()


def test_nothing_heavy_is_loaded_before_it_is_asked_for():
    """
    Reading and showing events in a notebook loads no table package.
    """
    code = (
        "import sys\n"
        "from auditlog import InMemoryReader, InMemorySink, ParquetExporter\n"
        "from auditlog.exporters import *\n"
        "events = InMemoryReader(InMemorySink()).read()\n"
        "events._repr_html_(), events.count(), list(events.tail())\n"
        "print([m for m in ('pyarrow', 'pandas', 'polars', 'numpy')\n"
        "       if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "[]" == done.stdout.strip()


def test_columns_are_documented(pytestconfig):
    """
    The reference page has each column that isn't of CSV files, too.
    """
    page = pytestconfig.rootpath / "docs" / "reference" / "parquet.md"
    text = page.read_text(encoding="utf-8")

    added = [*LAYOUTS["events"][30:], *LAYOUTS["records"]]
    assert [] == [name for name in added if f"`{name}`" not in text]

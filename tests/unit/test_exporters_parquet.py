"""
Parquet files: fixed types, exact there and back, whole row groups.
"""

from __future__ import annotations

import io
import sys

from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from secrets import token_hex

import attrs
import pyarrow as pa
import pytest

from hypothesis import given
from hypothesis import strategies as st
from pyarrow import compute, parquet

from auditlog import codec
from auditlog._tabular import LAYOUTS, record_batch, schema
from auditlog.abc import EventQuery, Origin, Record, Skipped
from auditlog.errors import (
    ConfigError,
    ExportError,
    MissingExtraError,
    ReadError,
)
from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    RequestContext,
    Resource,
    uuid7,
)
from auditlog.exporters import (
    ParquetExporter,
    ParquetReader,
    _groups,
    read_parquet,
)
from auditlog.testing.reader_contract import sample_records
from tests.strategies import events


RECORDS = sample_records()
TIME = datetime(2026, 1, 5, 11, tzinfo=UTC)


def make_event(**fields):
    fields.setdefault("resource", Resource(type="topic", id="orders"))
    return AuditEvent(
        event_type="Kafka.Topic.Create", actor=None, request=None, **fields
    )


def broken_record(body=b"{}"):
    return Record(event_id=uuid7(), body=body)


def stored(record, offset):
    origin = Origin(
        topic="audit",
        partition=1,
        offset=offset,
        timestamp=TIME,
        key=b"\xff\x00",
        headers=(("h", b"\xfe"), ("h", None)),
    )
    return attrs.evolve(
        record, body=record.body, index=7, recorded_at=TIME, origin=origin
    )


def events_of(path):
    return [record.event for record in read_parquet(path)]


@given(st.lists(events(), max_size=3), st.booleans())
def test_any_event_survives(tmp_path_factory, given_events, body):
    """
    What is exported is read back as equal events with equal bodies.
    """
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    if not body:
        given_events = [without_empty_request(e) for e in given_events]

    ParquetExporter(body=body).export(given_events, path)

    found = list(read_parquet(path))
    assert given_events == [record.event for record in found]
    assert [codec.encode(e) for e in given_events] == [r.body for r in found]


def without_empty_request(event):
    """
    A request of which nothing is known has no column that says so.
    """
    if event.request == RequestContext():
        return attrs.evolve(event, request=None)
    return event


def test_extremes_are_exact(tmp_path):
    """
    Integers beyond a double, long decimals, nanoseconds, the first and last
    times, text from right to left, emoji, and events that were cut.
    """
    path = tmp_path / "a.parquet"
    given_events = [
        make_event(metadata={"n": 2**53 + 1, "digits": 10**4299, "x": -0.0}),
        make_event(metadata={"d": "0.123456789012345678901234567890"}),
        make_event(metadata={"at": "2026-01-05T11:00:00.123456789Z"}),
        make_event(occurred_at=datetime(1, 1, 1, tzinfo=UTC)),
        make_event(
            occurred_at=datetime.max.replace(tzinfo=UTC) - timedelta(1)
        ),
        make_event(
            reason="\u202e\u05e9\u2066 \u0645", tenant="\U0001f469\u200d"
        ),
        make_event(reason="a\0b\ud800", code="", tenant=" "),
        make_event(changes=[Change(path="a", old=[2**64], new={"b": None})]),
        codec.decode(codec.encode(make_event(metadata={"x": "y" * 200_000}))),
    ]

    ParquetExporter().export(given_events, path)

    assert given_events == events_of(path)


@pytest.mark.parametrize("compression", ["zstd", "snappy", None])
@pytest.mark.parametrize("rows", [1, 5, 50_000])
def test_every_setting_is_read_back(tmp_path, compression, rows):
    """
    However it is written: equal events, in their order.
    """
    path = tmp_path / "a.parquet"
    exporter = ParquetExporter(compression=compression, row_group_rows=rows)

    report = exporter.export(RECORDS, path)

    assert [record.event for record in RECORDS] == events_of(path)
    assert (12, path.stat().st_size) == (report.rows, report.bytes)
    column = parquet.ParquetFile(path).metadata.row_group(0).column(0)
    assert (compression or "uncompressed").upper() == column.compression


def test_records_are_read_back_as_they_are(tmp_path):
    """
    ``records`` and ``body=True`` keep bytes and place, of no event, too.
    """
    path = tmp_path / "a.parquet"
    conduktor = codec.codec_named("conduktor").encode(RECORDS[0].event)
    given_records = [
        stored(RECORDS[0], 2**53 + 1),
        stored(broken_record(conduktor), 8),
        RECORDS[1],
    ]
    given_records[1] = attrs.evolve(
        given_records[1], body=conduktor, event_id=RECORDS[0].event_id
    )

    ParquetExporter(layout="records").export(given_records, path)

    assert given_records == list(read_parquet(path))

    ParquetExporter(body=True).export(given_records, path)

    found = list(read_parquet(path))
    assert [r.body for r in given_records] == [r.body for r in found]
    assert [r.index for r in given_records] == [r.index for r in found]
    assert [str(r.origin) for r in given_records] == [
        str(r.origin) for r in found
    ]


def test_no_events_make_a_whole_file(tmp_path):
    """
    Without events there are all columns with their types, and no row.
    """
    path = tmp_path / "a.parquet"

    report = ParquetExporter().export([], path)

    assert (0, [], schema()) == (
        report.rows,
        events_of(path),
        parquet.read_schema(path),
    )


def test_row_groups_are_as_long_as_asked(tmp_path, monkeypatch):
    """
    Each but the last has *row_group_rows* rows, whatever the batches were,
    and of whatever words they were the first to speak.
    """
    path = tmp_path / "a.parquet"
    monkeypatch.setattr(_groups, "BATCH_BYTES", 1000)

    ParquetExporter(row_group_rows=7).export(RECORDS * 30, path)

    found = parquet.ParquetFile(path).metadata
    groups = [found.row_group(i).num_rows for i in range(found.num_row_groups)]
    assert [7] * 51 + [3] == groups
    assert [record.event for record in RECORDS * 30] == events_of(path)


def test_row_groups_are_bounded_in_bytes(tmp_path, monkeypatch):
    """
    Long bodies end a row group early, so that memory stays flat.
    """
    path = tmp_path / "a.parquet"
    monkeypatch.setattr(_groups, "GROUP_BYTES", 18_000_000)
    long = broken_record(b"x" * 90_000)

    ParquetExporter(layout="records").export([long] * 600, path)

    found = parquet.ParquetFile(path).metadata
    groups = [found.row_group(i).num_rows for i in range(found.num_row_groups)]
    assert [256, 256, 88] == groups


@pytest.mark.parametrize("layout", ["events", "records"])
@pytest.mark.parametrize(
    ("compression", "level"), [("zstd", 1), ("snappy", None), (None, None)]
)
def test_files_are_what_pyarrow_writes(layout, compression, level):
    """
    Put together of row groups, they are the same, byte for byte, as one
    writer's, with none, some, and more row groups than half a byte can tell.
    """
    exporter = ParquetExporter(
        layout=layout, compression=compression, row_group_rows=20
    )
    names = LAYOUTS[layout]

    for count in (0, 12, 30, 400):
        source = [*islice(cycle(RECORDS), count)]
        given_file, expected = io.BytesIO(), io.BytesIO()
        exporter.export(source, given_file)
        with parquet.ParquetWriter(
            expected,
            schema(names),
            compression=compression or "none",
            compression_level=level,
        ) as writer:
            for start in range(0, count, 20):
                rows = record_batch(source[start : start + 20], names)
                writer.write_table(pa.Table.from_batches([rows]))

        assert expected.getvalue() == given_file.getvalue()


@pytest.mark.parametrize(
    ("rows", "most"), [(50_000, 25_000), (50, 25_000), (200, 30_000)]
)
def test_parts_are_as_long_as_allowed(tmp_path, rows, most):
    """
    Each is a file like any other, cut between two events, of one row group
    that was halved or of several, and at least half of what is allowed.
    """
    source = [make_event(metadata={"x": token_hex(50)}) for _ in range(500)]
    exporter = ParquetExporter(row_group_rows=rows, max_file_bytes=most)

    report = exporter.export(source, tmp_path / "a.parquet")

    paths = sorted(tmp_path.iterdir())
    names = [f"a-{number:05}.parquet" for number in range(1, len(paths) + 1)]
    assert names == [path.name for path in paths]
    assert len(paths) > 2
    assert source == [event for path in paths for event in events_of(path)]
    sizes = [path.stat().st_size for path in paths]
    assert max(sizes) <= most
    assert min(sizes[:-1]) > most / 2
    assert sizes == [part.bytes for part in report.parts]
    assert 500 == report.rows == sum(part.rows for part in report.parts)


def test_what_fits_nowhere_has_a_part_of_its_own(tmp_path):
    """
    An event that is longer than a part may be is not lost, and a file
    without events is whole.
    """
    exporter = ParquetExporter(max_file_bytes=100)

    report = exporter.export(RECORDS[:3], tmp_path / "a.parquet")
    none = exporter.export([], tmp_path / "b.parquet")

    assert [1, 1, 1] == [part.rows for part in report.parts]
    paths = sorted(tmp_path.glob("a-*"))
    assert [r.event for r in RECORDS[:3]] == [
        event for path in paths for event in events_of(path)
    ]
    assert [0] == [part.rows for part in none.parts]
    assert [] == events_of(tmp_path / "b-00001.parquet")


@pytest.mark.parametrize(("rows", "size"), [(100, 10**9), (50_000, 20_000)])
def test_equal_events_give_equal_files(monkeypatch, rows, size):
    """
    Neither the time nor how the events came is in the bytes, whether rows or
    bytes end a row group.
    """
    monkeypatch.setattr(_groups, "GROUP_BYTES", size)
    monkeypatch.setattr(_groups, "BATCH_BYTES", 7000)
    exporter = ParquetExporter(row_group_rows=rows)
    once, lazily, with_broken = io.BytesIO(), io.BytesIO(), io.BytesIO()

    exporter.export(RECORDS * 30, once)
    exporter.export((r.event for r in RECORDS * 30), lazily)
    exporter.export(
        [*RECORDS * 10, *[broken_record()] * 99, *RECORDS * 20], with_broken
    )

    assert once.getvalue() == lazily.getvalue() == with_broken.getvalue()
    pieces = list(exporter.iter_bytes(RECORDS * 30))
    assert once.getvalue() == b"".join(pieces)
    assert all(pieces)


def test_events_are_not_decoded_again(monkeypatch):
    """
    What comes as events, or was decoded, costs no look into its body; one
    that had to be cut is written as it will be read.
    """
    decoded = []
    decode = codec.decode
    long = make_event(metadata={"x": "y" * 200_000})

    def decode_and_note(body):
        decoded.append(body)
        return decode(body)

    monkeypatch.setattr(codec, "decode", decode_and_note)
    source = [*(record.event for record in RECORDS), long]
    decoded.clear()
    pieces = list(ParquetExporter().iter_bytes(source))

    assert [codec.encode(long)] == decoded
    assert b"".join(pieces).startswith(b"PAR1")


@pytest.fixture(name="pool")
def _pool():
    before = pa.default_memory_pool()
    pools = []

    def new():
        pools.append(pa.proxy_memory_pool(before))
        pa.set_memory_pool(pools[-1])
        return pools[-1]

    yield new
    pa.set_memory_pool(before)


def test_memory_stays_flat(pool, tmp_path):
    """
    Five times the events take no more of Arrow's memory, written and read.
    """

    def peak(count):
        used = pool()
        path = tmp_path / "a.parquet"
        for layout in ("events", "records"):
            exporter = ParquetExporter(layout=layout, row_group_rows=2000)
            exporter.export(islice(cycle(RECORDS), count), path)
        assert count == sum(1 for _ in read_parquet(path))
        return used.max_memory()

    assert peak(50_000) < 1.2 * peak(10_000)


def test_what_is_no_event_is_counted(tmp_path):
    """
    It is told with its reason, or ends the export, and leaves no file.
    """
    path = tmp_path / "a.parquet"
    given_items = [RECORDS[0], broken_record(), Skipped(place="x", reason="y")]

    report = ParquetExporter().export(given_items, io.BytesIO())

    reason = "no CloudEvents 1.0 object: 'specversion'"
    assert (1, {reason: 1, "y": 1}) == (report.rows, dict(report.skipped))
    with pytest.raises(ExportError, match="specversion"):
        ParquetExporter().export(given_items[:2], path, errors="raise")
    assert [] == list(tmp_path.iterdir())


def test_a_failing_reader_leaves_the_old_file(tmp_path):
    """
    The target is as before, and the exception is the reader's own.
    """
    path = tmp_path / "a.parquet"
    path.write_bytes(b"old")

    def failing():
        yield from RECORDS * 100
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ParquetExporter(row_group_rows=10).export(failing(), path)

    assert (b"old", [path]) == (path.read_bytes(), list(tmp_path.iterdir()))


def test_newest_first_is_the_file_backwards(tmp_path):
    """
    Across row groups and batches, with the rows' own numbers.
    """
    path = tmp_path / "a.parquet"
    records = [*RECORDS * 300, broken_record(b"{"), RECORDS[0]]
    exporter = ParquetExporter(layout="records", row_group_rows=2500)
    exporter.export(records, path)

    query = EventQuery(order="newest", text="")
    *found, last = reversed(list(ParquetReader(path).read(query).scan()))
    [skipped] = [item for item in found if isinstance(item, Skipped)]

    assert RECORDS[0] == last
    assert f"{path}:3601" == skipped.place
    assert RECORDS * 300 == [r for r in found if r is not skipped]


def rewritten(path, change):
    ParquetExporter().export(RECORDS, path)
    parquet.write_table(change(parquet.read_table(path)), path)


def column(name, values):
    def change(table):
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, [values])

    return change


def recast(name, kind):
    def change(table):
        return column(name, table[name].combine_chunks().cast(kind))(table)

    return change


def nanoseconds(table):
    kind = pa.timestamp("ns", "UTC")
    times = table["occurred_at"].combine_chunks().cast(kind)
    later = compute.add(times.cast(pa.int64()), 999).cast(kind)
    return column("occurred_at", later)(table)


def sorted_columns(table):
    return table.select(sorted(table.schema.names))


def without_places(table):
    return table.select(LAYOUTS["events"][:30])


@pytest.mark.parametrize(
    "change",
    [
        sorted_columns,
        without_places,
        recast("event_type", pa.large_string()),
        nanoseconds,
        recast("occurred_at", pa.timestamp("ms", "Asia/Tokyo")),
        recast("replaced", pa.int8()),
    ],
    ids=range(6),
)
def test_files_of_other_tools_are_read(tmp_path, change):
    """
    Another order, wider or narrower types and no places do no harm.
    """
    path = tmp_path / "a.parquet"
    rewritten(path, change)

    assert [record.event for record in RECORDS] == events_of(path)


def without_code(table):
    return table.drop_columns("code")


def with_another(table):
    return table.append_column("x", [[1] * 12])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_code, "columns are missing: code"),
        (with_another, "no event has a column 'x'"),
        (
            recast("occurred_at", pa.timestamp("us")),
            "'occurred_at' has no time zone; write it as UTC",
        ),
        (
            column("replaced", pa.array(["secret"] * 12)),
            "'replaced' is string, not int64",
        ),
        (
            column("replaced", pa.array([b"secret"] * 12)),
            "'replaced' is binary, not int64",
        ),
    ],
    ids=range(5),
)
def test_files_without_the_columns_are_refused(tmp_path, change, reason):
    """
    A file that holds something else says what, and never its content.
    """
    path = tmp_path / "a.parquet"
    rewritten(path, change)

    with pytest.raises(ReadError, match=reason) as caught:
        events_of(path)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "damage", [b"", b"PAR1", b"{}\n" * 99, None, ...], ids=range(5)
)
def test_what_is_no_parquet_is_told(tmp_path, damage):
    """
    An empty, cut or foreign file, a missing one and a folder are errors.
    """
    path = tmp_path / "a.parquet"
    if damage is ...:
        path.mkdir()
    elif damage is not None:
        path.write_bytes(damage)

    with pytest.raises(ReadError, match="can't read"):
        events_of(path)


def test_a_cut_file_is_told(tmp_path):
    """
    Without its end a file can't be read, and no row is made up.
    """
    path = tmp_path / "a.parquet"
    ParquetExporter().export(RECORDS, path)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(ReadError, match="no Parquet file, or damaged"):
        events_of(path)


def test_broken_rows_are_told_and_cost_no_others(tmp_path):
    """
    A row that makes no event is passed over, with file, row and reason.
    """
    path = tmp_path / "a.parquet"

    def break_rows(table):
        rows = table.to_pylist()
        rows[1]["metadata"] = "{"
        rows[2]["event_id"] = None
        rows[3]["resource_id"] = ""
        return pa.Table.from_pylist(rows, schema=table.schema)

    rewritten(path, break_rows)
    found = list(read_parquet(path).scan())

    skipped = [(at, each) for at, each in enumerate(found) if is_skip(each)]
    assert [1, 2, 3] == [at for at, _ in skipped]
    assert [f"{path}:{at}" for at in (2, 3, 4)] == [
        e.place for _, e in skipped
    ]
    assert "a cell holds broken JSON" == skipped[0][1].reason


def is_skip(item):
    return isinstance(item, Skipped)


def test_settings_are_checked_all_at_once():
    """
    Each mistake is named with what is allowed.
    """
    with pytest.raises(ConfigError) as caught:
        ParquetExporter(
            layout="x",
            compression="gzip",
            compression_level=0,
            row_group_rows=0,
            max_file_bytes=0,
        )

    assert [
        "'layout' must be one of 'events', 'records' (got 'x')",
        "'compression' must be one of 'zstd', 'snappy', None (got 'gzip')",
        (
            "'compression_level' must be from 1 to 22, "
            "and goes with 'zstd' only (got 0)"
        ),
        "'row_group_rows' must be at least 1 (got 0)",
        "'max_file_bytes' must be at least 1 (got 0)",
    ] == [*caught.value.mistakes]


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.zst"])
def test_a_compressed_name_is_refused(tmp_path, name):
    """
    A name that promises gzip or zstd around the file can't be kept.
    """
    with pytest.raises(ExportError, match=r"ends in \.parquet"):
        ParquetExporter().export(RECORDS, tmp_path / name)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "make", [ParquetExporter, lambda: ParquetReader("a.parquet")]
)
def test_missing_package_is_named_with_its_extra(monkeypatch, make):
    """
    Without pyarrow the constructor says what to install.
    """
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r"auditlog-publisher\[arrow"):
        make()


def test_nobody_is_quoted_twice():
    """
    The actor on whose behalf, and a resource's parent, come back whole.
    """
    event = attrs.evolve(
        make_event(
            resource=Resource(
                type="topic",
                id="a",
                parent=Resource(
                    type="cluster", id="b", parent=Resource(type="c", id="d")
                ),
            )
        ),
        actor=Actor(id="x", on_behalf_of=Actor(id="y", email="e@f")),
    )
    file = io.BytesIO()

    ParquetExporter().export([event], file)

    [row] = parquet.read_table(pa.BufferReader(file.getvalue())).to_pylist()
    assert (
        '{"id":"y","type":"user","email":"e@f"}' == (row["actor_on_behalf_of"])
    )

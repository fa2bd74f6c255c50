"""
JSON files: stored bytes, one event a line.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging

from collections import Counter

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from auditlog import codec
from auditlog.abc import EventQuery, Origin, Record, Skipped
from auditlog.errors import ConfigError, ExportError
from auditlog.event import AuditEvent, Resource
from auditlog.exporters import CSVExporter, JSONExporter, JSONLinesReader
from auditlog.memory import InMemoryReader, InMemorySink
from auditlog.testing.reader_contract import sample_records
from tests.strategies import events


RECORDS = sample_records()
LINES = b"".join(record.body + b"\n" for record in RECORDS)


def make_event(**fields):
    resource = Resource(type="topic", id="orders")
    return AuditEvent(
        event_type="Kafka.Topic.Create", resource=resource, **fields
    )


def record_of(body):
    return Record(event_id=RECORDS[0].event_id, body=body)


def memory_reader():
    sink = InMemorySink()
    sink.write(RECORDS)
    return InMemoryReader(sink)


def test_lines_are_the_stored_bytes(tmp_path):
    """
    A file holds the bodies, each with a line break, and nothing else.
    """
    path = tmp_path / "audit.jsonl"

    report = JSONExporter().export(RECORDS, path)

    assert path.read_bytes() == LINES
    assert (12, len(LINES)) == (report.rows, report.bytes)
    assert hashlib.sha256(LINES).hexdigest() == report.sha256


def test_bodies_are_never_decoded(tmp_path):
    """
    Bytes that aren't even JSON come out as they went in.
    """
    bodies = [b"\xff\x00not json", "{}\u2028\u0085".encode(), b" {} "]

    JSONExporter().export(map(record_of, bodies), tmp_path / "a")

    assert bodies == (tmp_path / "a").read_bytes().split(b"\n")[:-1]


def test_array_is_one_json_document(tmp_path):
    """
    An array holds the same bodies; without events it is empty.
    """
    exporter = JSONExporter(framing="array")

    exporter.export(RECORDS * 50, tmp_path / "a.json")
    exporter.export([], tmp_path / "none.json")

    read = json.loads((tmp_path / "a.json").read_bytes())
    assert [json.loads(r.body) for r in RECORDS] * 50 == read
    assert json.loads((tmp_path / "none.json").read_bytes()) == []
    assert RECORDS[0].body in (tmp_path / "a.json").read_bytes()


def test_no_events_make_an_empty_file(tmp_path):
    """
    JSON Lines without lines, and a report of nothing.
    """
    report = JSONExporter().export([], tmp_path / "a.jsonl")

    assert (tmp_path / "a.jsonl").read_bytes() == b""
    assert (
        report.rows,
        report.bytes,
        report.first,
        report.last,
    ) == (0, 0, None, None)


def test_line_breaks_between_members_become_blanks(tmp_path):
    """
    What others wrote over several lines is one line, and still equal JSON.
    """
    pretty = json.dumps(json.loads(RECORDS[0].body), indent=2).encode()
    records = [record_of(pretty), record_of(pretty.replace(b"\n", b"\r\n"))]

    report = JSONExporter().export(records, tmp_path / "a.jsonl")

    lines = (tmp_path / "a.jsonl").read_bytes().splitlines()
    assert [json.loads(pretty)] * 2 == [json.loads(line) for line in lines]
    assert [w[:24] for w in report.warnings] == ["2 events had line breaks"]


def test_gzip_by_suffix_is_the_same_each_time(tmp_path):
    """
    Two compressed exports are equal: neither time nor name is in them.
    """
    one, two = tmp_path / "one.jsonl.gz", tmp_path / "two.jsonl.GZ"

    first = JSONExporter().export(RECORDS, one)
    second = JSONExporter().export(iter(RECORDS), two)

    assert gzip.decompress(one.read_bytes()) == LINES
    assert one.read_bytes() == two.read_bytes()
    assert first.sha256 == second.sha256
    assert hashlib.sha256(one.read_bytes()).hexdigest() == first.sha256
    assert one.read_bytes()[4:8] == b"\0\0\0\0"
    assert first.bytes == one.stat().st_size


def test_compression_can_be_told(tmp_path):
    """
    ``compression`` wins over the suffix, the level is used.
    """
    plain, packed = tmp_path / "a.gz", tmp_path / "b.jsonl"
    many = RECORDS * 40

    JSONExporter(compression=None).export(RECORDS, plain)
    JSONExporter(compression="gzip").export(many, packed)
    best = JSONExporter(compression="gzip", compression_level=9)
    report = best.export(many, tmp_path / "c")

    assert plain.read_bytes() == LINES
    assert gzip.decompress(packed.read_bytes()) == LINES * 40
    assert report.bytes < packed.stat().st_size


def test_what_cannot_be_compressed_is_refused(tmp_path):
    """
    A suffix of another compression isn't answered by plain text.
    """
    with pytest.raises(ExportError, match=r"\.xz is not supported; use"):
        JSONExporter().export(RECORDS, tmp_path / "a.jsonl.xz")

    assert list(tmp_path.iterdir()) == []


def test_settings_are_checked_all_at_once():
    """
    Every wrong setting is named.
    """
    with pytest.raises(ConfigError) as caught:
        JSONExporter(framing="xml", compression="zip", compression_level=10)

    assert list(caught.value.mistakes) == [
        "'compression' must be 'infer', 'gzip', 'zstd' or None (got 'zip')",
        "'compression_level' must be from 0 to 9 (got 10)",
        "'framing' must be 'lines' or 'array' (got 'xml')",
    ]


def test_pieces_and_text_are_the_same_file():
    """
    ``iter_bytes`` and ``dumps`` give what ``export`` writes.
    """
    packed = JSONExporter(compression="gzip").iter_bytes(RECORDS)

    assert b"".join(JSONExporter().iter_bytes(RECORDS)) == LINES
    assert LINES.decode() == JSONExporter(compression="gzip").dumps(RECORDS)
    assert gzip.decompress(b"".join(packed)) == LINES


def test_pieces_are_made_when_they_are_taken():
    """
    Nothing is read before the first piece, and not much ahead of it.
    """
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield RECORDS[0]

    pieces = JSONExporter().iter_bytes(endless())

    assert taken == []
    next(pieces)
    assert len(taken) <= 128


def test_events_are_encoded():
    """
    Events that were never stored get the bytes that they would be stored in.
    """
    event = make_event(metadata={"n": 1})

    text = JSONExporter().dumps([event, RECORDS[0]])

    assert codec.encode(event).decode() == text.split("\n")[0]
    assert RECORDS[0].body.decode() == text.split("\n")[1]


def test_readers_and_their_results_are_read_again(tmp_path):
    """
    A reader, and what its ``read()`` returns, can be exported twice.
    """
    reader = memory_reader()
    some = reader.read(EventQuery(limit=2))

    for _ in range(2):
        assert LINES.decode() == JSONExporter().dumps(reader)
        assert JSONExporter().export(some, tmp_path / "a").rows == 2


def test_positions_are_those_of_the_source():
    """
    A topic's offsets, a journal's indexes, or else ids; no content.
    """
    origin = Origin(topic="t", partition=0, offset=7, key=b"k")
    topic = [
        attrs.evolve(RECORDS[0], origin=origin),
        attrs.evolve(RECORDS[1], origin=attrs.evolve(origin, offset=8)),
    ]
    exporter = JSONExporter()

    of_topic = exporter.export(topic, io.BytesIO())
    of_journal = exporter.export(memory_reader(), io.BytesIO())
    of_list = exporter.export(RECORDS, io.BytesIO())

    assert (str(of_topic.first), str(of_topic.last)) == ("t[0]@7", "t[0]@8")
    assert None is of_topic.first.key
    assert (of_journal.first, of_journal.last) == (1, 12)
    assert RECORDS[0].event_id == of_list.first
    assert RECORDS[-1].event_id == of_list.last


def test_what_is_no_event_is_counted():
    """
    What a reader passes over is in the report, with its places.
    """
    mixed = [
        Skipped(place="t[0]@1", reason="tombstone"),
        RECORDS[0],
        *(Skipped(place=f"t[1]@{n}", reason="no JSON") for n in range(150)),
    ]

    report = JSONExporter().export(mixed, target := io.BytesIO())

    assert RECORDS[0].body + b"\n" == target.getvalue()
    assert Counter({"no JSON": 150, "tombstone": 1}) == report.skipped
    assert len(report.skipped_first) == 100
    assert report.skipped_first[0].place == "t[0]@1"


@pytest.mark.parametrize("exporter", [JSONExporter(), CSVExporter()])
def test_what_a_reader_passes_over_is_in_the_report(tmp_path, exporter):
    """
    A reader, and what it reads, tell the exporter what they left out.
    """
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{\n" + LINES)
    reader = JSONLinesReader(path)

    reports = [
        exporter.export(source, io.BytesIO())
        for source in (reader, reader.read(), reader.read().scan())
    ]

    for report in reports:
        assert 12 == report.rows
        assert [f"{path}:1"] == [s.place for s in report.skipped_first]
    with pytest.raises(ExportError, match=f"can't export {path}:1: no audit"):
        exporter.export(reader, io.BytesIO(), errors="raise")


def test_reasons_are_bounded():
    """
    A file of broken lines, each in its own way, doesn't fill the memory.
    """
    broken = (Skipped(place="p", reason=f"reason {n}") for n in range(500))

    report = JSONExporter().export(broken, io.BytesIO())

    assert report.skipped.total() == 500
    assert report.skipped["other reasons"] == 400


def test_what_is_no_event_may_end_the_export(tmp_path):
    """
    With ``errors="raise"`` the first of them is an error that names it.
    """
    mixed = [*RECORDS, Skipped(place="t[0]@1", reason="tombstone")]

    with pytest.raises(ExportError, match=r"can't export t\[0\]@1: tombst"):
        JSONExporter().export(mixed, tmp_path / "a", errors="raise")
    with pytest.raises(ConfigError, match="'errors' must be"):
        JSONExporter().export(mixed, tmp_path / "a", errors="ignore")

    assert list(tmp_path.iterdir()) == []


def test_pieces_tell_the_log_what_was_passed_over(caplog):
    """
    Without a report, a warning says how much is missing and why.
    """
    mixed = [RECORDS[0], Skipped(place="t[0]@1", reason="tombstone")]

    with caplog.at_level(logging.WARNING, "auditlog.exporters"):
        JSONExporter().dumps(mixed)
        JSONExporter().dumps(RECORDS)

    assert "\n".join(caplog.messages) == (
        "1 records were no audit events and were not exported: "
        "{'tombstone': 1}"
    )


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ("audit.jsonl", "str"),
        (b"x", "bytes"),
        (5, "int"),
        (None, "NoneType"),
        ([{"id": 1}], "dict"),
    ],
)
def test_what_are_no_events_is_refused(tmp_path, events, kind):
    """
    A swapped argument is an error that says what was given.
    """
    with pytest.raises(ExportError, match=f"can't export a {kind}"):
        JSONExporter().export(events, tmp_path / "a")

    assert list(tmp_path.iterdir()) == []


@given(st.lists(events(), max_size=3), st.sampled_from(["a", "a.gz"]))
def test_any_event_survives(tmp_path_factory, given_events, name):
    """
    What is exported as lines is read back equal, byte for byte.
    """
    path = tmp_path_factory.getbasetemp() / name

    JSONExporter().export(given_events, path)

    found = list(JSONLinesReader(path))
    assert given_events == [record.event for record in found]
    assert [codec.encode(e) for e in given_events] == [r.body for r in found]

"""
File readers in trouble: broken lines, damaged archives, odd encodings.

What all readers promise is in ``tests/conformance/test_readers.py``.
"""

from __future__ import annotations

import gzip
import json
import re

from pathlib import Path

import pytest

from auditlog.abc import EventQuery, Skipped
from auditlog.errors import ReadError
from auditlog.exporters import (
    CSVExporter,
    CSVReader,
    JSONExporter,
    JSONLinesReader,
    _files,
    read_csv,
)
from auditlog.testing.reader_contract import sample_records


RECORDS = sample_records()
DAMAGED = "the compressed data is damaged or ends early"
NEWEST = EventQuery(order="newest")


@pytest.fixture(name="path")
def _path(tmp_path):
    return tmp_path / "audit.jsonl"


def bodies(items):
    return [item.body for item in items]


def skipped(items):
    return [
        (item.place, item.reason)
        for item in items
        if isinstance(item, Skipped)
    ]


def test_broken_lines_are_told_with_file_and_line(path):
    """
    Each is passed over with its reason, and costs no other line.
    """
    first, last = RECORDS[0].body, RECORDS[1].body
    broken = {
        b"{": "no audit event: no JSON",
        b"null": "no audit event: no JSON object",
        b"\xff\xfe": "no audit event: no JSON",
        b'{"id":"x"}': "no CloudEvents 1.0 object: 'specversion'",
        first[:-5]: "no audit event: no JSON",
        b"[" * 100_000: "no audit event: no JSON",
    }
    path.write_bytes(b"\n".join([first, *broken, b"", b"  ", last]))

    found = list(JSONLinesReader(path).read().scan())

    assert [first, last] == bodies([found[0], found[-1]])
    assert [
        (f"{path}:{line}", reason)
        for line, reason in enumerate(broken.values(), 2)
    ] == skipped(found)


def test_broken_lines_are_told_in_either_order(path):
    """
    Line numbers are those of the file, also from its end.
    """
    lines = [b"{", RECORDS[0].body, b"}", RECORDS[1].body]
    path.write_bytes(b"\n".join(lines * 1100))

    oldest = list(JSONLinesReader(path).read().scan())
    newest = list(JSONLinesReader(path).read(NEWEST).scan())

    assert 4400 == len(oldest)
    assert oldest == newest[::-1]
    assert f"{path}:4399" == newest[1].place


def test_bodies_that_only_look_right_are_told_when_they_are_looked_at(path):
    """
    With filters an event has to be read, and its line is known then.
    """
    envelope = json.loads(RECORDS[0].body)
    envelope["data"]["eventType"] = "Another.Type.Here"
    path.write_text(json.dumps(envelope))
    reader = JSONLinesReader(path)

    (broken,) = reader.read(EventQuery(tenants=["north"])).scan()

    assert f"{path}:1" == broken.place
    assert 1 == len(list(reader))


def test_only_line_feeds_break_lines(path):
    """
    What Unicode takes for line breaks may stand within a body.
    """
    body = RECORDS[0].body.replace(
        b"number", "\u2028\u2029\x85\x0b\x0c\x1c".encode()
    )
    path.write_bytes(body.replace(b"\x0b\x0c\x1c", b"") + b"\n")

    (record,) = JSONLinesReader(path)

    assert "\u2028\u2029\x85" in record.event.metadata["note"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_marks_do_no_harm(path, end, mark, last):
    """
    Files that passed through Windows have the same bodies, in either order.
    """
    content = mark + end.join(bodies(RECORDS)) + (end if last else b"")
    path.write_bytes(content)

    found = list(JSONLinesReader(path))

    assert bodies(RECORDS) == bodies(found)
    assert found[::-1] == list(JSONLinesReader(path).read(NEWEST))


def test_arrays_are_refused_with_the_way_out(path):
    """
    A JSON array isn't answered by a hundred broken lines.
    """
    JSONExporter(framing="array").export(RECORDS, path)

    with pytest.raises(ReadError, match=r"JSON array, .* framing='lines'"):
        list(JSONLinesReader(path))


def test_line_that_holds_an_array_is_passed_over(path):
    """
    Also the first one.
    """
    lines = [b"[1,2]", RECORDS[0].body, b'["a"]']
    path.write_bytes(b"\n".join(lines))

    first, record, last = JSONLinesReader(path).read().scan()

    assert [f"{path}:1", f"{path}:3"] == [first.place, last.place]
    assert RECORDS[0].body == record.body


@pytest.mark.parametrize("reader", [JSONLinesReader, CSVReader])
def test_files_that_cannot_be_read_are_told(tmp_path, reader):
    """
    Missing, a folder, UTF-16: an error names the path and the reason.
    """
    utf_16 = tmp_path / "utf-16"
    utf_16.write_bytes("a".encode("utf-16"))
    missing = reader(tmp_path / "none").read()

    with pytest.raises(ReadError, match="none: No such file or directory"):
        list(missing)
    with pytest.raises(ReadError, match=f"{tmp_path}: Is a directory"):
        list(reader(tmp_path))
    with pytest.raises(ReadError, match="utf-16: it is UTF-16; save it as"):
        list(reader(utf_16))


def test_empty_files(path):
    """
    No lines are no events; a CSV file has a header at least.
    """
    path.touch()

    assert [] == list(JSONLinesReader(path))
    assert [] == list(JSONLinesReader(path).read(NEWEST))
    with pytest.raises(ReadError, match="it has no header"):
        list(CSVReader(path))


def exports(path, records):
    yield JSONExporter(compression="gzip"), JSONLinesReader(path), records
    yield CSVExporter(compression="gzip"), CSVReader(path), records


@pytest.mark.parametrize("query", [EventQuery(), NEWEST])
@pytest.mark.parametrize("damage", ["cut", "flipped", "tail"])
@pytest.mark.parametrize("kind", [0, 1])
def test_damaged_archives_give_what_is_readable(path, query, damage, kind):
    """
    The events before the damage come out, and the damage is told once.
    """
    records = RECORDS * 200
    exporter, reader, _ = list(exports(path, records))[kind]
    exporter.export(records, path)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[-6] ^= 1
    else:
        data += b"more"
    path.write_bytes(data)

    found = list(reader.read(query).scan())

    told = [place for place, why in skipped(found) if why == DAMAGED]
    events = [item.event for item in found if not isinstance(item, Skipped)]
    expected = [record.event for record in records]
    if query is NEWEST:
        events.reverse()
    assert expected[: len(events)] == events
    assert len(events) == len(expected) or damage == "cut"
    assert len(events) > 100
    assert 1 == len(told)
    assert told[0].startswith(f"{path}:")
    assert len(skipped(found)) == 1 or damage == "cut"


def test_archives_that_end_at_once_are_told(path):
    """
    Two bytes of gzip are no file.
    """
    path.write_bytes(gzip.compress(b"x" * 100)[:12])

    with pytest.raises(ReadError, match="damaged or ends early"):
        list(JSONLinesReader(path))
    with pytest.raises(ReadError, match="damaged or ends early"):
        list(CSVReader(path))


def test_archives_of_several_parts_are_read(path):
    """
    Parts that were appended one after another are one file.
    """
    parts = [gzip.compress(body + b"\n") for body in bodies(RECORDS)]
    path.write_bytes(b"".join(parts))

    assert bodies(RECORDS) == bodies(JSONLinesReader(path))


@pytest.mark.parametrize("query", [EventQuery(), NEWEST])
def test_lines_beyond_any_size_are_passed_over(path, query, monkeypatch):
    """
    A file without line breaks doesn't fill the memory.
    """
    monkeypatch.setattr(_files, "MAX_ROW", 1000)
    first, last = bodies(RECORDS[:2])
    path.write_bytes(b"\n".join([first, b"x" * 12_345, last, b"y" * 5_000]))

    found = list(JSONLinesReader(path).read(query).scan())

    lines = found if query is not NEWEST else found[::-1]
    assert [first, last] == bodies([lines[0], lines[2]])
    assert [
        (f"{path}:2", "longer than 16 MiB"),
        (f"{path}:4", "longer than 16 MiB"),
    ] == skipped(lines)


def test_readers_tell_what_they_read(path):
    """
    A repr is one line and names the file.
    """
    assert f"<JSONLinesReader '{path}'>" == repr(JSONLinesReader(path))
    assert f"<CSVReader '{path}'>" == repr(CSVReader(path))
    assert "<Events of <CSVReader" in repr(read_csv(path))


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"guard": "excel"}, "'guard' must be one of 'auto', 'spreadsheet'"),
        ({"delimiter": "-"}, "'delimiter' must be one of None, ','"),
    ],
)
def test_settings_of_the_csv_reader_are_checked(path, settings, mistake):
    """
    A wrong setting is told before anything is read.
    """
    with pytest.raises(ValueError, match=re.escape(mistake)):
        read_csv(path, **settings)


@pytest.mark.parametrize("query", [EventQuery(), NEWEST])
@pytest.mark.parametrize("compression", ["gzip", None])
def test_files_are_closed_when_reading_is_given_up(
    path, query, compression, monkeypatch
):
    """
    An iteration that is left behind leaves no file open.
    """
    JSONExporter(compression=compression).export(RECORDS, path)
    files = []
    path_open = Path.open

    def kept(*args, **kwargs):
        files.append(path_open(*args, **kwargs))
        return files[-1]

    monkeypatch.setattr(Path, "open", kept)
    scan = JSONLinesReader(path).read(query).scan()
    next(scan)
    assert [False] == [file.closed for file in files]

    scan.close()

    assert [True] == [file.closed for file in files]


def test_csv_rows_may_hold_line_breaks_from_either_end(path):
    """
    A cell of several lines is one cell, wherever reading begins.
    """
    CSVExporter().export(RECORDS * 200, path)
    assert b'"line\nbreak"' in path.read_bytes()

    oldest = list(CSVReader(path))
    newest = list(CSVReader(path).read(NEWEST))

    assert bodies(RECORDS) * 200 == bodies(oldest)
    assert oldest == newest[::-1]

"""
Exports cut into parts: each whole in itself, none too long, all at once.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random

import pytest

from auditlog.abc import Skipped
from auditlog.errors import ConfigError, ExportError
from auditlog.exporters import (
    CSVExporter,
    CSVReader,
    JSONExporter,
    JSONLinesReader,
    LinesExporter,
    _compression,
)
from auditlog.testing.contracts import make_record
from auditlog.testing.reader_contract import sample_records


def varied(count):
    """
    Events of many lengths, some of which can't be compressed.
    """
    dice = random.Random(6)
    return [
        make_record(
            metadata={"note": dice.randbytes(dice.choice(_SIZES)).hex()}
        )
        for _ in range(count)
    ]


_SIZES = [1, 10, 500, 2000]
RECORDS = varied(400)
BODIES = [record.body for record in RECORDS]


def plain(path):
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        return _compression.load_zstd("this test").decompress(data)
    return data


def bodies_in(path):
    lines = plain(path)
    if lines.startswith(b"[\n"):
        return [line.rstrip(b",") for line in lines.splitlines()[1:-1]]
    return lines.splitlines()


@pytest.mark.parametrize("framing", ["lines", "array"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("size", [5_500, 60_000])
def test_no_part_is_longer_than_allowed(tmp_path, framing, suffix, size):
    """
    Also compressed; and the parts are filled, so that there are few.
    """
    exporter = JSONExporter(framing=framing, max_file_bytes=size)

    report = exporter.export(RECORDS, tmp_path / f"a.x.json{suffix}")

    parts = sorted(tmp_path.iterdir())
    names = [f"a.x-{n:05}.json{suffix}" for n in range(1, len(parts) + 1)]
    assert names == [part.name for part in parts]
    assert [*map(str, parts)] == [part.target for part in report.parts]
    assert BODIES == [body for part in parts for body in bodies_in(part)]
    assert all(part.stat().st_size <= size for part in parts)
    # An event has up to 5,000 bytes, of which half is gone when compressed.
    filled = sum(part.stat().st_size for part in parts[:-1])
    assert filled > (size - 5_000) * 0.9 * (len(parts) - 1)
    for part, told in zip(parts, report.parts, strict=True):
        data = part.read_bytes()
        assert hashlib.sha256(data).hexdigest() == told.sha256
        assert (len(data), len(bodies_in(part))) == (told.bytes, told.rows)
        if framing == "array":
            assert len(json.loads(plain(part))) == told.rows
    whole = b"".join(part.read_bytes() for part in parts)
    assert (len(whole), 400) == (report.bytes, report.rows)
    assert hashlib.sha256(whole).hexdigest() == report.sha256


def test_each_part_of_a_table_has_the_header(tmp_path):
    """
    A part of CSV is read like any other file, quoted line breaks and all.
    """
    records = sample_records() * 20
    exporter = CSVExporter(max_file_bytes=5_000)

    report = exporter.export(records, tmp_path / "audit.csv")

    parts = [tmp_path / part.target for part in report.parts]
    read = [r.body for part in parts for r in CSVReader(part)]
    assert len(parts) > 10
    assert [record.body for record in records] == read


def test_an_event_that_is_longer_has_a_part_of_its_own(tmp_path):
    """
    It is neither cut nor lost.
    """
    exporter = LinesExporter(profile="cef", max_file_bytes=1)

    report = exporter.export(RECORDS[:5], tmp_path / "a")

    assert [1] * 5 == [part.rows for part in report.parts]
    assert "a-00005" == (tmp_path / "a-00005").name
    assert 5 == len([*tmp_path.iterdir()])


def test_no_events_make_one_part(tmp_path):
    """
    A valid file, as without parts.
    """
    report = CSVExporter(max_file_bytes=10).export([], tmp_path / "a.csv")

    assert [0] == [part.rows for part in report.parts]
    assert [] == [*CSVReader(tmp_path / "a-00001.csv")]


def test_a_file_that_is_not_parted_has_no_parts(tmp_path):
    """
    Its name is the one that was given.
    """
    assert () == JSONExporter().export(RECORDS[:3], tmp_path / "a").parts


def test_parts_appear_together(tmp_path):
    """
    None is there while the export runs, and none after an exception.
    """
    seen = []

    def watching():
        for record in RECORDS:
            seen.extend(tmp_path.glob("[!.]*"))
            yield record
        if fails:
            raise EOFError

    exporter = JSONExporter(max_file_bytes=20_000)
    fails = True
    with pytest.raises(EOFError):
        exporter.export(watching(), tmp_path / "a.jsonl")
    assert [] == [*tmp_path.iterdir()]

    fails = False
    exporter.export(watching(), tmp_path / "a.jsonl")
    assert [] == seen


def test_parts_of_a_former_export_do_not_stay(tmp_path):
    """
    Whoever reads ``a-*.jsonl`` finds this export and nothing else.
    """
    exporter = JSONExporter(max_file_bytes=20_000)
    before = exporter.export(RECORDS, tmp_path / "a.jsonl").parts
    (tmp_path / "a-00099.jsonl").write_bytes(b"of somebody else")

    after = exporter.export(RECORDS[:30], tmp_path / "a.jsonl").parts

    assert len(after) < len(before)
    expected = {part.target for part in after}
    found = {str(path) for path in tmp_path.iterdir()}
    assert expected | {str(tmp_path / "a-00099.jsonl")} == found


def test_parts_that_are_there_are_kept_if_told(tmp_path):
    """
    ``overwrite=False`` refuses, whichever part is there.
    """
    (tmp_path / "a-00002").write_bytes(b"old")
    exporter = JSONExporter(max_file_bytes=20_000)

    with pytest.raises(ExportError, match="a-00002: it exists; pass"):
        exporter.export(RECORDS, tmp_path / "a", overwrite=False)

    assert [tmp_path / "a-00002"] == [*tmp_path.iterdir()]


def test_what_has_no_name_has_no_parts(tmp_path):
    """
    Streams and pieces are refused, before anything is read.
    """
    exporter = JSONExporter(max_file_bytes=1000)
    never = iter(lambda: 1 / 0, None)

    for target in ("-", io.BytesIO()):
        with pytest.raises(ExportError, match="no name to number; give"):
            exporter.export(never, target)
    with pytest.raises(ExportError, match="leave out max_file_bytes"):
        next(exporter.iter_bytes(never))
    with pytest.raises(ConfigError, match=r"at least 1 \(got 0\)"):
        JSONExporter(max_file_bytes=0)


def test_members_are_cut_by_content_alone(tmp_path, monkeypatch):
    """
    What was passed over in between doesn't change the file.
    """
    monkeypatch.setattr("auditlog.exporters._output.MEMBER", 50_000)
    exporter = JSONExporter(compression="gzip")
    note = Skipped(place="a:1", reason="no event")
    mixed = [each for record in RECORDS for each in (record, note)]

    exporter.export(RECORDS, tmp_path / "a")
    exporter.export(mixed, tmp_path / "b")

    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes()
    assert data == b"".join(exporter.iter_bytes(RECORDS))
    assert data.count(b"\x1f\x8b\x08\0\0\0\0\0") > 2
    assert BODIES == [r.body for r in JSONLinesReader(tmp_path / "a")]

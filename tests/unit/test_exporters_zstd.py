"""
Files compressed with zstd.
"""

from __future__ import annotations

import sys

import pytest

from auditlog.abc import EventQuery, Skipped
from auditlog.errors import ConfigError, MissingExtraError
from auditlog.exporters import (
    CSVExporter,
    CSVReader,
    JSONExporter,
    JSONLinesReader,
    _compression,
)
from auditlog.testing.reader_contract import sample_records


RECORDS = sample_records()
LINES = b"".join(record.body + b"\n" for record in RECORDS)

zstd = _compression.load_zstd("this test")


def bodies(records):
    return [record.body for record in records]


@pytest.mark.parametrize("suffix", [".zst", ".ZSTD"])
def test_zstd_by_suffix_is_the_same_each_time(tmp_path, suffix):
    """
    Two exports are equal, hold the rows, and tell damage by a checksum.
    """
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"

    first = JSONExporter().export(RECORDS, one)
    second = JSONExporter().export(iter(RECORDS), two)

    assert LINES == zstd.decompress(one.read_bytes())
    assert one.read_bytes() == two.read_bytes()
    assert first.sha256 == second.sha256
    assert one.read_bytes()[4] & 4


def test_compression_and_level_can_be_told(tmp_path):
    """
    ``compression`` wins over the suffix, and levels go on to 22.
    """
    best = JSONExporter(compression="zstd", compression_level=22)

    packed = b"".join(JSONExporter(compression="zstd").iter_bytes(RECORDS))
    report = best.export(RECORDS, tmp_path / "a.jsonl")

    assert LINES == zstd.decompress((tmp_path / "a.jsonl").read_bytes())
    assert LINES == zstd.decompress(packed)
    assert report.bytes < len(packed)
    with pytest.raises(ConfigError, match="must be from 0 to 22"):
        JSONExporter(compression="zstd", compression_level=23)


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_files_are_known_by_their_bytes(tmp_path, order):
    """
    Readers unpack them whatever their name, in either direction, also when
    several frames stand one after another.
    """
    lines, table = tmp_path / "lines", tmp_path / "table"
    exporter = JSONExporter(compression="zstd")
    lines.write_bytes(b"".join(exporter.iter_bytes(RECORDS)) * 2)
    CSVExporter(compression="zstd").export(RECORDS, table)
    query = EventQuery(order=order)

    from_lines = bodies(JSONLinesReader(lines).read(query))
    from_table = bodies(CSVReader(table).read(query))

    expected = bodies(RECORDS) if order == "oldest" else bodies(RECORDS)[::-1]
    assert expected * 2 == from_lines
    assert expected == from_table


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_frames_cost_no_frame_before_them(tmp_path, damage, order):
    """
    What stands in whole frames comes out, and the damage is told once.
    """
    path = tmp_path / "a.jsonl"
    frame = b"".join(JSONExporter(compression="zstd").iter_bytes(RECORDS))
    broken = bytearray(frame)
    broken[-6] ^= 1
    last = frame[:-20] if damage == "cut" else bytes(broken)
    path.write_bytes(frame * 2 + last)

    found = [*JSONLinesReader(path).read(EventQuery(order=order)).scan()]

    told = [item.reason for item in found if isinstance(item, Skipped)]
    events = [item.body for item in found if not isinstance(item, Skipped)]
    expected = bodies(RECORDS) * 2
    assert (events[:24] if order == "oldest" else events[::-1]) == expected
    assert ["the compressed data is damaged or ends early"] == told


def test_a_missing_package_is_told_before_anything_is_written(
    tmp_path, monkeypatch
):
    """
    The error names the extra, to who writes and to who reads.
    """
    JSONExporter().export(RECORDS, tmp_path / "old.zst")
    for name in ("compression", "backports", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingExtraError, match=r"publisher\[zstd\]"):
        JSONExporter().export(RECORDS, tmp_path / "a.jsonl.zst")
    with pytest.raises(MissingExtraError, match=r"publisher\[zstd\]"):
        list(JSONLinesReader(tmp_path / "old.zst"))

    assert [tmp_path / "old.zst"] == list(tmp_path.iterdir())


def test_packages_for_zstd_load_only_when_needed(tmp_path):
    """
    Plain files and gzip cost no import.
    """
    from tests.process_tools import run  # noqa: PLC0415

    ended = run(
        f"""
        import sys
        from auditlog.exporters import JSONExporter, JSONLinesReader
        from auditlog.testing.reader_contract import sample_records
        JSONExporter().export(sample_records(), {str(tmp_path / "a.gz")!r})
        print(len(list(JSONLinesReader({str(tmp_path / "a.gz")!r}))))
        print([m for m in sys.modules if "zstd" in m or m == "fsspec"])
        """
    )

    assert ended.out.splitlines() == ["12", "[]"]

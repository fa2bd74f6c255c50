"""
SpoolSink, held to the contracts of all of its kind.
"""

from __future__ import annotations

import pytest

from auditlog.abc import EventQuery, Skipped
from auditlog.errors import ReadError
from auditlog.spool import SpoolReader, SpoolSink
from auditlog.spool.segment import find
from auditlog.testing.contracts import JournalContract, make_record
from auditlog.testing.reader_contract import GrowingReaderContract


class TestSpoolSink(JournalContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path
        self.sinks = []
        yield
        for sink in self.sinks:
            sink.close()

    def make_sink(self):
        # Each is a spool of its own.
        sink = SpoolSink(self.folder / str(len(self.sinks)))
        self.sinks.append(sink)
        return sink

    def expire_lease(self, journal, relay):
        deliveries = journal._spool.deliveries
        deliveries._holders[relay].expires_at = 0.0


class TestSmallSegments(TestSpoolSink):
    """
    The same over many files.
    """

    def make_sink(self):
        sink = SpoolSink(
            self.folder / str(len(self.sinks)), segment_bytes=4096
        )
        self.sinks.append(sink)
        return sink


class TestSpoolReader(GrowingReaderContract):
    """
    Reads while the sink has its folder, over several files.
    """

    @pytest.fixture(autouse=True)
    def _sinks(self, tmp_path):
        self.folder = tmp_path
        self.sinks = {}
        yield
        for sink in self.sinks.values():
            sink.close()

    def make_reader(self, records):
        path = self.folder / str(len(self.sinks))
        reader = SpoolReader(path)
        self.sinks[reader] = SpoolSink(path, segment_bytes=4096)
        self.append(reader, records)
        return reader

    def append(self, reader, records):
        for record in records:
            self.sinks[reader].write([record])


def test_folders_are_merged_by_when_events_were_recorded(tmp_path):
    """
    In either order, with what was damaged told at its place.
    """
    sinks = [SpoolSink(tmp_path, name=name) for name in ("one", "two")]
    records = [make_record() for _ in range(6)]
    for place, record in enumerate(records):
        sinks[place % 2].write([record])
    for sink in sinks:
        sink.close()
    ((_, segment),) = find(tmp_path / "two")
    data = bytearray(segment.read_bytes())
    data[data.index(records[3].body) + 5] ^= 1
    segment.write_bytes(data)
    reader = SpoolReader(tmp_path)

    oldest = list(reader.read().scan())
    newest = list(reader.read(EventQuery(order="newest")).scan())

    ids = [getattr(item, "event_id", None) for item in oldest]
    expected = [record.event_id for record in records]
    (damaged,) = [item for item in oldest if isinstance(item, Skipped)]
    assert "damaged" == damaged.reason
    assert damaged.place.startswith(str(segment))
    assert [*expected[:3], *expected[4:]] == [each for each in ids if each]
    assert sorted(map(str, oldest)) == sorted(map(str, newest))


def test_a_spool_that_is_not_there_is_empty_and_none_is_followed(tmp_path):
    """
    What has no end to wait at says so.
    """
    reader = SpoolReader(tmp_path / "none")

    assert [] == list(reader)
    with pytest.raises(ReadError, match=r"can't be followed; use read"):
        reader.follow()

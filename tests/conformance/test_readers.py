"""
Readers that need no service, held to the contract of all readers.
"""

from __future__ import annotations

import gzip

import attrs
import pytest

from auditlog.abc import Origin
from auditlog.exporters import (
    CSVExporter,
    CSVReader,
    JSONExporter,
    JSONLinesReader,
    ParquetExporter,
    ParquetReader,
)
from auditlog.memory import InMemoryReader, InMemorySink
from auditlog.testing.reader_contract import (
    FollowingReaderContract,
    GrowingReaderContract,
    ReaderContract,
)


def with_origin(records):
    return [
        attrs.evolve(
            record, origin=Origin(topic="audit", partition=0, offset=offset)
        )
        for offset, record in enumerate(records)
    ]


class FileContract(GrowingReaderContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.path = tmp_path / "audit"


class TestJSONLinesReader(FileContract):
    def make_reader(self, records):
        JSONExporter().export(records, self.path)
        return JSONLinesReader(self.path)

    def append(self, reader, records):
        with self.path.open("ab") as file:
            JSONExporter().export(records, file)


class TestJSONLinesReaderOfGzip(FileContract):
    def make_reader(self, records):
        JSONExporter(compression="gzip").export(records, self.path)
        return JSONLinesReader(self.path)

    def append(self, reader, records):
        lines = JSONExporter().dumps(records).encode()
        with self.path.open("ab") as file:
            file.write(gzip.compress(lines))


class TestCSVReader(FileContract):
    def make_reader(self, records):
        CSVExporter().export(records, self.path)
        return CSVReader(self.path)

    def append(self, reader, records):
        with self.path.open("ab") as file:
            CSVExporter(header=False).export(records, file)


class TestCSVReaderOfRecords(ReaderContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.path = tmp_path / "records.csv.gz"

    def make_reader(self, records):
        exporter = CSVExporter(layout="records", guard=None)
        exporter.export(with_origin(records), self.path)
        return CSVReader(self.path)


class TestParquetReader(ReaderContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.path = tmp_path / "audit.parquet"

    def make_reader(self, records):
        ParquetExporter(row_group_rows=5).export(records, self.path)
        return ParquetReader(self.path)


class TestParquetReaderOfRecords(TestParquetReader):
    def make_reader(self, records):
        exporter = ParquetExporter(layout="records")
        exporter.export(with_origin(records), self.path)
        return ParquetReader(self.path)


class TestInMemoryReader(FollowingReaderContract):
    def make_reader(self, records):
        self.sink = InMemorySink()
        if records:
            self.sink.write(records)
        return InMemoryReader(self.sink)

    def append(self, reader, records):
        self.sink.write(records)

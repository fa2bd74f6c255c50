"""
Events to files and back: CSV, JSON Lines, Parquet and the formats of SIEMs.
"""

from __future__ import annotations

from auditlog._progress import Progress

from ._csv import CSVExporter
from ._csv_reader import CSVReader, read_csv
from ._json import JSONExporter
from ._json_reader import JSONLinesReader
from ._lines import LinesExporter
from ._parquet import ParquetExporter
from ._parquet_reader import ParquetReader, read_parquet
from ._report import ExportedPart, ExportReport


__all__ = [
    "CSVExporter",
    "CSVReader",
    "ExportReport",
    "ExportedPart",
    "JSONExporter",
    "JSONLinesReader",
    "LinesExporter",
    "ParquetExporter",
    "ParquetReader",
    "Progress",
    "read_csv",
    "read_parquet",
]

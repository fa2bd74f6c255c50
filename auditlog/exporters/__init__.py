"""
Events to files and back: CSV and JSON Lines.
"""

from __future__ import annotations

from ._csv import CSVExporter
from ._csv_reader import CSVReader, read_csv
from ._json import JSONExporter
from ._json_reader import JSONLinesReader
from ._progress import Progress
from ._report import ExportReport


__all__ = [
    "CSVExporter",
    "CSVReader",
    "ExportReport",
    "JSONExporter",
    "JSONLinesReader",
    "Progress",
    "read_csv",
]

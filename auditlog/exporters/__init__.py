"""
Events to files and back: CSV, JSON Lines and the formats of SIEMs.
"""

from __future__ import annotations

from ._csv import CSVExporter
from ._csv_reader import CSVReader, read_csv
from ._json import JSONExporter
from ._json_reader import JSONLinesReader
from ._lines import LinesExporter
from ._progress import Progress
from ._report import ExportedPart, ExportReport


__all__ = [
    "CSVExporter",
    "CSVReader",
    "ExportReport",
    "ExportedPart",
    "JSONExporter",
    "JSONLinesReader",
    "LinesExporter",
    "Progress",
    "read_csv",
]

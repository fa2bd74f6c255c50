"""
What a file of events looks like: by its name, or by the format's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.errors import ConfigError

from .source import suffix


if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditlog.exporters import ParquetExporter
    from auditlog.exporters._base import FileExporter


PROFILES = ("ocsf", "ecs", "splunk-hec", "asim", "gelf", "cef", "leef")
FORMATS = ("jsonl", "json", "csv", "parquet", *PROFILES)

BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".cef": "cef",
    ".leef": "leef",
}

_LINES = {"cef", "leef"}
BINARY = {"parquet"}  # nothing for a terminal


def format_of(target: str, named: str | None) -> str:
    """
    The format in which *target* is written.

    Args:
        named: What was asked for, if anything.

    Raises:
        ConfigError: If nothing was asked for and the name doesn't tell.
    """
    if named is not None:
        return named
    if target == "-":
        return "jsonl"
    if found := BY_SUFFIX.get(suffix(target)):
        return found
    known = ", ".join(BY_SUFFIX)
    mistake = f"can't tell the format of {target!r} by its name; say --format "
    raise ConfigError([f"{mistake}{'|'.join(FORMATS)}, or end it in {known}"])


def exporter_for(
    name: str, table: dict[str, Any], common: dict[str, Any]
) -> FileExporter | ParquetExporter:
    """
    What writes that format.

    Args:
        table: Settings that only a table has, those that were given.

        common: Settings that all have, those that were given.

    Raises:
        ConfigError: If a setting can't work.
    """
    from auditlog import exporters  # noqa: PLC0415 - only where it is needed

    if name == "csv":
        return exporters.CSVExporter(**table, **common)
    if name == "parquet":
        return exporters.ParquetExporter(**table, **common)
    if name in _LINES:
        return exporters.LinesExporter(profile=name, **common)
    if name in PROFILES:
        return exporters.JSONExporter(profile=name, **common)
    if name == "json":
        return exporters.JSONExporter(framing="array", **common)
    return exporters.JSONExporter(**common)


def refuse_misplaced(name: str, settings: Iterable[str]) -> None:
    """
    Refuse *settings* of a table that files of that format don't have.

    Raises:
        ConfigError: If there are any.
    """
    wrong = [each for each in settings if name not in _TAKEN_BY[each]]
    if wrong:
        options = ", ".join(f"--{each.replace('_', '-')}" for each in wrong)
        raise ConfigError([f"{options} can't be said of {name}"])


_OF_CSV = {"csv"}

_TAKEN_BY = {
    "layout": {"csv", "parquet"},
    "columns": _OF_CSV,
    "metadata_keys": _OF_CSV,
    "delimiter": _OF_CSV,
    "headers": _OF_CSV,
    "guard": _OF_CSV,
}

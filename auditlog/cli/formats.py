"""
What a file of events looks like: by its name, or by the format's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.errors import ConfigError

from .source import suffix


if TYPE_CHECKING:
    from auditlog.exporters._base import FileExporter


PROFILES = ("ocsf", "ecs", "splunk-hec", "asim", "gelf", "cef", "leef")
FORMATS = ("jsonl", "json", "csv", *PROFILES)

BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".cef": "cef",
    ".leef": "leef",
}

_LINES = {"cef", "leef"}
BINARY: frozenset[str] = frozenset()  # nothing for a terminal


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
) -> FileExporter:
    """
    What writes that format.

    Args:
        table: Settings that only a table has, those that were given.

        common: Settings that all have, those that were given.

    Raises:
        ConfigError: If a setting doesn't go with the format, or can't work.
    """
    from auditlog import exporters  # noqa: PLC0415 - only where it is needed

    if name == "csv":
        return exporters.CSVExporter(**table, **common)
    if table:
        options = ", ".join(f"--{each.replace('_', '-')}" for each in table)
        raise ConfigError([f"{options} can't be said of {name}, only of csv"])
    if name in _LINES:
        return exporters.LinesExporter(profile=name, **common)
    if name in PROFILES:
        return exporters.JSONExporter(profile=name, **common)
    if name == "json":
        return exporters.JSONExporter(framing="array", **common)
    return exporters.JSONExporter(**common)

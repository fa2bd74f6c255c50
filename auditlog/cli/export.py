"""
Events from a source to a file, and what there is to say about it.
"""

from __future__ import annotations

import json
import sys

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from auditlog.errors import ExportError

from . import stdout
from .formats import BINARY, exporter_for, format_of, refuse_misplaced


if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditlog.abc import EventQuery, Reader
    from auditlog.exporters import ExportReport


@attrs.frozen(kw_only=True)
class Writing:
    """
    How a file is to be written.

    Attributes:
        target: A path, or ``-`` for standard output.

        format: The format, if it was named.

        table: Settings that only a table has.

        common: Settings that all formats have.

        going_on: *resume* or *follow*, if one of them is so.

        workers: How many processes render.

        overwrite: Whether a file that exists may be replaced.

        errors: What becomes of records that aren't audit events.

        progress: Whether to show it; None where a person watches.
    """

    target: str
    format: str | None = None
    table: dict[str, Any]
    common: dict[str, Any]
    going_on: dict[str, bool] = attrs.field(factory=dict)
    workers: int = 1
    overwrite: bool = True
    errors: Literal["report", "raise"] = "report"
    progress: bool | None = None


def export(reader: Reader, query: EventQuery, how: Writing) -> ExportReport:
    """
    Write what *reader* has of *query*.

    Raises:
        ConfigError: If it can't be written so.

        ExportError: If the target can't be written to.

        ReadError: If the source can't be read.
    """
    if not how.overwrite and Path(how.target).exists():
        raise ExportError(
            f"can't write {how.target}: it exists; leave --no-overwrite out "
            "to replace it"
        )
    name = format_of(how.target, how.format)
    refuse_misplaced(name, how.table)
    exporter: Any = exporter_for(name, how.table, how.common)
    target: Any = how.target
    if target == "-":
        target = stdout.opened(binary=name in BINARY)
    report: ExportReport = exporter.export(
        reader.read(query),
        target,
        progress=False if _is_seen(target) else how.progress,
        errors=how.errors,
        overwrite=how.overwrite,
        **how.going_on,
        workers=how.workers,
    )
    return report


def _is_seen(target: object) -> bool:
    # A bar among the events would hide both.
    return isinstance(target, stdout.Terminal) and sys.stderr.isatty()


def as_json(report: ExportReport) -> str:
    """
    The report as one object.
    """
    given = attrs.asdict(report, recurse=False)
    given["first"], given["last"] = map(_place, (report.first, report.last))
    given["skipped_first"] = [
        {"place": each.place, "reason": each.reason}
        for each in report.skipped_first
    ]
    given["parts"] = [attrs.asdict(each) for each in report.parts]
    return json.dumps(given, indent=2)


def _place(found: object) -> object:
    return found if found is None or isinstance(found, int) else str(found)


def summary(report: ExportReport) -> Iterator[str]:
    """
    The report in a few lines for a person.
    """
    if report.target != "-":
        yield (
            f"{report.rows:,} events, {report.bytes:,} bytes to "
            f"{report.target} in {report.elapsed:.1f} s"
        )
        yield f"SHA-256 {report.sha256}"
    for part in report.parts:
        yield f"{part.target}: {part.rows:,} events, {part.bytes:,} bytes"
    firsts = {each.reason: each.place for each in report.skipped_first[::-1]}
    for reason, count in report.skipped.most_common():
        where = f", first at {firsts[reason]}" if reason in firsts else ""
        yield f"{count:,} passed over: {reason}{where}"
    for warning in report.warnings:
        yield f"warning: {warning}"

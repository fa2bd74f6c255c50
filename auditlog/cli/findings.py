"""
Findings as a person or a program wants to see them.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from auditlog.findings import Finding, State


_COLOURS: dict[State, str] = {
    "ok": "green",
    "warning": "yellow",
    "failed": "bold red",
    "skipped": "dim",
}


def is_well(findings: Iterable[Finding]) -> bool:
    """
    Whether nothing failed.
    """
    return all(each.state != "failed" for each in findings)


def as_table(findings: Iterable[Finding], what: str = "check") -> Table:
    """
    The findings as a table for a terminal, with the ways out.

    Args:
        what: What is looked at.
    """
    made = Table(box=None, pad_edge=False)
    made.add_column("state")
    for name in (what, "what was found"):
        made.add_column(name, overflow="fold")
    for each, more in _shortened(findings):
        # Text, as strings may hold what rich takes for markup.
        made.add_row(
            Text(each.state, _COLOURS[each.state]),
            Text(f"{each.check}{f' + {more}' if more else ''}"),
            Text("\n".join(_lines(each))),
        )
    return made


def _shortened(findings: Iterable[Finding]) -> Iterator[tuple[Finding, int]]:
    """
    Each finding, and how many more were skipped for the same reason.
    """
    for (state, _), group in groupby(
        findings, key=lambda each: (each.state, each.detail)
    ):
        alike = list(group)
        if state == "skipped":
            yield alike[0], len(alike) - 1
        else:
            yield from ((each, 0) for each in alike)


def _lines(finding: Finding) -> Iterator[str]:
    yield finding.detail
    if finding.way_out and finding.state != "skipped":
        yield f"→ {finding.way_out}"

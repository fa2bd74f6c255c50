"""
Findings as a person or a program wants to see them.
"""

from __future__ import annotations

from collections import Counter
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


def summary(findings: Iterable[Finding]) -> str:
    """
    How many failed, and how many could be better, in a sentence.
    """
    counts = Counter(each.state for each in findings)
    found = [
        f"{count} failed" if state == "failed" else _warnings(count)
        for state in ("failed", "warning")
        if (count := counts[state])
    ]
    return f"{' and '.join(found) or 'All is well'}."


def _warnings(count: int) -> str:
    return f"{count} warning{'s' * (count != 1)}"


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

"""
Findings as a person or a program wants to see them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text


if TYPE_CHECKING:
    from collections.abc import Iterable

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


def as_table(findings: Iterable[Finding]) -> Table:
    """
    The findings as a table for a terminal, with the ways out.
    """
    made = Table(box=None, pad_edge=False)
    for name in ("state", "check", "what was found"):
        made.add_column(name, overflow="fold")
    for each in findings:
        lines = [each.detail]
        if each.way_out and each.state != "skipped":
            lines.append(f"→ {each.way_out}")
        # Text, as strings may hold what rich takes for markup.
        made.add_row(
            Text(each.state, _COLOURS[each.state]),
            Text(each.check),
            Text("\n".join(lines)),
        )
    return made

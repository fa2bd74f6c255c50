"""
Results as a table, as JSON and as Markdown.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform

from typing import TYPE_CHECKING

import attrs

from samples import make_records


if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness import Row


PACKAGES = (
    "attrs",
    "cattrs",
    "msgspec",
    "psycopg",
    "kafka-python",
    "crc32c",
    "opentelemetry-sdk",
)

HEADINGS = ("", "ours", "theirs", "unit", "ratio", "from", "to", "target", "")


def conditions() -> dict[str, str]:
    """
    What the figures depend on.
    """
    (record,) = make_records(1)
    return {
        "Python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "event": f"{len(record.body)} bytes",
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def table(rows: Sequence[Row]) -> str:
    """
    *rows* as a table in Markdown, aligned for the eye.
    """
    lines = [HEADINGS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        f"| {' | '.join(map(str.ljust, line, widths))} |"
        for line in (HEADINGS, rule, *lines[1:])
    )


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.spread or (None, None)
    return (
        row.what,
        _number(row.ours),
        _number(row.theirs),
        row.unit,
        _number(row.ratio),
        _number(low),
        _number(high),
        _number(row.target),
        row.verdict,
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def save(rows: Sequence[Row], where: dict[str, str], folder: Path) -> None:
    """
    Write ``latest.json`` and ``latest.md`` into *folder*.
    """
    folder.mkdir(exist_ok=True)
    found = {
        "conditions": where,
        "rows": [attrs.asdict(row) | {"verdict": row.verdict} for row in rows],
    }
    (folder / "latest.json").write_text(
        json.dumps(found, indent=2), encoding="utf-8"
    )
    facts = "\n".join(f"- {name}: {fact}" for name, fact in where.items())
    (folder / "latest.md").write_text(
        f"{table(rows)}\n\n{facts}\n", encoding="utf-8"
    )

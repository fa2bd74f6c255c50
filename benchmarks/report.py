"""
Results as a table, as JSON and as Markdown.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from harness import Row
from samples import make_records


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


PACKAGES = (
    "attrs",
    "cattrs",
    "msgspec",
    "psycopg",
    "kafka-python",
    "crc32c",
    "confluent-kafka",
    "SQLAlchemy",
    "pyarrow",
    "opentelemetry-sdk",
    "auditx-connector",
    "firm-audit",
    "sqlalchemy-audit-trail",
    "rust-py-audit",
)

HEADINGS = (
    "",
    "",
    "median",
    "lowest – highest",
    "unit",
    "ours is × as good",
    "lowest – highest",
    "aim",
    "",
)


def conditions(services: Mapping[str, str]) -> dict[str, str]:
    """
    What the figures depend on; *services* are settings of those that ran.
    """
    (record,) = make_records(1)
    return {
        "Python": platform.python_version(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "event": f"{len(record.body)} bytes",
        **services,
        **{name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    found = re.search(r"model name\s*: (.+)", text)
    return found[1] if found else platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def table(rows: Iterable[Row]) -> str:
    """
    *rows* as a table in Markdown, aligned for the eye.
    """
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        f"| {' | '.join(map(str.ljust, line, widths))} |"
        for line in (HEADINGS, rule, *lines[1:])
    )


def line(row: Row) -> str:
    """
    A row for somebody who waits.
    """
    what = " ".join(filter(None, (row.contest, row.what)))
    return f"{what}: {' '.join(filter(None, map(str.strip, cells(row))))}"


def has_aim(row: Row) -> bool:
    """
    Whether something was aimed at, and measured.
    """
    aimed = row.limit is not None or row.target is not None
    return aimed and row.median is not None


def is_ours(row: Row) -> bool:
    """
    Whether it says something about us: what a peer loses is its own affair.
    """
    return row.ratio is None or not row.lost


def cells(row: Row) -> tuple[str, ...]:
    """
    The cells of a line.
    """
    low, high = row.spread or (None, None)
    return (
        row.contender,
        row.what,
        number(row.median),
        between(row.low, row.high),
        row.unit,
        number(row.ratio),
        between(low, high),
        aim(row),
        verdict(row),
    )


def aim(row: Row) -> str:
    """
    What was aimed at.
    """
    if row.limit is not None:
        return f"at most {number(row.limit)} {row.unit}"
    return number(row.target)


def verdict(row: Row) -> str:
    """
    Whether it was reached, or what happened instead.
    """
    if row.verdict == "absent":
        return f"absent: {row.settings}"
    if row.lost:
        given = row.events * (row.rounds + 1)
        return f"**LOST {row.lost:,} of {given:,}**"
    return row.verdict


def between(low: float | None, high: float | None) -> str:
    """
    The lowest and the highest.
    """
    return "" if low is None else f"{number(low)} – {number(high)}"


def number(value: float | None) -> str:
    """
    Three digits of *value*, or more where a thousand would be cut.
    """
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def save(rows: Sequence[Row], where: Mapping[str, str], folder: Path) -> None:
    """
    Write ``latest.json`` and ``latest.md`` into *folder*.
    """
    folder.mkdir(exist_ok=True, parents=True)
    found = {
        "conditions": dict(where),
        "rows": [attrs.asdict(row) | {"verdict": row.verdict} for row in rows],
    }
    (folder / "latest.json").write_text(
        json.dumps(found, indent=2, ensure_ascii=False), encoding="utf-8"
    )
    (folder / "latest.md").write_text(page(rows, where), encoding="utf-8")


def load(path: Path) -> tuple[list[Row], dict[str, str]]:
    """
    What :func:`save` wrote to a file of JSON.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    for row in found["rows"]:
        row.pop("verdict")
        row["spread"] = row["spread"] and tuple(row["spread"])
    return [Row(**row) for row in found["rows"]], found["conditions"]


def page(rows: Sequence[Row], where: Mapping[str, str]) -> str:
    """
    All results in Markdown: each contest with its settings, and where it ran.
    """
    contests = {row.contest: None for row in rows}
    parts = [
        _contest(name, [row for row in rows if row.contest == name])
        for name in contests
    ]
    facts = "\n".join(f"- {name}: {fact}" for name, fact in where.items())
    return "\n\n".join([*parts, "**Where they ran**", f"{facts}\n"])


def _contest(name: str, rows: Sequence[Row]) -> str:
    settings = {
        row.contender: row.settings
        for row in rows
        if row.settings and row.median is not None
    }
    events = {row.contender: row.events for row in rows if row.events}
    rounds = max(row.rounds for row in rows)
    notes = [f"{_given(events)} {rounds} rounds." if rounds else ""]
    notes += [f"- {who}: {how}" for who, how in settings.items()]
    return "\n\n".join(
        (f"**{name}**", table(rows), "\n".join(filter(None, notes)))
    )


def _given(events: Mapping[str, int]) -> str:
    numbers = sorted(set(events.values()))
    if not numbers or numbers == [1]:
        return ""
    if len(numbers) == 1:
        return f"{numbers[0]:,} events a round,"
    return f"{numbers[0]:,} to {numbers[-1]:,} events a round,"

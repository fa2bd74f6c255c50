"""
Puts the results of a run into the documentation.

``make bench`` does so in the end; ``python benchmarks/publishing.py
latest.json`` does it with a run that was saved.
"""

from __future__ import annotations

import sys

from pathlib import Path
from typing import TYPE_CHECKING

import chart
import report


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness import Row


FOLDER = Path(__file__).parents[1] / "docs" / "explanation"
SUMMARY = "_figures.md"
PAGE = "figures.md"
CHART = "figures.png"

INTRODUCTION = """\
In each contest the first contender is ours.
The ratio says how many times as good ours is: in events or in time.
CPU is that of the process that publishes; p99 is the time of 99 % of calls.
How the contests are run and what they mean is told in [](performance.md).
This page is written by `make bench`.\
"""


def publish(
    rows: Sequence[Row], where: Mapping[str, str], folder: Path
) -> None:
    """
    Write the aims, all figures and the picture for the documentation.
    """
    chart.draw(rows, folder / CHART)
    (folder / SUMMARY).write_text(f"{summary(rows)}\n", encoding="utf-8")
    parts = ["# All figures of a run", INTRODUCTION, report.page(rows, where)]
    (folder / PAGE).write_text("\n\n".join(parts), encoding="utf-8")


def summary(rows: Iterable[Row]) -> str:
    """
    What has an aim, as a table in Markdown.
    """
    lines = [
        ("Contest", "Beside", "Ours is", "Lowest – highest", "Aim", ""),
        ("---",) * 6,
        *(_cells(row) for row in rows if report.has_aim(row)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    contest = ", ".join(filter(None, (row.contest, row.what)))
    if row.limit is not None:
        ours = f"{report.number(row.median)} {row.unit}"
        span = report.between(row.low, row.high)
        beside = "–"
    else:
        ours = f"{report.number(row.ratio)} ×"
        span = report.between(*(row.spread or (None, None)))
        beside = row.contender
    return contest, beside, ours, span, report.aim(row), report.verdict(row)


if __name__ == "__main__":
    publish(*report.load(Path(sys.argv[1])), FOLDER)

"""
The ratios of a run as a picture.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from harness import Row


# Colours of Okabe and Ito, which everybody can tell apart, and shapes for
# those who print in grey.
STYLES: dict[str, tuple[str, str, str]] = {
    "ok": ("#0072B2", "o", "the aim is met"),
    "MISSED": ("#D55E00", "D", "the aim is missed"),
    "": ("#666666", "s", "without an aim"),
    "LOST": ("#000000", "X", "it lost events"),
}
# Comparisons with ourselves are left to the tables.
WITHIN = ("growth", "memory")
HEIGHT = 0.23  # inches of a line


def draw(rows: Sequence[Row], path: Path) -> None:
    """
    Draw how many times as good ours is as each contender.
    """
    lines = list(_lines(rows))
    figure = Figure(figsize=(9, HEIGHT * len(lines) + 1.4), dpi=110)
    axes = figure.subplots()
    for place, (label, row) in enumerate(lines):
        _label(axes, place, label, heading=row is None)
        if row is not None:
            _point(axes, place, row)
    _finish(axes, len(lines))
    figure.savefig(path, bbox_inches="tight", metadata={"Software": None})


def shown(row: Row) -> bool:
    """
    Whether a row stands in the picture.
    """
    if row.ratio is None or row.contest.startswith(WITHIN):
        return False
    if "each format" in row.contest:
        return False
    return not row.what or row.target is not None


def _lines(rows: Iterable[Row]) -> Iterable[tuple[str, Row | None]]:
    chosen = filter(shown, rows)
    for contest, group in groupby(chosen, key=lambda row: row.contest):
        yield contest, None
        for row in group:
            what = f", {row.what}" if row.what else ""
            yield f"beside {row.contender}{what}", row


def _label(axes: Any, place: int, label: str, *, heading: bool) -> None:
    axes.text(
        -0.01,
        place,
        label,
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="center",
        fontsize=8.5,
        fontweight="bold" if heading else "normal",
    )


def _point(axes: Any, place: int, row: Row) -> None:
    colour, marker, _ = STYLES[row.verdict]
    low, high = row.spread or (row.ratio, row.ratio)
    axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
    axes.plot(row.ratio, place, marker, color=colour, markersize=6.5)
    if row.target is not None:
        axes.plot(row.target, place, "|", color="#000000", markersize=11)


def _finish(axes: Any, number: int) -> None:
    axes.axvline(1.0, color="#000000", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_ylim(number - 0.4, -0.8)
    axes.set_yticks([])
    axes.set_xticks([0.1, 1, 10, 100], ["0.1 ×", "1 ×", "10 ×", "100 ×"])
    axes.grid(axis="x", which="both", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_title("How many times as good auditlog is", fontsize=11)
    axes.set_xlabel(
        "median of the rounds' ratios; the line spans the lowest and the "
        "highest round\nright of 1 × auditlog is better",
        fontsize=8.5,
    )
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.legend(
        handles=[
            *(
                Line2D([], [], color=colour, marker=marker, label=label, ls="")
                for colour, marker, label in STYLES.values()
            ),
            Line2D(
                [], [], color="#000000", marker="|", ls="", label="the aim"
            ),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.075 * 40 / max(number, 20)),
        ncols=5,
        fontsize=8,
        frameon=False,
    )

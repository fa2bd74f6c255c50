"""
Draws when events occurred, how they ended, and who acted.
"""

from __future__ import annotations

import io

from typing import TYPE_CHECKING

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ._counts import ordered
from ._drawing import (
    LOOKS,
    count_axis,
    decorate,
    drawn,
    number,
    say_nothing,
)
from ._glyphs import drawable, families
from ._timeline import timeline
from ._units import HOURS, UNITS, WEEKDAYS, Clock, name_of


if TYPE_CHECKING:
    import datetime as dt

    from matplotlib.axes import Axes

    from ._overview import Overview


# One hue, from light to dark: the order is seen without colours.
GRID_COLOURS = LinearSegmentedColormap.from_list(
    "auditlog", ["#CFE5F5", "#56B4E9", "#0072B2", "#002B45"]
)
NAME_WIDTH = 28


class ActivityFigure(Figure):
    """
    A figure that shows itself as the value of a notebook's cell.

    Without pyplot nothing keeps it, and nothing else would draw it there.
    """

    def _repr_png_(self) -> bytes:
        made = io.BytesIO()
        self.savefig(made, format="png", dpi=self.dpi)
        return made.getvalue()


def draw(overview: Overview, *, title: str | None, top: int) -> Figure:
    """
    A figure of what *overview* has counted.
    """
    rows = min(top, max(len(overview.actors.rows), 5))
    figure = ActivityFigure(
        figsize=(11, 5.2 + 0.26 * rows), dpi=100, layout="constrained"
    )
    grid = figure.add_gridspec(
        2, 2, height_ratios=(1, 0.4 + 0.08 * rows), width_ratios=(1.15, 1)
    )
    timeline(figure.add_subplot(grid[0, :]), overview)
    _weekdays(figure.add_subplot(grid[1, 0]), overview)
    _actors(figure.add_subplot(grid[1, 1]), overview, top)
    figure.suptitle(
        _title(overview, title),
        x=0.01,
        ha="left",
        parse_math=False,
        fontfamily=families(),
        fontsize="large",
    )
    return figure


def _title(overview: Overview, title: str | None) -> str:
    seen, skipped = overview.seen, overview.skipped.total()
    text = (
        f"{number(overview.total)} event{'' if overview.total == 1 else 's'}"
    )
    if seen.first is not None and seen.last is not None:
        text += f", {_time(overview, seen.first)}"
        if seen.first < seen.last:
            text += f" to {_time(overview, seen.last)}"
    text += f" ({name_of(overview.clock.zone)})"
    if skipped:
        text += f"; {number(skipped)} records were no audit events"
    return f"{drawable(title, 100)}\n{text}" if title else text


def _time(overview: Overview, time: dt.datetime) -> str:
    seconds = Clock(UNITS["second"], overview.clock.zone)
    text = seconds.label(seconds.start(seconds.key(time)))
    return text[: max(16, overview.clock.unit.digits)]


def _weekdays(axes: Axes, overview: Overview) -> None:
    rows = overview.grid.rows
    decorate(
        axes,
        "Events by weekday and hour",
        f"hour of day ({name_of(overview.clock.zone)})",
        None,
    )
    counts = [
        [rows.get(day, {}).get(hour) or float("nan") for hour in HOURS]
        for day in WEEKDAYS
    ]
    axes.set_xticks(range(0, 24, 3), HOURS[::3])
    axes.set_yticks(range(7), [day[:3] for day in WEEKDAYS])
    axes.set_xticks([x - 0.5 for x in range(25)], minor=True)
    axes.set_yticks([y - 0.5 for y in range(8)], minor=True)
    axes.grid(which="minor", color="0.85", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.set(xlim=(-0.5, 23.5), ylim=(6.5, -0.5))
    if not rows:
        say_nothing(axes)
        return

    image = axes.imshow(
        counts,
        cmap=GRID_COLOURS,
        vmin=0,
        aspect="auto",
    )
    bar = axes.figure.colorbar(
        image, ax=axes, label="events (blank: none)", pad=0.02
    )
    count_axis(bar.ax.yaxis)
    bar.outline.set_visible(False)


def _actors(axes: Axes, overview: Overview, top: int) -> None:
    rows = overview.actors.rows
    names = ordered({name: sum(row.values()) for name, row in rows.items()})
    shown = names[:top]
    title = f"Top {len(shown)} of {number(len(names))} actors"
    if len(shown) == len(names):
        title = "Actors, most active first"
    decorate(axes, title, "number of events", None)
    axes.spines["left"].set_visible(False)
    if not names:
        axes.set(xticks=[], yticks=[])
        say_nothing(axes)
        return

    lefts = [0] * len(shown)
    for outcome, look in LOOKS.items():
        widths = [rows[name].get(outcome, 0) for name in shown]
        axes.barh(range(len(shown)), widths, 0.75, lefts, **drawn(axes, look))
        lefts = [*map(int.__add__, lefts, widths)]
    for place, total in enumerate(lefts):
        axes.annotate(
            number(total),
            (total, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    axes.set_yticks(
        range(len(shown)),
        [
            drawable("(no actor)" if n is None else n, NAME_WIDTH)
            for n in shown
        ],
        parse_math=False,
        usetex=False,
        fontfamily=families(),
    )
    axes.tick_params("y", length=0)
    axes.set_ylim(max(len(shown), 5) - 0.4, -0.6)
    axes.set_xlim(0, max(lefts) * 1.12)
    count_axis(axes.xaxis)

"""
Draws when events occurred, by how they ended.
"""

from __future__ import annotations

import datetime as dt

from typing import TYPE_CHECKING, Any

import attrs

from matplotlib import dates

from ._drawing import (
    LOOKS,
    count_axis,
    decorate,
    drawn,
    number,
    say_nothing,
)
from ._overview import MAX_BARS
from ._units import name_of


if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from ._overview import Overview
    from ._tally import Tally
    from ._units import Clock


# As many units are shown at least.
MIN_BARS = 10

# Has no types.
mdates: Any = dates

# Between these matplotlib's own ticks work; programs write times without a
# meaning as the first or the last that they know.
FIRST_DAY = float(mdates.date2num(dt.datetime(50, 1, 1, tzinfo=dt.UTC)))
LAST_DAY = float(mdates.date2num(dt.datetime(9950, 1, 1, tzinfo=dt.UTC)))


def timeline(axes: Axes, overview: Overview) -> None:
    """
    Draw one bar for each unit, with a part for each outcome.
    """
    clock, keys = overview.clock, overview.units
    decorate(
        axes,
        "Events over time, by how they ended",
        f"occurred at ({name_of(clock.zone)})",
        f"events per {clock.unit.name}",
    )
    if not overview.total:
        axes.set_yticks([])
        say_nothing(axes)
    if not keys:
        axes.set_xticks([])
        return

    edges = _edges(clock, keys)
    _time_axis(axes, edges, clock, keys)
    if overview.total:
        _stack(axes, overview.times, keys, edges)
        count_axis(axes.yaxis)


def _edges(clock: Clock, keys: list[dt.datetime]) -> list[float]:
    """
    Where the bars of *keys* begin, and where the last one ends.
    """
    try:
        end = clock.instant(clock.after(keys[-1]))
    except OverflowError:
        end = dt.datetime.max  # noqa: DTZ901 - in UTC and naive, as the others
    instants = [*map(clock.instant, keys), end]
    return [float(mdates.date2num(instant)) for instant in instants]


def _time_axis(
    axes: Axes, edges: list[float], clock: Clock, keys: list[dt.datetime]
) -> None:
    # Shows a few units at least, or one bar would be as broad as the figure.
    width = (edges[-1] - edges[0]) / len(keys)
    margin = width * max(0, MIN_BARS - len(keys), len(keys) // 100) / 2
    axes.set_xlim(edges[0] - margin, edges[-1] + margin)
    if edges[0] - margin < FIRST_DAY or edges[-1] + margin > LAST_DAY:
        labels = [clock.label(clock.start(key)) for key in keys]
        axes.set_xticks([edges[0], edges[-2]], [labels[0], labels[-1]])
        return

    locator = mdates.AutoDateLocator(tz=clock.zone, minticks=3, maxticks=10)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        mdates.ConciseDateFormatter(locator, tz=clock.zone)
    )


@attrs.frozen
class _Layer:
    """
    What one outcome has in the timeline: how many in which place, from where.
    """

    label: str
    look: dict[str, Any]
    counts: dict[int, int]
    bottoms: list[int]

    @property
    def tops(self) -> list[int]:
        """
        Where the next outcome begins.
        """
        return [*map(int.__add__, self.bottoms, self.counts.values())]


def _stack(
    axes: Axes, times: Tally, keys: list[dt.datetime], edges: list[float]
) -> None:
    draw_layer = _bars if len(keys) <= 2 * MAX_BARS else _lines
    for layer in _layers(times, keys):
        draw_layer(axes, edges, layer)
    _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(LOOKS),
        frameon=False,
        borderaxespad=0.2,
        handlelength=1.6,
        columnspacing=1.4,
        fontsize="small",
    )


def _layers(times: Tally, keys: list[dt.datetime]) -> Iterator[_Layer]:
    """
    What each outcome puts on top of those before.
    """
    places = {key: place for place, key in enumerate(keys)}
    heights = [0] * len(keys)
    for name, total in sorted(times.totals().items(), key=_place_in_stack):
        counts = {
            places[key]: row[name]
            for key, row in times.rows.items()
            if name in row
        }
        bottoms = [heights[place] for place in counts]
        yield _Layer(f"{name} ({number(total)})", LOOKS[name], counts, bottoms)
        for place, count in counts.items():
            heights[place] += count


def _place_in_stack(item: tuple[str, int]) -> int:
    return [*LOOKS].index(item[0])


def _bars(axes: Axes, edges: list[float], layer: _Layer) -> None:
    axes.bar(
        [edges[place] for place in layer.counts],
        [*layer.counts.values()],
        [edges[place + 1] - edges[place] for place in layer.counts],
        [*layer.bottoms],
        align="edge",
        label=layer.label,
        **drawn(axes, layer.look),
    )


def _lines(axes: Axes, edges: list[float], layer: _Layer) -> None:
    # A bar would be less than a pixel here, and not be seen.
    axes.vlines(
        [edges[place] for place in layer.counts],
        layer.bottoms,
        layer.tops,
        colors=layer.look["facecolor"],
        label=layer.label,
    )
    axes.set_ylim(0)

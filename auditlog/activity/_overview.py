"""
What a plot shows, counted in one go.
"""

from __future__ import annotations

import contextlib
import functools

from typing import TYPE_CHECKING

from auditlog.errors import MissingExtraError

from ._counting import asked, check_top, told
from ._fields import actor, outcome
from ._tally import Tally
from ._units import CYCLES, UNITS, Clock, zone_of


if TYPE_CHECKING:
    import datetime as dt

    from collections import Counter
    from collections.abc import Generator, Iterable

    from matplotlib.figure import Figure

    from auditlog._progress import Progress
    from auditlog.event import AuditEvent

    from ._counting import Bounds


# As many bars as can be told apart.
MAX_BARS = 120


class Overview:
    """
    Counts by time, by weekday and hour, and by actor.

    Attributes:
        clock: The unit of the timeline, the shortest that gives a picture.

        times: Events by unit and outcome.

        grid: Events by weekday and hour.

        actors: Events by actor and outcome.

        span: From when to when.

        seen: The times of the first and the last event.

        total: How many events there are.

        skipped: What was passed over.
    """

    def __init__(
        self, zone: dt.tzinfo, bounds: Bounds, skipped: Counter[str]
    ) -> None:
        self._units = iter(UNITS.values())
        self.clock = Clock(next(self._units), zone)
        self.span = asked(bounds)
        self.seen = asked((None, None))
        self.times, self.grid, self.actors = Tally(), Tally(), Tally()
        self.total = 0
        self.skipped = skipped
        self._zone = zone
        self._coarsen()

    def look(self, events: Iterable[AuditEvent]) -> None:
        """
        Count *events*.
        """
        weekday, hour = (
            cycle.at(self._zone).key
            for cycle in (CYCLES["weekday"], CYCLES["hour_of_day"])
        )
        for event in events:
            time, how = event.occurred_at, outcome(event)
            self.times.add(self.clock.key(time), how)
            self.grid.add(weekday(time), hour(time))
            self.actors.add(actor(event), how)
            self.total += 1
            self.seen.reach(time)
            if self.span.reach(time):
                self._coarsen()

    def _coarsen(self) -> None:
        """
        Take longer units until the timeline has few enough.
        """
        while not self.span.fits(self.clock, MAX_BARS):
            longer = next(self._units, None)
            if longer is None:
                return
            finer, self.clock = self.clock, Clock(longer, self._zone)
            self.times = self.times.rekeyed(
                functools.partial(self.clock.rekey, finer)
            )

    @property
    def units(self) -> list[dt.datetime]:
        """
        All units of the timeline, by their keys.
        """
        return self.span.keys(self.clock)


def plot_activity(
    events: Generator[AuditEvent],
    *,
    tz: str | dt.tzinfo,
    title: str | None,
    top: int,
    bounds: Bounds,
    skipped: Counter[str],
    progress: bool | Progress | None,
) -> Figure:
    """
    A figure of *events*.
    """
    try:
        from ._plot import draw  # noqa: PLC0415 - matplotlib is an extra
    except ImportError as exc:
        raise MissingExtraError("plot_activity", "plot") from exc

    check_top(top)
    overview = Overview(zone_of(tz), bounds, skipped)
    with contextlib.closing(told(events, progress)) as watched_events:
        overview.look(watched_events)
    return draw(overview, title=title, top=top)

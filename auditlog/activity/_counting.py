"""
One look at each event, and the counts after it.
"""

from __future__ import annotations

import contextlib
import datetime as dt

from typing import TYPE_CHECKING, Any

from auditlog._progress import watched
from auditlog.errors import QueryError

from ._counts import NONE, OTHERS, EventCounts, ordered
from ._fields import FIELDS
from ._tally import Span, Tally
from ._units import CYCLES, UNITS, Clock, Cycle, name_of, zone_of


if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Generator, Iterable

    from auditlog._progress import Progress
    from auditlog.event import AuditEvent


# Two years of minutes.
MAX_UNITS = 1_051_200


Bounds = tuple[dt.datetime | None, dt.datetime | None]


def asked(bounds: Bounds) -> Span:
    """
    The time that was asked for, empty units at its ends included.
    """
    since, until = (time and time.astimezone(dt.UTC) for time in bounds)
    if until is not None:
        # What is still to come is not empty, nobody knows it yet.
        until = min(until - dt.datetime.resolution, dt.datetime.now(dt.UTC))
    if since and until and until < since:
        return Span(None, None)
    return Span(since, until)


class Counting:
    """
    The rules by which events are counted, checked before any is read.
    """

    def __init__(
        self, unit: str, by: str | None, zone: dt.tzinfo, top: int | None
    ) -> None:
        _check(unit, by, top)
        self.by = by
        self.top = top
        self.zone = zone
        self.clock = clock_of(unit, zone)
        self.group_of = _group_of(by, zone)
        self.unit = unit

    def count(
        self,
        events: Iterable[AuditEvent],
        bounds: Bounds,
        skipped: Counter[str],
    ) -> EventCounts:
        """
        Look at each of *events* once.
        """
        tally, span = Tally(), asked(bounds)
        for event in events:
            tally.add(self.clock.key(event.occurred_at), self.group_of(event))
            if span.reach(event.occurred_at):
                self._check_length(span)
        self._check_length(span)
        return self._counts(tally, span, skipped)

    def _check_length(self, span: Span) -> None:
        if isinstance(self.clock, Clock) and not span.fits(
            self.clock, MAX_UNITS
        ):
            raise QueryError(
                f"can't count per {self.unit} from {span.first} to "
                f"{span.last}: that is more than {MAX_UNITS:,} rows; take a "
                "longer unit, or bring 'since' and 'until' closer"
            )

    def _counts(
        self, tally: Tally, span: Span, skipped: Counter[str]
    ) -> EventCounts:
        totals = tally.totals()
        groups, names = self._groups(totals)
        keys, starts = self._axis(span)
        return EventCounts(
            unit=self.unit,
            by=self.by,
            zone=name_of(self.zone),
            columns=(self.unit, *names),
            starts=starts,
            total=sum(totals.values()),
            skipped=skipped,
            rows=tally.rows,
            groups=groups,
            keys=keys,
            label=self.clock.label,
            totals=totals,
        )

    def _groups(
        self, totals: dict[str | None, int]
    ) -> tuple[tuple[str | None, ...], list[str]]:
        if self.by is None:
            return ("events",), ["events"]
        if self.by in CYCLES:
            return CYCLES[self.by].names, list(CYCLES[self.by].names)
        groups = tuple(ordered(totals))[: self.top]
        names = [NONE if group is None else group for group in groups]
        if len(groups) < len(totals):
            names.append(OTHERS)
        return groups, names

    def _axis(self, span: Span) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        if isinstance(self.clock, Cycle):
            return self.clock.names, self.clock.names
        keys = tuple(span.keys(self.clock))
        return keys, tuple(map(self.clock.start, keys))


def count_events(
    events: Generator[AuditEvent],
    unit: str,
    *,
    by: str | None,
    tz: str | dt.tzinfo,
    top: int | None,
    bounds: Bounds,
    skipped: Counter[str],
    progress: bool | Progress | None,
) -> EventCounts:
    """
    How many of *events* there are in each *unit*.
    """
    counting = Counting(unit, by, zone_of(tz), top)
    with contextlib.closing(told(events, progress)) as watched_events:
        return counting.count(watched_events, bounds, skipped)


def told(
    events: Generator[AuditEvent], progress: bool | Progress | None
) -> Generator[AuditEvent]:
    """
    *events*, closed at the end, while *progress* is told how many there were.
    """
    with contextlib.closing(events), watched(progress, None) as tell:
        for number, event in enumerate(events, 1):
            yield event
            tell(number)


def clock_of(unit: str, zone: dt.tzinfo) -> Clock | Cycle:
    """
    What says in which *unit* a time lies.
    """
    if unit in CYCLES:
        return CYCLES[unit].at(zone)
    return Clock(UNITS[unit], zone)


def _group_of(
    by: str | None, zone: dt.tzinfo
) -> Callable[[AuditEvent], str | None]:
    if by is None:
        return lambda _: "events"
    if by in CYCLES:
        cycle = CYCLES[by].at(zone)
        return lambda event: cycle.key(event.occurred_at)
    return FIELDS[by]


def _check(unit: str, by: str | None, top: int | None) -> None:
    if unit not in UNITS and unit not in CYCLES:
        raise QueryError(
            f"'unit' must be one of {_listed([*UNITS, *CYCLES])} "
            f"(got {unit!r})"
        )
    if by is not None and by not in FIELDS and by not in CYCLES:
        raise QueryError(
            f"'by' must be one of {_listed([*FIELDS, *CYCLES])} (got {by!r})"
        )
    check_top(top)


def check_top(top: int | None) -> None:
    """
    Refuse a number of groups that can't mean anything.

    Raises:
        QueryError: If it is less than 1.
    """
    if top is not None and top < 1:
        raise QueryError(f"'top' must be at least 1 (got {top})")


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))

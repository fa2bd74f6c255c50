"""
The units that events are counted by, and how these follow each other.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import attrs

from auditlog.errors import QueryError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


MIDNIGHT = dt.time()


def _part_of_day(step: dt.timedelta, time: dt.datetime) -> dt.datetime:
    midnight = dt.datetime.combine(time, MIDNIGHT)
    return time - (time - midnight) % step


def _day(time: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(time, MIDNIGHT)


def _week(time: dt.datetime) -> dt.datetime:
    return _day(time) - dt.timedelta(days=time.weekday())


def _month(time: dt.datetime) -> dt.datetime:
    return _day(time).replace(day=1)


def _year(time: dt.datetime) -> dt.datetime:
    return _day(time).replace(day=1, month=1)


@attrs.frozen
class Unit:
    """
    A length of time on the clocks and calendars of a zone.

    Attributes:
        name: What people call it.

        step: From its beginning, this leads into the next one.

        floor: The beginning of what a time on the clock lies in.

        digits: How much of an ISO 8601 time says which one is meant.

        repeats:
            Whether it comes twice where clocks are set back. What is longer
            then lasts longer, as a day does.
    """

    name: str
    step: dt.timedelta
    floor: Callable[[dt.datetime], dt.datetime]
    digits: int
    repeats: bool = False


def _short(name: str, step: dt.timedelta, digits: int) -> Unit:
    floor = functools.partial(_part_of_day, step)
    return Unit(name, step, floor, digits, step <= dt.timedelta(hours=1))


_LADDER = (
    _short("second", dt.timedelta(seconds=1), 19),
    _short("10 seconds", dt.timedelta(seconds=10), 19),
    _short("minute", dt.timedelta(minutes=1), 16),
    _short("10 minutes", dt.timedelta(minutes=10), 16),
    _short("hour", dt.timedelta(hours=1), 16),
    _short("4 hours", dt.timedelta(hours=4), 16),
    Unit("day", dt.timedelta(days=1), _day, 10),
    Unit("week", dt.timedelta(days=7), _week, 10),
    Unit("month", dt.timedelta(days=32), _month, 7),
    Unit("year", dt.timedelta(days=367), _year, 4),
)
UNITS = {unit.name: unit for unit in _LADDER}


@attrs.frozen
class Clock:
    """
    Says in which *unit* of *zone* a time lies.

    What repeats is known by its beginning in UTC, so that both hours of a
    night in autumn are counted apart; all else by the time on the clock.
    """

    unit: Unit
    zone: dt.tzinfo

    def key(self, time: dt.datetime) -> dt.datetime:
        """
        The naive time by which the unit of the UTC *time* is known.
        """
        try:
            local = time.astimezone(self.zone)
            begin = self.unit.floor(local.replace(tzinfo=None))
            offset = local.utcoffset() if self.unit.repeats else None
            return begin - offset if offset else begin
        except OverflowError:
            # The first and the last hours that Python knows have no local
            # time everywhere.
            return self.unit.floor(time.replace(tzinfo=None))

    def start(self, key: dt.datetime) -> dt.datetime:
        """
        When the unit known by *key* begins, in the zone.
        """
        if not self.unit.repeats:
            return key.replace(tzinfo=self.zone)
        utc = key.replace(tzinfo=dt.UTC)
        try:
            return utc.astimezone(self.zone)
        except OverflowError:
            return utc

    def instant(self, key: dt.datetime) -> dt.datetime:
        """
        When the unit known by *key* begins, in UTC and naive.
        """
        if self.unit.repeats:
            return key
        try:
            utc = key.replace(tzinfo=self.zone).astimezone(dt.UTC)
        except OverflowError:
            return key
        return utc.replace(tzinfo=None)

    def after(self, key: dt.datetime) -> dt.datetime:
        """
        What the next unit is known by.
        """
        if self.unit.repeats:
            return self.key((key + self.unit.step).replace(tzinfo=dt.UTC))
        return self.unit.floor(key + self.unit.step)

    def keys(
        self, first: dt.datetime, last: dt.datetime
    ) -> Iterator[dt.datetime]:
        """
        All units from *first* to *last*, both included.
        """
        yield first
        while first < last:
            first = self.after(first)
            yield first

    def rekey(self, finer: Clock, key: dt.datetime) -> dt.datetime:
        """
        The unit in which that lies what *finer* knows by *key*.
        """
        if finer.unit.repeats:
            return self.key(key.replace(tzinfo=dt.UTC))
        return self.unit.floor(key)

    def label(self, start: dt.datetime) -> str:
        """
        As people write *start*, to the precision of the unit.
        """
        text = start.isoformat(" ")[: self.unit.digits]
        if not self.unit.repeats or self.zone is dt.UTC:
            return text
        return f"{text} {start.isoformat()[-6:]}"


WEEKDAYS = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
HOURS = tuple(f"{hour:02}" for hour in range(24))


@attrs.frozen
class Cycle:
    """
    Says which of *names* a time has in *zone*; they come round again.
    """

    name: str
    names: tuple[str, ...]
    number: Callable[[dt.datetime], int]
    zone: dt.tzinfo = dt.UTC

    def at(self, zone: dt.tzinfo) -> Cycle:
        """
        The same in *zone*.
        """
        return attrs.evolve(self, zone=zone)

    def key(self, time: dt.datetime) -> str:
        """
        The name that the UTC *time* has.
        """
        with contextlib.suppress(OverflowError):
            time = time.astimezone(self.zone)
        return self.names[self.number(time)]

    def label(self, name: str) -> str:
        """
        The name itself.
        """
        return name


def _hour(time: dt.datetime) -> int:
    return time.hour


CYCLES = {
    "weekday": Cycle("weekday", WEEKDAYS, dt.datetime.weekday),
    "hour_of_day": Cycle("hour_of_day", HOURS, _hour),
}


def zone_of(tz: str | dt.tzinfo) -> dt.tzinfo:
    """
    The time zone that *tz* is or names.

    Raises:
        QueryError: If there is none of that name.
    """
    if isinstance(tz, dt.tzinfo):
        return tz
    if tz == "UTC":
        return dt.UTC
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, TypeError, OSError) as exc:
        raise QueryError(
            f"no time zone is called {tz!r}; use a name such as "
            "'Europe/Berlin' or 'UTC' (where the system has none, "
            "pip install tzdata brings them)"
        ) from exc


def name_of(zone: dt.tzinfo) -> str:
    """
    What people call *zone*.
    """
    return getattr(zone, "key", None) or str(zone)

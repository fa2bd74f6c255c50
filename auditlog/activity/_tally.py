"""
Counts events by two things at once, in bounded memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.errors import QueryError


if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ._units import Clock


# About 100 MB.
MAX_CELLS = 1_000_000


class Tally:
    """
    How many events there are for each key and group.

    Memory grows with the number of different cells, not of events.
    """

    def __init__(self) -> None:
        self.rows: dict[Any, dict[Any, int]] = {}
        self._cells = 0

    def add(self, key: Any, group: Any, count: int = 1) -> None:
        """
        Count *count* events more.

        Raises:
            QueryError: If there are too many different keys and groups.
        """
        row = self.rows.setdefault(key, {})
        if group in row:
            row[group] += count
            return
        row[group] = count
        self._cells += 1
        if self._cells > MAX_CELLS:
            raise QueryError(
                f"can't count more than {MAX_CELLS:,} different things; "
                "take a longer unit, leave 'by' out, or read fewer events"
            )

    def rekeyed(self, key_of: Callable[[Any], Any]) -> Tally:
        """
        The same events under other keys.
        """
        made = Tally()
        for key, row in self.rows.items():
            for group, count in row.items():
                made.add(key_of(key), group, count)
        return made

    def totals(self) -> dict[Any, int]:
        """
        How many events each group has.
        """
        found: dict[Any, int] = {}
        for row in self.rows.values():
            for group, count in row.items():
                found[group] = found.get(group, 0) + count
        return found


class Span:
    """
    From when to when units are counted, empty ones included.
    """

    def __init__(self, since: datetime | None, until: datetime | None) -> None:
        bounds = [each for each in (since, until) if each is not None]
        self.first = min(bounds, default=None)
        self.last = max(bounds, default=None)

    def reach(self, time: datetime) -> bool:
        """
        Include *time*; tell whether that made it longer.
        """
        if self.first is None or self.last is None:
            self.first = self.last = time
        elif time < self.first:
            self.first = time
        elif time > self.last:
            self.last = time
        else:
            return False
        return True

    def fits(self, clock: Clock, limit: int) -> bool:
        """
        Whether it takes no more than about *limit* units.
        """
        if self.first is None or self.last is None:
            return True
        return (self.last - self.first) / clock.unit.step < limit

    def keys(self, clock: Clock) -> list[datetime]:
        """
        All units in it.
        """
        if self.first is None or self.last is None:
            return []
        return [*clock.keys(clock.key(self.first), clock.key(self.last))]

"""
How many events there are, by who did what, when, and how it ended.
"""

from __future__ import annotations

import json

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from auditlog.activity import _fields

from .line import clipped, columns, padded


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from auditlog.abc import Record
    from auditlog.event import AuditEvent


_BAR = 30

# In their order; the others come by their counts.
TIMES: dict[str, Callable[[AuditEvent], str]] = {
    "hour": lambda event: f"{event.occurred_at:%Y-%m-%d %H:00}",
    "day": lambda event: f"{event.occurred_at:%Y-%m-%d}",
    "month": lambda event: f"{event.occurred_at:%Y-%m}",
}

FIELDS: dict[str, Callable[[AuditEvent], str | None]] = {
    **_fields.FIELDS,
    "code": lambda event: event.code,
    **TIMES,
}

OVERVIEW = ("outcome", "event_type", "actor")


@attrs.define
class Stats:
    """
    Counts.

    Attributes:
        by: What is told apart.

        events: How many there are.

        first: When the earliest occurred.

        last: When the latest did.

        groups: How many there are of each value, for each of *by*.
    """

    by: tuple[str, ...]
    events: int = 0
    first: datetime | None = None
    last: datetime | None = None
    groups: dict[str, Counter[str]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.groups = {name: Counter() for name in self.by}

    def count(self, events: Iterable[Record]) -> None:
        """
        Count *events*, each once.

        In memory that depends on the number of groups, not of events.
        """
        counted = [(FIELDS[name], self.groups[name]) for name in self.by]
        for record in events:
            event = record.event
            at = event.occurred_at
            self.events += 1
            self.first = min(self.first or at, at)
            self.last = max(self.last or at, at)
            for value_of, groups in counted:
                groups[value_of(event) or ""] += 1

    def rows(self, name: str, top: int) -> Iterator[tuple[str, int]]:
        """
        The groups of *name*: times in their order, others the largest first.
        """
        groups = self.groups[name]
        if name in TIMES:
            yield from sorted(groups.items())
            return
        # Ties by name, so that equal events give equal output.
        ranked = sorted(groups.items(), key=lambda row: (-row[1], row[0]))
        yield from ranked[:top]

    def others(self, name: str, top: int) -> tuple[int, int]:
        """
        How many groups were left out, and how many events they have.
        """
        if name in TIMES:
            return 0, 0
        shown = [*self.rows(name, top)]
        return (
            len(self.groups[name]) - len(shown),
            self.events - sum(count for _, count in shown),
        )


def as_json(stats: Stats, top: int) -> str:
    """
    The counts as one object.
    """
    by = {
        name: {
            "groups": [
                {"value": value or None, "events": count}
                for value, count in stats.rows(name, top)
            ],
            "others": dict(
                zip(("groups", "events"), stats.others(name, top), strict=True)
            ),
        }
        for name in stats.by
    }
    whole = {
        "events": stats.events,
        "first": stats.first and _time(stats.first),
        "last": stats.last and _time(stats.last),
        "by": by,
    }
    return json.dumps(whole, indent=2)


def as_text(stats: Stats, top: int, *, bar: str) -> Iterator[str]:
    """
    The counts in lines for a person.

    Args:
        bar: The character that bars are made of.
    """
    if stats.first is None or stats.last is None:
        yield "No events."
        return
    first, last = f"{stats.first:%F %T}Z", f"{stats.last:%F %T}Z"
    yield f"{stats.events:,} events from {first} to {last}"
    for name in stats.by:
        yield ""
        yield from _table(stats, name, top, bar)


def _table(stats: Stats, name: str, top: int, bar: str) -> Iterator[str]:
    rows = [
        (clipped(value) or "(none)", count)
        for value, count in stats.rows(name, top)
    ]
    more, count = stats.others(name, top)
    if more:
        rows.append((f"({more:,} others)", count))
    width = max(columns(name), *(columns(value) for value, _ in rows))
    digits = max(len("events"), *(len(f"{count:,}") for _, count in rows))
    longest = max(count for _, count in rows)
    yield f"{padded(name, width)}  {'events':>{digits}}"
    for value, count in rows:
        length = round(_BAR * count / longest) or 1
        share = count / stats.events
        yield (
            f"{padded(value, width)}  {count:>{digits},}  {share:>6.1%}  "
            f"{bar * length}"
        )


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

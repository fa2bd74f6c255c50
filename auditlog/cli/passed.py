"""
What a command passed over because it is no audit event.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from auditlog.abc import Record, Skipped
from auditlog.errors import DecodingError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class PassedOver:
    """
    Counts by reason, and remembers where the first of each was.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._firsts: dict[str, str] = {}

    def events(self, found: Iterable[Record | Skipped]) -> Iterator[Record]:
        """
        Those of *found* that are audit events; the others are counted.
        """
        for each in found:
            if isinstance(each, Skipped):
                self._note(each.reason, each.place)
                continue
            try:
                _ = each.event
            except DecodingError as exc:
                place = each.origin or each.index or each.event_id
                self._note(str(exc), str(place))
            else:
                yield each

    def _note(self, reason: str, place: str) -> None:
        self._counts[reason] += 1
        self._firsts.setdefault(reason, place)

    def summary(self) -> Iterator[str]:
        """
        A line for each reason.
        """
        for reason, count in self._counts.most_common(10):
            first = self._firsts[reason]
            yield f"{count:,} passed over: {reason}, first at {first}"

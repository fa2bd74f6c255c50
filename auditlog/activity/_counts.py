"""
What counting gives: a small table of numbers.
"""

from __future__ import annotations

import html

from typing import TYPE_CHECKING, Any

import attrs

from auditlog.errors import MissingPackageError

from ._shown import aligned, shown


if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    import pandas as pd


OTHERS = "(others)"
NONE = "(none)"

TEXT_ROWS = 24
TEXT_GROUPS = 6
HTML_ROWS = 50
HTML_GROUPS = 12


@attrs.frozen(kw_only=True, repr=False, eq=False)
class EventCounts:
    """
    How many events there were in each unit of time; what
    :meth:`auditlog.abc.Events.events_per` returns.

    Iterating gives one tuple for each unit, empty ones too, as wide as
    *columns*: its beginning and the counts. So ``dict(counts)`` is each
    unit's count, if no *by* was given. ``print()`` and a notebook show the
    table, cut where it is too large to be read.

    Attributes:
        unit: What was counted by, such as ``hour``.

        by: What was told apart, such as ``actor``, or None.

        zone: The time zone that the units belong to.

        columns:
            Names of the columns: the unit, then the groups, largest first,
            with ``(none)`` for events that have no such field and
            ``(others)`` for what *top* left over; or ``events``.

        starts:
            When each unit begins, in *zone*; names for ``weekday`` and
            ``hour_of_day``.

        total: How many events were counted.

        skipped:
            How often something was passed over that is no audit event, for
            each reason.

    .. versionadded:: 0.1.0
    """

    unit: str
    by: str | None
    zone: str
    columns: tuple[str, ...]
    starts: tuple[Any, ...]
    total: int
    skipped: Counter[str]
    _rows: dict[Any, dict[str | None, int]]
    _groups: tuple[str | None, ...]
    _keys: tuple[Any, ...]
    _label: Callable[[Any], str]
    _totals: dict[str | None, int]

    def __len__(self) -> int:
        """
        The number of units.
        """
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for start, key in zip(self.starts, self._keys, strict=True):
            yield (start, *self._counts(key, len(self._groups)))

    def totals(self) -> dict[str, int]:
        """
        How many events each group has, by the names of the columns.
        """
        counts = [self._totals.get(group, 0) for group in self._groups]
        if len(self.columns) > 1 + len(counts):
            counts.append(self.total - sum(counts))
        return dict(zip(self.columns[1:], counts, strict=True))

    def to_pandas(self) -> pd.DataFrame:
        """
        The table as a data frame: units as its index, a column a group.

        Beginnings are timestamps with the time zone.

        Raises:
            MissingPackageError: If pandas isn't installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - few need it
        except ImportError as exc:
            raise MissingPackageError(
                "EventCounts.to_pandas()", "pandas"
            ) from exc

        return pd.DataFrame(
            [counts for _, *counts in self],
            index=self._index(pd),
            columns=list(self.columns[1:]),
            dtype="int64",
        )

    def _index(self, pd: Any) -> Any:
        if self._is_cyclic:
            return pd.Index(self.starts, name=self.unit)
        zone = self.starts[0].tzinfo if self.starts else self.zone
        return pd.DatetimeIndex(
            pd.Series(self.starts, dtype=pd.DatetimeTZDtype("us", zone)),
            name=self.unit,
        )

    @property
    def _is_cyclic(self) -> bool:
        return self.unit in {"weekday", "hour_of_day"}

    def _counts(self, key: Any, width: int) -> list[int]:
        """
        The counts of a unit; what *width* has no room for comes last.
        """
        row = self._rows.get(key, {})
        counts = [row.get(group, 0) for group in self._groups[:width]]
        if len(self.columns) > 1 + len(counts):
            counts.append(sum(row.values()) - sum(counts))
        return counts

    def __repr__(self) -> str:
        return f"<EventCounts {self._summary()}>"

    def _summary(self) -> str:
        by = f" by {self.by}" if self.by else ""
        skipped = self.skipped.total()
        return (
            f"{self.total:,} event{'' if self.total == 1 else 's'} "
            f"per {self.unit.replace('_', ' ')}{by} "
            f"({self.zone}), {len(self):,} rows"
            f"{f', {skipped:,} skipped' if skipped else ''}"
        )

    def __str__(self) -> str:
        head = self._head(TEXT_GROUPS, 20)
        rows = [head, *self._cells(TEXT_ROWS, TEXT_GROUPS)]
        return f"{self._summary()}\n{aligned(rows)}"

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th><bdi>{html.escape(name)}</bdi></th>"
            for name in self._head(HTML_GROUPS, 40)
        )
        rows = "".join(
            f"<tr><th>{first}</th>{''.join(f'<td>{n}</td>' for n in rest)}"
            "</tr>"
            for first, *rest in self._cells(HTML_ROWS, HTML_GROUPS)
        )
        return (
            f"<table><caption>{html.escape(self._summary())}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _head(self, width: int, length: int) -> list[str]:
        names = list(self.columns)
        if len(self._groups) > width:
            names = [*names[: 1 + width], OTHERS]
        return [shown(name, length) for name in names]

    def _cells(self, height: int, width: int) -> Iterator[list[str]]:
        size = len(self)
        front, back = (size, size) if size <= height else (height // 2,) * 2
        rows = zip(self.starts, self._keys, strict=True)
        for number, (start, key) in enumerate(rows):
            if front <= number < size - back:
                continue
            counts = [f"{n:,}" for n in self._counts(key, width)]
            if number == size - back and front < size:
                yield ["…"] * (1 + len(counts))
            yield [self._label(start), *counts]


def ordered(totals: dict[str | None, int]) -> list[str | None]:
    """
    The groups, largest first.
    """
    return sorted(totals, key=lambda group: (-totals[group], group or ""))

"""
Where in a topic a read begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from auditlog.errors import QueryError
from auditlog.query import EventQuery


if TYPE_CHECKING:
    from .driver import Consumer

    Start: TypeAlias = (
        "Literal['beginning'] | datetime | int | Mapping[int, int] "
        "| ConsumerGroup"
    )


@attrs.frozen
class ConsumerGroup:
    """
    As a start: where a consumer group stands.

    Its committed offsets are looked up, and nothing else: reading from there
    doesn't join it and commits nothing. A partition in which it has
    committed nothing is read from its beginning.

    Attributes:
        id: The group's id.

    .. versionadded:: 0.1.0
    """

    id: str


def checked(start: Any) -> Any:
    """
    *start*, a date as milliseconds since 1970.

    Raises:
        QueryError: If it is no start.
    """
    if isinstance(start, datetime):
        # The same rule, and message, as for a query's times.
        EventQuery(since=start)
        return milliseconds(start)
    if isinstance(start, ConsumerGroup):
        return start
    if start == "beginning" or _is_count(start):
        return start
    if isinstance(start, Mapping):
        for partition, offset in start.items():
            if not (_is_count(partition) and _is_count(offset)):
                raise QueryError(
                    "'start' must map partitions to offsets, from 0 (got "
                    f"{partition!r}: {offset!r})"
                )
        return dict(start)
    raise QueryError(
        "'start' must be 'beginning', an aware datetime, milliseconds since "
        "1970, offsets by partition or a ConsumerGroup (got "
        f"{start!r})"
    )


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def milliseconds(moment: datetime) -> int:
    """
    *moment* as Kafka counts time.
    """
    return max(int(moment.timestamp() * 1000), 0)


def at(
    consumer: Consumer,
    numbers: list[int],
    moment: int,
    ends: Mapping[int, int],
) -> dict[int, int]:
    """
    The first offsets with that timestamp or a later one.
    """
    found = consumer.at(numbers, moment)
    # None: all records are older.
    return {
        number: ends[number] if offset is None else offset
        for number, offset in found.items()
    }

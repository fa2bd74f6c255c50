"""
Records as Arrow batches, column by column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.errors import DecodingError

from ._columns import COLUMNS, EVENT_COLUMNS, LAYOUTS
from ._schema import pyarrow, schema


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from auditlog.abc import Record, Skipped

    Skip = Callable[[Record, str], object]


# Whichever comes first: events of usual size, or a few of a megabyte each.
BATCH_ROWS = 4096
BATCH_BYTES = 8 * 1024 * 1024


def record_batch(
    records: Sequence[Record], names: Sequence[str] = LAYOUTS["events"]
) -> pa.RecordBatch:
    """
    One batch with a row for each of *records*.

    Args:
        records:
            What to convert, a few megabytes at most. Where a column of
            *names* is a field of an event, all of them can be decoded.

        names: The columns, in order.

    Raises:
        MissingExtraError: If pyarrow isn't installed.

        DecodingError: If an event is needed and a body holds none.
    """
    pa = pyarrow("an Arrow table")
    fields = schema(names)
    parts = _parts(records, names)
    arrays = [
        _array(pa, name, parts, field.type)
        for name, field in zip(names, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=fields)


def record_batches(
    records: Iterable[Record],
    names: Sequence[str] = LAYOUTS["events"],
    *,
    skip: Skip,
    rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """
    Batches of bounded size; none where there are no records.

    Args:
        records: What to convert.

        names: The columns, in order.

        skip:
            Is told each record that holds no audit event, and why; it isn't
            in the batches.

        rows: How many a batch has at most.

    Raises:
        MissingExtraError: If pyarrow isn't installed.
    """
    for chunk in chunks(records, rows):
        if needs_events(names):
            readable = [record for record in chunk if can_read(record, skip)]
        else:
            readable = chunk
        if readable:
            yield record_batch(readable, names)


def chunks(records: Iterable[Record], rows: int) -> Iterator[list[Record]]:
    """
    Lists of *records*, bounded in number and in bytes.
    """
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += len(record.body)
        if len(chunk) >= rows or size >= BATCH_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def reason_of(item: Record | Skipped) -> str | None:
    """
    Why *item* was passed over; None for a record.
    """
    reason: str | None = getattr(item, "reason", None)
    return reason


def needs_events(names: Sequence[str]) -> bool:
    """
    Whether bodies have to be decoded for the columns *names*.
    """
    return not EVENT_COLUMNS.keys().isdisjoint(names)


def can_read(record: Record, skip: Skip) -> bool:
    """
    Whether *record* holds an event; *skip* is told if it doesn't.
    """
    try:
        _ = record.event
    except DecodingError as exc:
        skip(record, str(exc))
        return False
    return True


def _parts(
    records: Sequence[Record], names: Sequence[str]
) -> dict[str, Sequence[Any]]:
    parts: dict[str, Sequence[Any]] = {
        "record": records,
        "origin": [record.origin for record in records],
    }
    if needs_events(names):
        events = [record.event for record in records]
        parts["event"] = events
        parts["actor"] = [event.actor for event in events]
        parts["resource"] = [event.resource for event in events]
        parts["request"] = [event.request for event in events]
    return parts


def _array(
    pa: Any, name: str, parts: dict[str, Sequence[Any]], kind: Any
) -> Any:
    column = COLUMNS[name]
    return pa.array(column.fill(parts[column.of]), type=kind)

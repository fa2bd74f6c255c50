"""
Sends dead letters once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from auditlog.errors import EventRefusedError, PartialWriteError


if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from auditlog.abc import DeadLetter, DeadLetterOffice, Record, Sink


_PAGE = 100


@attrs.frozen
class Redriven:
    """
    What became of dead letters.

    Attributes:
        delivered: How many the sink took.

        refused: How many it refused again.

    .. versionadded:: 0.1.0
    """

    delivered: int
    refused: int


def redrive(
    journal: DeadLetterOffice,
    sink: Sink,
    /,
    *,
    relay: str,
    indexes: Collection[int] | None = None,
) -> Redriven:
    """
    Send the dead letters of a relay to its sink again, in their order.

    One that the sink takes is kept in the journal, as delivered. One that it
    refuses again stays, with the new reason and one attempt more. They come
    long after the placeholder that took their place, and with their old
    index, unless that counts in one journal only, as that of a `SpoolSink`.

    Args:
        journal: Where they are kept.

        sink: Where they go; nobody else may use that object meanwhile.

        relay: The relay's name.

        indexes: Only those; all by default.

    Raises:
        SinkError:
            If the sink, or the journal, can't be used. What was delivered
            until then is noted; the last one may come twice.

    .. versionadded:: 0.1.0
    """
    write = getattr(sink, "write_again", sink.write)
    is_local = getattr(journal, "has_local_index", False)
    delivered = refused = 0
    for letter in _undelivered(journal, relay):
        index = letter.record.index
        assert index is not None
        if indexes is not None and index not in indexes:
            continue
        record = letter.record
        if is_local:
            record = attrs.evolve(record, index=None)
        reason = _try(write, record)
        if reason is None:
            journal.redriven(relay, index)
            delivered += 1
        else:
            journal.refused_again(relay, index, reason)
            refused += 1
    return Redriven(delivered, refused)


def _undelivered(
    journal: DeadLetterOffice, relay: str
) -> Iterator[DeadLetter]:
    after = 0
    while page := journal.dead_letters(relay, after=after, limit=_PAGE):
        yield from page
        after = page[-1].record.index or 0


def _try(
    write: Callable[[Sequence[Record]], None], record: Record
) -> str | None:
    """
    Why *record* is refused, or None if it is stored.
    """
    try:
        write([record])
    except EventRefusedError as exc:
        return str(exc)
    except PartialWriteError as exc:
        if record.event_id in exc.stored:
            return None
        if record.event_id not in exc.failed:
            raise
        return str(exc.failed[record.event_id])
    return None

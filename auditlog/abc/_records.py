"""
What moves through this library.
"""

from __future__ import annotations

import functools

from typing import TYPE_CHECKING

import attrs

from auditlog import codec


if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from auditlog.event import AuditEvent


@attrs.frozen(kw_only=True)
class Origin:
    """
    Where in a Kafka topic a record was found.

    Attributes:
        topic: Name of the topic.

        partition: Number of the partition.

        offset: Offset in the partition.

        timestamp: The record's timestamp, UTC, or None if it has none.

        key: The record's key as it is.

        headers: Names and values, in order; a name may come twice.

    .. versionadded:: 0.1.0
    """

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None = None
    key: bytes | None = attrs.field(default=None, repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = attrs.field(
        default=(), repr=False
    )

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@attrs.frozen(kw_only=True, eq=False)
class Record:
    """
    One event as it moves and as it is read.

    The bytes are the truth: sinks store them, and hand them on, as they are.
    In a record of a publisher they are made when they are first asked for, so
    that a sink can send some records while the next are made: as *body* it
    is given a :class:`functools.partial` of a codec's ``encode`` and the
    event.

    Attributes:
        event_id: Same over retries, sinks and replays.

        body: The event's one serialized form, see :mod:`auditlog.codec`.

        index: Place in the journal's gapless order, from 1, if it has one.

        recorded_at: When it was stored, UTC, by the clock of the store.

        origin: Where in a Kafka topic it was found.

        event:
            The event in *body*, decoded on first use if it has to be, which
            may raise `DecodingError`.

    .. versionadded:: 0.1.0
    """

    event_id: UUID
    _body: bytes | functools.partial[bytes] = attrs.field(repr=False)
    index: int | None = None
    recorded_at: datetime | None = None
    origin: Origin | None = None
    _event: AuditEvent | None = attrs.field(
        default=None, init=False, repr=False
    )

    @property
    def body(self) -> bytes:
        """
        The event's one serialized form.
        """
        made = self._body
        if not isinstance(made, functools.partial):
            return made
        body = made()
        if b'"truncated":' not in body:  # then all of the event is in it
            object.__setattr__(self, "_event", made.args[0])
        object.__setattr__(self, "_body", body)
        return body

    @property
    def event(self) -> AuditEvent:
        """
        The event in the body.

        Raises:
            DecodingError: If the body isn't an audit event.
        """
        body, event = self.body, self._event
        if event is None:
            event = codec.decode(body)
            object.__setattr__(self, "_event", event)
        return event

    @property
    def is_decoded(self) -> bool:
        """
        Whether the event is at hand.
        """
        return self._event is not None

    def _all(self) -> tuple[object, ...]:
        return (
            self.event_id,
            self.body,
            self.index,
            self.recorded_at,
            self.origin,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _record, self._all()


def _record(
    event_id: UUID,
    body: bytes,
    index: int | None,
    recorded_at: datetime | None,
    origin: Origin | None,
) -> Record:
    return Record(
        event_id=event_id,
        body=body,
        index=index,
        recorded_at=recorded_at,
        origin=origin,
    )


@attrs.frozen(kw_only=True)
class DeadLetter:
    """
    An event that a relay's sink will never take, kept with the reason.

    Attributes:
        record: The event's original bytes, id and index.

        reason: What the sink said; never content of the event.

        attempts: How often it was tried alone.

        at: When it was tried last, UTC, by the clock of the journal.

    .. versionadded:: 0.1.0
    """

    record: Record
    reason: str
    attempts: int = 1
    at: datetime | None = None


@attrs.frozen(kw_only=True)
class Skipped:
    """
    Something in a source that is not an audit event.

    Attributes:
        place: Where it stands: topic, partition and offset, or file and line.

        reason: Why it was passed over, in a few fixed words to count by.

        origin: The same place as data, if the source is a topic.

    .. versionadded:: 0.1.0
    """

    place: str
    reason: str
    origin: Origin | None = None

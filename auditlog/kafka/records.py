"""
How an audit event lies in a Kafka record: key, headers, placeholder.
"""

from __future__ import annotations

import functools
import hashlib

from datetime import UTC, datetime
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    cast,
)
from uuid import UUID, uuid5

import msgspec

from auditlog import codec
from auditlog._pages import Page
from auditlog.abc import Origin, Record, Skipped
from auditlog.errors import DecodingError
from auditlog.event import AuditEvent, Outcome, Resource


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from auditlog.abc import DeadLetter

    Key = Literal["resource", "event_id", "actor", "tenant"]
    KeyOf = Callable[[Record], bytes | None]


CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
INDEX = "audit-index"
PLACEHOLDER = "audit-placeholder"
REDRIVE = "audit-redrive"

# A placeholder goes to the partition of the event that it stands for, unless
# it was the key that made that event too large.
_LONGEST_KEY = 1024
_LONGEST_REASON = 500

# Digits of a 64-bit number.
_LONGEST_NUMBER = 19


class _Actor(msgspec.Struct):
    id: str | None = None


class _Data(msgspec.Struct):
    actor: _Actor | None = None
    tenant: str | None = None


class _Envelope(msgspec.Struct):
    type: str
    source: str
    time: str


class _WithData(_Envelope):
    data: _Data = msgspec.field(default_factory=_Data)


class _Found(msgspec.Struct):
    # What every audit event has, in both dialects.
    specversion: Literal["1.0"]
    id: UUID
    type: Annotated[str, msgspec.Meta(min_length=1)]
    source: Annotated[str, msgspec.Meta(min_length=1)]
    time: Annotated[datetime, msgspec.Meta(tz=True)]


_envelope = msgspec.json.Decoder(_Envelope).decode
_with_data = msgspec.json.Decoder(_WithData).decode
_found = msgspec.json.Decoder(_Found).decode


# Writing


class Message(NamedTuple):
    """
    What a Kafka record is made of.
    """

    value: bytes
    key: bytes | None
    headers: list[tuple[str, bytes]]


class Writer:
    """
    Makes the Kafka record of an audit event.

    Args:
        key: What becomes the record's key; see :class:`KafkaSink`.
    """

    def __init__(self, key: Key | KeyOf | None) -> None:
        self._key_of: KeyOf | None = None
        self._key = key
        if callable(key):
            self._key_of = key
            self._key = None
        elif key not in {"resource", "event_id", "actor", "tenant", None}:
            raise ValueError(
                "'key' must be 'resource', 'event_id', 'actor', 'tenant', "
                f"None or callable (got {key!r})"
            )

    def message(self, record: Record) -> Message:
        """
        The event's bytes as they are, with what consumers may look at first.
        """
        envelope = self._envelope(record.body)
        event_id = str(record.event_id).encode()
        headers = [("content-type", CONTENT_TYPE), ("ce_id", event_id)]
        if envelope is not None:
            headers += [
                ("ce_type", envelope.type.encode()),
                ("ce_source", envelope.source.encode()),
                ("ce_time", envelope.time.encode()),
            ]
        if record.index is not None:
            headers.append((INDEX, b"%d" % record.index))
        return Message(
            value=record.body,
            key=self._key_bytes(record, envelope, event_id),
            headers=headers,
        )

    def again(self, record: Record) -> Message:
        """
        The same, for an event that comes long after its placeholder.
        """
        message = self.message(record)
        return message._replace(headers=[*message.headers, (REDRIVE, b"1")])

    def placeholder(self, letter: DeadLetter) -> Message:
        """
        What takes the place of a dead letter: an audit event of its own.

        It is the same at every attempt, so that a consumer that keeps ids
        sees it once.
        """
        note = _note(letter)
        lost = self.message(letter.record)
        message = self.message(
            Record(
                event_id=note.event_id,
                body=codec.encode(note),
                index=letter.record.index,
            )
        )
        return message._replace(
            key=lost.key if len(lost.key or b"") <= _LONGEST_KEY else None,
            headers=[*message.headers, (PLACEHOLDER, b"1")],
        )

    def _envelope(self, body: bytes) -> _Envelope | None:
        decode = _with_data if self._key in {"actor", "tenant"} else _envelope
        try:
            return decode(body)
        except msgspec.DecodeError:
            # A body that the codec can't read either is stored all the same.
            return None

    def _key_bytes(
        self, record: Record, envelope: _Envelope | None, event_id: bytes
    ) -> bytes | None:
        if self._key_of is not None:
            return self._key_of(record)
        if self._key == "event_id":
            return event_id
        if envelope is None or self._key is None:
            return None
        if self._key == "resource":
            return envelope.source.encode()

        assert isinstance(envelope, _WithData)
        actor, tenant = envelope.data.actor, envelope.data.tenant
        text = tenant if self._key == "tenant" else actor and actor.id
        return text.encode() if text else None


def _note(letter: DeadLetter) -> AuditEvent:
    record = letter.record
    return AuditEvent(
        event_type="AuditLog.Event.DeadLetter",
        resource=Resource(type="event", id=str(record.event_id)),
        outcome=Outcome.FAILURE,
        reason=letter.reason[:_LONGEST_REASON],
        event_id=uuid5(record.event_id, "auditlog placeholder"),
        occurred_at=record.recorded_at or datetime.now(UTC),
        metadata={
            "index": record.index,
            "size": len(record.body),
            "sha256": hashlib.sha256(record.body).hexdigest(),
        },
        # Not those of whoever happens to run the relay.
        actor=None,
        request=None,
        correlation_id=None,
        traceparent=None,
        tenant=None,
    )


# Reading

# The broker's clock gave the timestamp (LogAppendTime).
_APPENDED = 1


def read(message: Any) -> Record | Skipped:
    """
    The audit event in a consumed *message*, or why there is none.
    """
    stamp = _moment(message.timestamp)
    headers = tuple(message.headers)
    origin = Origin(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=stamp,
        key=message.key,
        headers=headers,
    )
    body = message.value
    if not body:
        return _skipped(origin, "no value" if body is None else "empty value")
    index = None
    for name, value in headers:
        if name == INDEX:
            index = _number(value)
        elif name == PLACEHOLDER:
            return _skipped(origin, "placeholder of a dead letter")
    event_id = _event_id(body)
    if event_id is None:
        return _skipped(origin, "not an audit event")
    return Record(
        event_id=event_id,
        body=body,
        index=index,
        # Otherwise the time is by the clock of whoever sent it.
        recorded_at=stamp if message.timestamp_type == _APPENDED else None,
        origin=origin,
    )


def pages(messages: list[Any]) -> Iterator[Page | Skipped]:
    """
    The audit events in consumed *messages*, and what is none.
    """
    start = 0
    for place, message in enumerate(messages):
        if not is_event(message):
            yield from _page(messages[start:place])
            yield cast("Skipped", read(message))
            start = place + 1
    yield from _page(messages[start:])


def _page(messages: list[Any]) -> Iterator[Page]:
    if messages:
        made = cast("Callable[[Any], Record]", read)
        yield Page([each.value for each in messages], messages, made)


def is_event(message: Any) -> bool:
    """
    Whether `read` would give a record, for less than half of its price.
    """
    return (
        bool(message.value)
        and not any(name == PLACEHOLDER for name, _ in message.headers)
        and _event_id(message.value) is not None
    )


def index_of(headers: Iterable[tuple[str, bytes | None]]) -> int | None:
    """
    The journal index that travels in *headers*.
    """
    for name, value in headers:
        if name == INDEX:
            return _number(value)
    return None


def _number(value: bytes | None) -> int | None:
    if not value or not value.isdigit() or len(value) > _LONGEST_NUMBER:
        return None
    return int(value)


def _skipped(origin: Origin, reason: str) -> Skipped:
    return Skipped(place=str(origin), reason=reason, origin=origin)


def _event_id(body: bytes) -> UUID | None:
    """
    The event's id, for a tenth of the price of asking the codec.
    """
    try:
        event_id = _found(body).id
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass
    else:
        # msgspec reads more spellings of a UUID than the codec does.
        if str(event_id).encode() in body:
            return event_id
    try:
        return codec.peek(body).event_id
    except DecodingError:
        return None


@functools.lru_cache(maxsize=64)
def _moment(milliseconds: int | None) -> datetime | None:
    if milliseconds is None or milliseconds < 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None

"""
Events to bytes: one serialized form for each dialect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from auditlog.errors import EncodingError

from . import _reading, conduktor
from ._cutting import fit
from ._members import data_members, data_members_with_tracing
from ._uri import event_uri, source, subject


if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from auditlog.event import AuditEvent


_encode = msgspec.json.Encoder().encode


class CloudEventsCodec:
    """
    CloudEvents 1.0 in JSON, structured mode: the form of every stored event.

    Reads the other dialect as well. Has no state; all objects are equal.

    .. versionadded:: 0.1.0
    """

    name = "cloudevents"

    def check(self, event: AuditEvent, /) -> None:
        """
        Do nothing: every event has a CloudEvents body.
        """

    def encode(self, event: AuditEvent, /) -> bytes:
        """
        Return the body of *event*: always the same bytes, 65,535 at most.

        A longer one is cut; see ``truncated`` in its data.

        Raises:
            EncodingError: Never for a CloudEvents body.

        .. versionadded:: 0.1.0
        """
        return fit(event, _cloudevents)

    def decode(self, body: bytes, /) -> AuditEvent:
        """
        Return the event in *body*; see :func:`auditlog.codec.decode`.

        Raises:
            DecodingError: If *body* is no audit event.
        """
        return _reading.decode(body)


class ConduktorCodec:
    """
    The seven envelope members and the type names of Conduktor Console.

    The envelope has no place for *correlation_id*, *causation_id* and
    *traceparent*, so they stand in ``data``. Reads CloudEvents as well.

    .. versionadded:: 0.1.0
    """

    name = "conduktor"

    def check(self, event: AuditEvent, /) -> None:
        """
        See to it that :meth:`encode` will work, without doing it.

        Raises:
            EncodingError: As :meth:`encode`.
        """
        _spelled(event)

    def encode(self, event: AuditEvent, /) -> bytes:
        """
        Return the body of *event*: always the same bytes, 65,535 at most.

        Raises:
            EncodingError:
                If *event_type* has not exactly three parts, free of commas
                and parentheses.

        .. versionadded:: 0.1.0
        """
        return fit(event, _conduktor)

    def decode(self, body: bytes, /) -> AuditEvent:
        """
        Return the event in *body*; see :func:`auditlog.codec.decode`.

        Raises:
            DecodingError: If *body* is no audit event.
        """
        return _reading.decode(body)


class _CloudEvent(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    specversion: str
    id: uuid.UUID
    time: dt.datetime | str
    type: str
    source: str
    subject: str
    datacontenttype: str
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    data: Any


def _cloudevents(event: AuditEvent) -> bytes:
    about = subject(event.resource)
    return _encode(
        _CloudEvent(
            specversion="1.0",
            id=event.event_id,
            time=_time(event.occurred_at),
            type=event.event_type,
            source=source(event, about),
            subject=about,
            datacontenttype="application/json",
            correlationid=event.correlation_id,
            causationid=event.causation_id,
            traceparent=event.traceparent,
            data=data_members(event),
        )
    )


def _conduktor(event: AuditEvent) -> bytes:
    return _encode(
        {
            "source": event_uri(event),
            "data": data_members_with_tracing(event),
            "datacontenttype": "application/json",
            "id": event.event_id,
            "time": _time(event.occurred_at),
            "type": _spelled(event),
            "specversion": "1.0",
        }
    )


def _spelled(event: AuditEvent) -> str:
    spelled = conduktor.spelled(event.event_type)
    if spelled is None:
        raise EncodingError(
            "$.event_type",
            "the Conduktor dialect needs three parts, as Kafka.Topic.Create",
        )
    return spelled


def _time(time: dt.datetime) -> dt.datetime | str:
    # msgspec writes six digits and Z, but none at a full second.
    if time.microsecond:
        return time
    return f"{time.isoformat(timespec='microseconds')[:-6]}Z"

"""
What is converted: an event, its bytes, and where they stood.
"""

from __future__ import annotations

import hashlib

from typing import TYPE_CHECKING

import attrs

from auditlog import codec
from auditlog.abc import Record
from auditlog.event import AuditEvent


if TYPE_CHECKING:
    import datetime as dt


@attrs.frozen(kw_only=True)
class Given:
    """
    One event that is to be converted.

    Attributes:
        event: The event.

        body: The bytes that it was stored in, or would be.

        digest: Their SHA-256, in hexadecimal digits.

        index: Its place in a journal.

        recorded_at: When it was stored.
    """

    event: AuditEvent
    body: bytes
    digest: str
    index: int | None = None
    recorded_at: dt.datetime | None = None


def given(source: bytes | AuditEvent | Record) -> Given:
    """
    Make sense of *source*.

    Raises:
        DecodingError: If it is no audit event.
    """
    if isinstance(source, Record):
        return _given(
            source.event, source.body, source.index, source.recorded_at
        )
    if isinstance(source, AuditEvent):
        body = codec.encode(source)
        # A body that had to be cut holds another event.
        whole = b'"truncated":' not in body
        return _given(source if whole else codec.decode(body), body)
    return _given(codec.decode(source), bytes(source))


def _given(
    event: AuditEvent,
    body: bytes,
    index: int | None = None,
    recorded_at: dt.datetime | None = None,
) -> Given:
    return Given(
        event=event,
        body=body,
        digest=hashlib.sha256(body).hexdigest(),
        index=index,
        recorded_at=recorded_at,
    )

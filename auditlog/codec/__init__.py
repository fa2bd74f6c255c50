"""
Events to bytes and back: one body for each event, in two dialects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from auditlog.errors import ConfigError

from . import conduktor
from ._cutting import MAX_BODY_BYTES
from ._reading import Envelope, decode, members, peek
from ._schema import json_schema
from ._uri import event_uri
from ._weight import weigh
from ._writing import CloudEventsCodec, ConduktorCodec


if TYPE_CHECKING:
    from auditlog.event import AuditEvent


__all__ = [
    "MAX_BODY_BYTES",
    "CloudEventsCodec",
    "Codec",
    "ConduktorCodec",
    "Envelope",
    "codec_named",
    "conduktor",
    "decode",
    "encode",
    "event_uri",
    "json_schema",
    "members",
    "peek",
    "weigh",
]


class Codec(Protocol):
    """
    Turns an event into the one body that is stored, sent and hashed.

    Called from several threads at once. Must be a pure function of the event,
    for ever: stored bodies are compared and hashed.

    .. versionadded:: 0.1.0
    """

    @property
    def name(self) -> str:
        """
        What configurations call it.
        """

    def check(self, event: AuditEvent, /) -> None:
        """
        See to it that :meth:`encode` will work, cheaply.

        Raises:
            EncodingError: If this event has no body in this dialect.
        """

    def encode(self, event: AuditEvent, /) -> bytes:
        """
        Return the body of *event*.

        Raises:
            EncodingError: If this event has no body in this dialect.
        """

    def decode(self, body: bytes, /) -> AuditEvent:
        """
        Return the event in *body*.

        Raises:
            DecodingError: If *body* is no audit event, whatever it is.
        """


_CODECS: dict[str, Codec] = {
    codec.name: codec for codec in (CloudEventsCodec(), ConduktorCodec())
}


def codec_named(name: str) -> Codec:
    """
    Return the codec called ``"cloudevents"`` or ``"conduktor"``.

    Raises:
        ConfigError: If *name* is another.

    .. versionadded:: 0.1.0
    """
    try:
        return _CODECS[name]
    except KeyError as exc:
        known = " or ".join(repr(name) for name in _CODECS)
        mistake = f"no codec is called {name!r}; choose {known}"
        raise ConfigError([mistake]) from exc


def encode(event: AuditEvent) -> bytes:
    """
    Return the CloudEvents body of *event*.

    .. versionadded:: 0.1.0
    """
    return _CODECS["cloudevents"].encode(event)

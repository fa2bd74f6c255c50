"""
CloudEvents: the stored bytes as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from auditlog import codec
from auditlog.abc import Record
from auditlog.event import AuditEvent

from ._base import Line, Profile
from ._parts import body_of


if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._given import Given


@attrs.frozen(kw_only=True)
class CloudEvents(Profile):
    """
    The body of each event, byte for byte; nothing is read or cut.

    Raw line breaks between members, which only other programs write, become
    blanks. A body takes 65,535 bytes at most where this library wrote it.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "cloudevents"
    schema: ClassVar[str] = "1.0"

    def render(self, source: bytes | AuditEvent | Record, /) -> Line:
        """
        The body on one line.
        """
        return Line(on_one_line(_body(source)), is_cut=False)

    def _members(self, found: Given) -> Mapping[str, Any]:
        members: dict[str, Any] = body_of(found)
        return members


def _body(source: bytes | AuditEvent | Record) -> bytes:
    if isinstance(source, Record):
        return source.body
    if isinstance(source, AuditEvent):
        return codec.encode(source)
    return bytes(source)


def on_one_line(body: bytes) -> bytes:
    """
    *body* with its line breaks as blanks.
    """
    # In JSON raw line breaks stand only between tokens, where a blank means
    # the same.
    return body.replace(b"\n", b" ").replace(b"\r", b" ")

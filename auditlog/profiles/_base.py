"""
What all profiles have in common: totality, one line, its limit.
"""

from __future__ import annotations

import functools

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import attrs

from auditlog.codec._cutting import shortened
from auditlog.errors import ConfigError, DecodingError
from auditlog.event import Actor, AuditEvent, Resource

from ._given import given
from ._line import clipped, json_line
from ._parts import plain


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auditlog.abc import Record

    from ._given import Given


MIN_LINE_BYTES = 4_096

_SHORT = 64


class Line(NamedTuple):
    """
    One event as a profile writes it.

    Attributes:
        data: The line, without a line break.

        is_cut: Whether something was left out because it was too long.

    .. versionadded:: 0.1.0
    """

    data: bytes
    is_cut: bool


@attrs.frozen(kw_only=True)
class Profile:
    """
    The shape in which one kind of SIEM reads events.

    A profile is a pure function of an event and its own settings: equal
    events give equal lines, for ever within one *mapping*. It holds settings
    only, so one object may be used again, and by several threads.

    Attributes:
        name: What exporters and the command line call it.

        schema: The version of the target's schema, such as ``1.8.0``.

        mapping: The version of our mapping, raised when lines change.

        suffix: What names of such files end in.

        is_json: Whether a line is a JSON object.

        vendor: Who made the application, where the target asks.

        product: What the application is called, where the target asks.

        product_version: The application's version, where the target asks.

        max_line_bytes:
            The longest line, in bytes; at least 4,096. An event whose line
            would be longer is cut in the order in which `codec.encode()
            <auditlog.codec.encode>` cuts: long values of changes, all
            changes, the largest members of *metadata*, all metadata, texts
            to 1,024 characters and then to 64. At last only id, time, type,
            outcome, and type and id of actor and resource stay, these with
            64 and then with 16 characters. None cuts nothing.

    Raises:
        ConfigError: If a setting can't work.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str]
    schema: ClassVar[str]
    mapping: ClassVar[int] = 1
    suffix: ClassVar[str] = ".jsonl"
    is_json: ClassVar[bool] = True

    vendor: str = "auditlog"
    product: str = "auditlog"
    product_version: str = "1"
    max_line_bytes: int | None = None

    def __attrs_post_init__(self) -> None:
        if mistakes := list(self._mistakes()):
            raise ConfigError(mistakes)

    def __str__(self) -> str:
        """
        Name and version of the schema, as in ``ocsf@1.8.0``.
        """
        return f"{self.name}@{self.schema}"

    def convert(
        self, source: bytes | AuditEvent | Record, /
    ) -> dict[str, Any] | None:
        """
        The members that the target reads, before anything is cut.

        Never raises: what is no audit event gives None.

        Args:
            source: An event, a record, or the bytes of a body.
        """
        try:
            found = given(source)
        except DecodingError:
            return None
        members: dict[str, Any] = plain(self._members(found))
        return members

    def line(self, source: bytes | AuditEvent | Record, /) -> bytes | None:
        """
        One line as the target reads it, without its line break.

        Never raises: what is no audit event gives None.

        Args:
            source: An event, a record, or the bytes of a body.
        """
        try:
            return self.render(source).data
        except DecodingError:
            return None

    def render(self, source: bytes | AuditEvent | Record, /) -> Line:
        """
        As `line()`, for exporters: they count what is cut or passed over.

        Raises:
            DecodingError: If *source* is no audit event.
        """
        found = given(source)
        data, is_cut = self._written(found)
        limit = self.max_line_bytes
        if limit is None or len(data) <= limit:
            return Line(data, is_cut)
        return Line(self._shortened(found, len(data), limit), is_cut=True)

    def _written(self, found: Given) -> tuple[bytes, bool]:
        members = self._members(found)
        fitting = self._fitting(members)
        return self._encode(fitting), fitting is not members

    def _shortened(self, found: Given, length: int, limit: int) -> bytes:
        def write(event: AuditEvent) -> bytes:
            # Of the body only its hash stays.
            short = attrs.evolve(found, event=_briefly(event), body=b"")
            return self._written(short)[0]

        mark = found.event.truncated
        whole = (
            (len(found.body), found.digest)
            if mark is None
            else (mark.original_size, mark.sha256)
        )
        return shortened(found.event, write, limit, length, whole, last=_LAST)

    def _members(self, found: Given) -> Mapping[str, Any]:
        """
        What the target reads of an event.
        """
        raise NotImplementedError

    def _fitting(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """
        The same *members*, or others where the target limits single values.
        """
        return members

    def _encode(self, members: Mapping[str, Any]) -> bytes:
        """
        One line of *members*.
        """
        return json_line(members)

    def _mistakes(self) -> Iterator[str]:
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            if field.type == "str" and not _is_short(value):
                yield (
                    f"{field.name!r} must be a text of 1 to {_SHORT} "
                    f"characters (got {value!r:.80})"
                )
        limit = self.max_line_bytes
        if limit is not None and (
            type(limit) is not int or limit < MIN_LINE_BYTES
        ):
            yield (
                f"'max_line_bytes' must be None or at least {MIN_LINE_BYTES} "
                f"(got {limit!r})"
            )


def _is_short(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _SHORT


def _briefly(event: AuditEvent) -> AuditEvent:
    # The names of what was cut can be long themselves.
    cut = event.truncated
    if cut is None:
        return event
    names = dict.fromkeys(name.partition(".")[0] for name in cut.fields)
    return attrs.evolve(event, truncated=attrs.evolve(cut, fields=names))


def _barely(
    length: int, event: AuditEvent, _: int
) -> tuple[AuditEvent, list[str]]:
    bare = AuditEvent(
        event_type=clipped(event.event_type, length),
        actor=_bare_actor(event.actor, length),
        resource=Resource(
            type=clipped(event.resource.type, length),
            id=clipped(event.resource.id, length),
        ),
        outcome=event.outcome,
        request=None,
        tenant=None,
        correlation_id=None,
        traceparent=None,
        occurred_at=event.occurred_at,
        event_id=event.event_id,
    )
    return bare, ["eventType", "actor", "resource", "request", "reason"]


def _bare_actor(actor: Actor | None, length: int) -> Actor | None:
    if actor is None:
        return None
    return Actor(
        id=clipped(actor.id, length), type=clipped(actor.type, length)
    )


# Twice, for an escape may take six bytes and a line name a thing four times.
_LAST = (functools.partial(_barely, 64), functools.partial(_barely, 16))

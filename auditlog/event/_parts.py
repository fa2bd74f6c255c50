"""
What an event is made of: actors, resources, requests and changes.
"""

from __future__ import annotations

import enum

from typing import TYPE_CHECKING, Any

import attrs

from auditlog.errors import InvalidEventError

from . import _json, _text
from ._text import are_plain


if TYPE_CHECKING:
    from collections.abc import Iterable


MAX_CHAIN = 8

_set = object.__setattr__


class Outcome(enum.StrEnum):
    """
    How an attempted action ended.

    .. versionadded:: 0.1.0
    """

    SUCCESS = "success"
    """It was done."""

    FAILURE = "failure"
    """It was allowed but could not be done."""

    DENIED = "denied"
    """It was not allowed."""

    ATTEMPT = "attempt"
    """It was begun; another event may tell how it ended."""

    UNKNOWN = "unknown"
    """The record does not say; only where foreign records are read."""


class ActorType(enum.StrEnum):
    """
    The kinds of actors that this library knows; others may be written, too.

    .. versionadded:: 0.1.0
    """

    USER = "user"
    """A person."""

    SERVICE = "service"
    """Another program, by its own credentials."""

    SYSTEM = "system"
    """The application itself, such as timers, clean-ups, migrations."""

    ANONYMOUS = "anonymous"
    """Nobody who could be told."""


def settle_texts(
    part: object,
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> int:
    """
    Make the named fields of *part* plain and clean text.

    Returns:
        How many characters were replaced by U+FFFD.

    Raises:
        InvalidEventError: If one is no text, or a required one is empty.
    """
    replaced = 0
    for name in required:
        text = getattr(part, name)
        if type(text) is not str or not _text.is_clean(text):
            replaced += _settle(part, name, text)
        if not text:
            owner = type(part).__name__
            raise InvalidEventError(f"'{owner}.{name}' must not be empty")
    for name in optional:
        text = getattr(part, name)
        if text is not None and (
            type(text) is not str or not _text.is_clean(text)
        ):
            replaced += _settle(part, name, text)
    return replaced


def _settle(part: object, name: str, text: Any) -> int:
    if not isinstance(text, str):
        owner, kind = type(part).__name__, type(text).__name__
        raise InvalidEventError(f"'{owner}.{name}' must be a str (got {kind})")
    if isinstance(text, enum.Enum):
        text = text.value
    cleaned, replaced = _text.clean(str.__str__(text))
    _set(part, name, cleaned)
    return replaced


def check_part(owner: object, name: str, kind: Any) -> int:
    """
    Check that the field *name* holds ``None`` or exactly *kind*.

    Returns:
        How many characters were replaced in it.

    Raises:
        InvalidEventError: If it holds something else.
    """
    part: Any = getattr(owner, name)
    if part is None:
        return 0
    if type(part) is not kind:
        raise InvalidEventError(
            f"'{type(owner).__name__}.{name}' must be {kind.__name__} "
            f"or None (got {type(part).__name__})"
        )
    replaced: int = part.replaced
    return replaced


def _check_chain(part: Any, name: str) -> None:
    length = 1
    link = getattr(part, name)
    while link is not None:
        length += 1
        link = getattr(link, name)
    if length > MAX_CHAIN:
        raise InvalidEventError(
            f"'{type(part).__name__}.{name}' must not go on for more than "
            f"{MAX_CHAIN} links (got {length})"
        )


@attrs.frozen(kw_only=True)
class Resource:
    """
    What was acted upon.

    Attributes:
        type: Its kind, such as ``topic``; not empty.

        id: What identifies it within its kind and parent; not empty.

        name: How people call it, where that isn't the *id*.

        parent: What it belongs to, such as a topic's cluster; 8 levels.

    Raises:
        InvalidEventError: If a field is of another type, empty or too deep.

    .. versionadded:: 0.1.0
    """

    type: str
    id: str
    name: str | None = attrs.field(default=None, repr=False)
    parent: Resource | None = None
    replaced: int = attrs.field(default=0, init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        replaced = 0
        plain = are_plain(self.type, self.id, self.name)
        if not (plain and self.type and self.id):
            replaced = settle_texts(self, ("type", "id"), ("name",))
        if self.parent is not None:
            replaced += check_part(self, "parent", Resource)
            _check_chain(self, "parent")
        if replaced:
            _set(self, "replaced", replaced)


@attrs.frozen(kw_only=True)
class Actor:
    """
    Who acted.

    Attributes:
        id: What identifies the actor for ever; not empty.

        type: One of :class:`.ActorType`, or a word of your own.

        name: How people call the actor.

        email: The actor's address.

        on_behalf_of: For whom the actor acted, as in support access; 8 levels.

    Raises:
        InvalidEventError: If a field is of another type, empty or too deep.

    .. versionadded:: 0.1.0
    """

    id: str
    type: str = "user"
    name: str | None = attrs.field(default=None, repr=False)
    email: str | None = attrs.field(default=None, repr=False)
    on_behalf_of: Actor | None = None
    replaced: int = attrs.field(default=0, init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        replaced = 0
        plain = are_plain(self.id, self.type, self.name, self.email)
        if not (plain and self.id and self.type):
            replaced = settle_texts(self, ("id", "type"), ("name", "email"))
        if self.on_behalf_of is not None:
            replaced += check_part(self, "on_behalf_of", Actor)
            _check_chain(self, "on_behalf_of")
        if replaced:
            _set(self, "replaced", replaced)


@attrs.frozen(kw_only=True)
class RequestContext:
    """
    The request in which something happened.

    A client can forge everything here except *id* and *session_id*, where the
    application made them. *url* should come without its query, *session_id*
    hashed.

    Attributes:
        id: The request's id.

        source_ip: The address that the request came from.

        user_agent: What the client calls itself.

        method: The HTTP method.

        url: The address that was called.

        session_id: The session's id, hashed.

    Raises:
        InvalidEventError: If a field is no text or ``None``.

    .. versionadded:: 0.1.0
    """

    id: str | None = None
    source_ip: str | None = attrs.field(default=None, repr=False)
    user_agent: str | None = attrs.field(default=None, repr=False)
    method: str | None = None
    url: str | None = attrs.field(default=None, repr=False)
    session_id: str | None = attrs.field(default=None, repr=False)
    replaced: int = attrs.field(default=0, init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not are_plain(
            self.id,
            self.source_ip,
            self.user_agent,
            self.method,
            self.url,
            self.session_id,
        ):
            _set(self, "replaced", settle_texts(self, (), _REQUEST_TEXTS))


_REQUEST_TEXTS = (
    "id",
    "source_ip",
    "user_agent",
    "method",
    "url",
    "session_id",
)


@attrs.frozen(kw_only=True)
class Change:
    """
    One value before and after.

    Attributes:
        path: What changed, such as ``retention.ms``; not empty.

        old: The value before; any JSON value, ``None`` where there was none.

        new: The value after; likewise.

    Raises:
        InvalidEventError: If *path* is no text or empty.

        EncodingError: If *old* or *new* has no JSON form.

    .. versionadded:: 0.1.0
    """

    path: str
    old: Any = attrs.field(default=None, repr=False)
    new: Any = attrs.field(default=None, repr=False)
    replaced: int = attrs.field(default=0, init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        replaced = 0
        if not (are_plain(self.path) and self.path):
            replaced = settle_texts(self, ("path",), ())
        for name, value in (("old", self.old), ("new", self.new)):
            frozen, count = _json.freeze(value, f"$.{name}")
            replaced += count
            if frozen is not value:
                _set(self, name, frozen)
        if replaced:
            _set(self, "replaced", replaced)


def _tuple(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@attrs.frozen(kw_only=True)
class Truncation:
    """
    What was cut from an event because its body was too long.

    Attributes:
        fields: What was cut, such as ``metadata.report``.

        original_size: The length of the whole body, in bytes.

        sha256: The SHA-256 of the whole body, in hexadecimal digits.

    .. versionadded:: 0.1.0
    """

    fields: tuple[str, ...] = attrs.field(converter=_tuple)
    original_size: int
    sha256: str

"""
The event itself.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import uuid

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Required, Self, TypedDict, TypeVar

import attrs

from auditlog.context import current
from auditlog.errors import InvalidEventError

from . import _json, _payload, _text
from ._json import JSONObject
from ._parts import (
    Actor,
    Change,
    Outcome,
    RequestContext,
    Resource,
    Truncation,
    check_part,
    settle_texts,
)
from ._uuid7 import uuid7


if TYPE_CHECKING:
    from typing import Unpack


T = TypeVar("T")

MAX_TYPE_LENGTH = 255

_set = object.__setattr__
_ATTRIBUTES = ("correlation_id", "causation_id", "traceparent")
_TEXTS = ("code", "reason", "tenant", "severity", *_ATTRIBUTES)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _utc(value: dt.datetime) -> dt.datetime:
    if type(value) is dt.datetime and value.tzinfo is dt.UTC:
        return value
    if not isinstance(value, dt.datetime):
        kind = type(value).__name__
        raise InvalidEventError(
            f"'occurred_at' must be a datetime (got {kind})"
        )
    try:
        if value.utcoffset() is None:
            raise InvalidEventError(
                "'occurred_at' must be timezone-aware "
                f"(got naive {value.isoformat()}); "
                "use datetime.now(timezone.utc)"
            )
        return _plain_utc(value.astimezone(dt.UTC))
    except (OverflowError, TypeError, AttributeError) as exc:
        raise InvalidEventError("'occurred_at' has no UTC time") from exc


def _plain_utc(utc: dt.datetime) -> dt.datetime:
    # Subclasses (pendulum, pandas) compare and pickle in ways of their own.
    date = dt.date(utc.year, utc.month, utc.day)
    time = dt.time(
        utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=dt.UTC
    )
    return dt.datetime.combine(date, time)


def _outcome(value: Outcome | str) -> Outcome:
    if type(value) is Outcome:
        return value
    try:
        return Outcome(value)
    except ValueError as exc:
        known = ", ".join(repr(outcome.value) for outcome in Outcome)
        raise InvalidEventError(
            f"'outcome' must be one of {known} (got {_brief(value)})"
        ) from exc


def _brief(value: object) -> str:
    return repr(value)[:80] if isinstance(value, str) else type(value).__name__


def _changes(value: Iterable[Change]) -> tuple[Change, ...]:
    if value == ():
        return ()
    try:
        changes = tuple(value)
    except TypeError as exc:
        raise InvalidEventError(
            f"'changes' must be iterable (got {type(value).__name__})"
        ) from exc
    for index, change in enumerate(changes):
        if type(change) is not Change:
            raise InvalidEventError(
                f"'changes[{index}]' must be a Change "
                f"(got {type(change).__name__})"
            )
    return changes


def _event_id(value: uuid.UUID) -> uuid.UUID:
    if type(value) is uuid.UUID:
        return value
    if isinstance(value, uuid.UUID):
        return uuid.UUID(int=value.int)
    raise InvalidEventError(
        f"'event_id' must be a UUID (got {type(value).__name__})"
    )


def _event_type(value: str) -> str:
    if type(value) is str:
        return checked_type(value)
    if not isinstance(value, str):
        raise InvalidEventError(
            f"'event_type' must be a str (got {type(value).__name__})"
        )
    return checked_type(str.__str__(value))


@functools.lru_cache(maxsize=1024)
def checked_type(value: str) -> str:
    if not value:
        raise InvalidEventError("'event_type' must not be empty")
    if len(value) > MAX_TYPE_LENGTH:
        raise InvalidEventError(
            f"'event_type' must have at most {MAX_TYPE_LENGTH} characters "
            f"(got {len(value)})"
        )
    if re.search(r"\s", value) or _text.clean_attribute(value)[1]:
        raise InvalidEventError(
            f"'event_type' must not hold blanks or control characters "
            f"(got {value!r})"
        )
    if "" in value.split("."):
        raise InvalidEventError(
            f"'event_type' must have no empty part (got {value!r}); "
            "write it like 'Billing.Invoice.Approve'"
        )
    return value


def _metadata(value: Mapping[str, Any]) -> JSONObject:
    if type(value) is JSONObject:
        return value
    if type(value) is dict or isinstance(value, Mapping):
        frozen: JSONObject = _json.freeze(value, "$.metadata")[0]
        return frozen
    raise InvalidEventError(
        f"'metadata' must be a mapping (got {type(value).__name__})"
    )


def _count(value: int) -> int:
    if type(value) is not int or value < 0:
        raise InvalidEventError("'replaced' must be a number of characters")
    return value


@attrs.frozen(kw_only=True, repr=False)
class AuditEvent:
    """
    One thing that happened: who did what to which resource, and how it ended.

    An event cannot be changed, hashes, pickles and equals any event of equal
    fields. A wrong one cannot be built. What is left out of *actor*,
    *request*, *correlation_id*, *traceparent* and *tenant* comes from
    :func:`auditlog.context.bind`; ``None`` leaves it unset.

    Every *metadata* value and every *old* and *new* of a change is turned
    into JSON when the event is built, so that nothing can change it later:

    ==========================  ==============================================
    Given                       Becomes
    ==========================  ==============================================
    ``str``, ``int``, ``bool``  itself; subclasses become plain
    ``None``, ``float``         itself; NaN and infinity are refused
    enumerations                their value
    aware ``datetime``          ``2026-01-05T11:00:00.000000Z``
    naive ``datetime``          the same without the ``Z``
    ``date``, ``time``          ISO 8601
    ``timedelta``               ISO 8601, as ``P1DT30S``
    ``UUID``, ``Decimal``       their text
    paths, IP addresses         their text
    ``bytes``                   Base64
    mappings                    an object; keys become text
    lists, tuples, sequences    an array
    sets                        a sorted array
    attrs classes, dataclasses  an object of their fields
    ==========================  ==============================================

    Integers are exact up to 4,300 digits, and values may be nested 64 levels
    deep. In all text, NUL and lone surrogates become U+FFFD.

    Attributes:
        event_type:
            What was done, in dotted parts like ``Kafka.Topic.Create``; at
            most 255 characters without blanks.

        actor: Who did it.

        resource: What it was done to.

        outcome: How it ended.

        code: A short word why, where it did not succeed.

        reason: A sentence why.

        changes: Values before and after.

        request: The request in which it happened.

        tenant: The customer or organisation it belongs to.

        severity: How grave it is, in words of your own.

        correlation_id: Ties the events of one request or job together.

        causation_id: What caused this event, such as another event's id.

        traceparent: The W3C trace context.

        metadata: All else, as JSON.

        truncated: Set by the codec where a body had to be cut.

        replaced: How many characters became U+FFFD.

        occurred_at:
            When it happened: aware, kept in UTC to the microsecond. The
            application's clock says so, not the sink's.

        event_id: A version 7 UUID, the same over retries, sinks and replays.

    Raises:
        InvalidEventError: If a field is of another type or a wrong value.

        EncodingError: If a value in *metadata* has no JSON form.

    .. versionadded:: 0.1.0
    """

    event_type: str = attrs.field(converter=_event_type)
    actor: Actor | None = attrs.field(factory=lambda: current().actor)
    resource: Resource
    outcome: Outcome = attrs.field(default=Outcome.SUCCESS, converter=_outcome)
    code: str | None = None
    reason: str | None = None
    changes: tuple[Change, ...] = attrs.field(default=(), converter=_changes)
    request: RequestContext | None = attrs.field(
        factory=lambda: current().request
    )
    tenant: str | None = attrs.field(factory=lambda: current().tenant)
    severity: str | None = None
    correlation_id: str | None = attrs.field(
        factory=lambda: current().correlation_id
    )
    causation_id: str | None = None
    traceparent: str | None = attrs.field(
        factory=lambda: current().traceparent
    )
    metadata: JSONObject = attrs.field(
        default=_json.EMPTY_OBJECT, converter=_metadata
    )
    truncated: Truncation | None = None
    replaced: int = attrs.field(default=0, converter=_count)
    occurred_at: dt.datetime = attrs.field(factory=_now, converter=_utc)
    event_id: uuid.UUID = attrs.field(factory=uuid7, converter=_event_id)

    def __attrs_post_init__(self) -> None:
        if type(self.resource) is not Resource:
            kind = type(self.resource).__name__
            raise InvalidEventError(
                f"'resource' must be a Resource (got {kind})"
            )
        if (
            self.truncated is not None
            and type(self.truncated) is not Truncation
        ):
            raise InvalidEventError("'truncated' must be a Truncation")
        replaced = (
            self._settle_texts()
            + self.resource.replaced
            + check_part(self, "actor", Actor)
            + check_part(self, "request", RequestContext)
            + self.metadata.replaced
        )
        for change in self.changes:
            replaced += change.replaced
        # A copy brings along its number, and its parts their own again.
        if replaced > self.replaced:
            _set(self, "replaced", replaced)

    def _settle_texts(self) -> int:
        if _text.are_attributes(
            self.correlation_id, self.causation_id, self.traceparent
        ) and _text.are_plain(
            self.code, self.reason, self.tenant, self.severity
        ):
            return 0
        replaced = settle_texts(self, (), _TEXTS)
        for name in _ATTRIBUTES:
            text = getattr(self, name)
            if text is not None and not (text and text.isprintable()):
                cleaned, count = _text.clean_attribute(text)
                _set(self, name, cleaned or None)
                replaced += count
        return replaced

    def __repr__(self) -> str:
        resource = f"{self.resource.type}/{self.resource.id}"
        return (
            f"<AuditEvent {self.event_type} {self.outcome} "
            f"{resource[:120]!r} {self.event_id}>"
        )

    @classmethod
    def of(cls, payload: object, /, **fields: Unpack[EventFields]) -> Self:
        """
        Build an event from an object of a class marked by ``@event_type``.

        Args:
            payload: Gives *event_type* and *metadata*.

            **fields: All other fields.

        Raises:
            InvalidEventError:
                If *payload*'s class has no ``@event_type``, or as for the
                constructor.

        .. versionadded:: 0.1.0
        """
        name, metadata = _payload.unstructure(payload)
        return cls(event_type=name, metadata=metadata, **fields)

    @property
    def payload(self) -> Any:
        """
        *metadata* as an object of the class declared for *event_type*.

        Where no class is declared, or *metadata* does not fit it, this is
        *metadata* itself: an event can always be read.
        """
        return _payload.structure(self.event_type, self.metadata)

    def payload_as(self, kind: type[T], /) -> T:
        """
        Return *metadata* as an object of *kind*.

        Raises:
            InvalidEventError: If it does not fit.

        .. versionadded:: 0.1.0
        """
        return _payload.structure_as(kind, self.metadata)


class EventFields(TypedDict, total=False):
    """
    What :meth:`AuditEvent.of` takes besides a payload.
    """

    actor: Actor | None
    resource: Required[Resource]
    outcome: Outcome | str
    code: str | None
    reason: str | None
    changes: Iterable[Change]
    request: RequestContext | None
    tenant: str | None
    severity: str | None
    correlation_id: str | None
    causation_id: str | None
    traceparent: str | None
    truncated: Truncation | None
    replaced: int
    occurred_at: dt.datetime
    event_id: uuid.UUID

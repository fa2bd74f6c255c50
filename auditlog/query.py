"""
Which events to read: one query that means the same for every reader.
"""

from __future__ import annotations

import functools
import math
import re

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from zoneinfo import ZoneInfo

import attrs

from auditlog import codec
from auditlog._field_path import parse_path, values_at
from auditlog.errors import QueryError
from auditlog.event import Outcome


if TYPE_CHECKING:
    from auditlog._field_path import FieldPath
    from auditlog.abc import Record
    from auditlog.event import AuditEvent

    Value = str | int | float | bool | None
    Fields = tuple[tuple[str, tuple[Value, ...]], ...]
    Moment = datetime | timedelta | int


class Period(TypedDict):
    """
    A stretch of time, to be spread into a query.

    .. versionadded:: 0.1.0
    """

    since: datetime
    until: datetime


def day(which: date, /, zone: str | tzinfo) -> Period:
    """
    A calendar day, which has 23 or 25 hours when the clocks change.

    Use it as in ``EventQuery(**day(date(2026, 3, 29), "Europe/Berlin"))``.

    Args:
        which: The day.

        zone: Where, as in ``Europe/Berlin`` or ``UTC``.

    Raises:
        QueryError: If *zone* is not known, or *which* is no date.

    .. versionadded:: 0.1.0
    """
    if isinstance(which, datetime) or not isinstance(which, date):
        raise QueryError(f"a day must be a date (got {which!r})")
    place = _zone(zone)
    try:
        after = which + timedelta(days=1)
        return Period(since=_begin(which, place), until=_begin(after, place))
    except OverflowError as exc:
        raise QueryError(f"day {which} is too far away") from exc


def today(zone: str | tzinfo, *, now: datetime | None = None) -> Period:
    """
    The day that it is now, to its end.

    Args:
        zone: Where, as in ``Europe/Berlin`` or ``UTC``.

        now: Another moment than now; timezone-aware.

    Raises:
        QueryError: If *zone* is not known, or *now* is naive.

    .. versionadded:: 0.1.0
    """
    moment = datetime.now(UTC) if now is None else _aware("now", now)
    return day(moment.astimezone(_zone(zone)).date(), zone)


def yesterday(zone: str | tzinfo, *, now: datetime | None = None) -> Period:
    """
    The day before the one that it is now.

    Args:
        zone: Where, as in ``Europe/Berlin`` or ``UTC``.

        now: Another moment than now; timezone-aware.

    Raises:
        QueryError: If *zone* is not known, or *now* is naive.

    .. versionadded:: 0.1.0
    """
    moment = datetime.now(UTC) if now is None else _aware("now", now)
    here = moment.astimezone(_zone(zone)).date()
    return day(here - timedelta(days=1), zone)


def _zone(zone: str | tzinfo) -> tzinfo:
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ValueError, TypeError, OSError, LookupError) as exc:
        raise QueryError(
            f"no time zone is called {zone!r}; use a name such as "
            "'Europe/Berlin' or 'UTC'"
        ) from exc


def _begin(which: date, zone: tzinfo) -> datetime:
    # Where clocks jump over midnight the day begins with the jump, and where
    # it comes twice with the first: both are what fold=0 means.
    return datetime.combine(which, time(), zone).astimezone(UTC)


def _aware(name: str, moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise QueryError(
            f"{name!r} must be timezone-aware (got naive "
            f"{moment.isoformat()}); use datetime.now(timezone.utc)"
        )
    return moment


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(value: Moment | None) -> datetime | None:
    try:
        if isinstance(value, timedelta):
            return datetime.now(UTC) - value
        if type(value) is int:
            return _EPOCH + timedelta(milliseconds=value)
    except OverflowError as exc:
        raise QueryError(
            f"a time is too far away (got {value!r}); milliseconds since "
            "1970 are counted, not microseconds"
        ) from exc
    # What else it may be is told by its name, see _check_moment().
    return value  # type: ignore[return-value]


def _names(value: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    try:
        return tuple(value)
    except TypeError as exc:
        raise QueryError(
            f"a filter must be text or several of them (got {value!r})"
        ) from exc


def _outcomes(
    value: Outcome | str | Iterable[Outcome | str] | None,
) -> tuple[Outcome, ...] | None:
    try:
        names = _names(value)
        return None if names is None else tuple(map(Outcome, names))
    except ValueError as exc:
        known = ", ".join(Outcome)
        raise QueryError(f"{exc}; outcomes are {known}") from exc


def _fields(
    value: Mapping[str, Value | Iterable[Value]] | Fields | None,
) -> Fields | None:
    if not value and isinstance(value, Mapping | tuple | None):
        return None
    pairs = value.items() if isinstance(value, Mapping) else value
    try:
        return tuple((path, _values(path, wanted)) for path, wanted in pairs)
    except (TypeError, ValueError) as exc:
        if isinstance(exc, QueryError):
            raise
        raise QueryError(
            f"'where' must map paths to values (got {value!r})"
        ) from exc


def _values(path: str, wanted: Any) -> tuple[Value, ...]:
    _check_text("a path in where", path)
    parse_path(path)
    single = isinstance(wanted, str | int | float | None)
    if not single and (
        isinstance(wanted, Mapping | bytes) or not isinstance(wanted, Iterable)
    ):
        raise _no_value(path, wanted)
    values = (wanted,) if single else tuple(wanted)
    return tuple(_scalar(path, each) for each in values)


def _scalar(path: str, value: Any) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        raise QueryError(f"where[{path!r}] must be finite (got {value})")
    if value is None or type(value) in {str, bool, int, float}:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        return str.__str__(value)
    raise _no_value(path, value)


def _no_value(path: str, value: object) -> QueryError:
    return QueryError(
        f"where[{path!r}] must be text, a number, true, false, None or "
        f"several of them (got {type(value).__name__})"
    )


@attrs.frozen(kw_only=True)
class EventQuery:
    """
    Which events to read; the same meaning for every reader.

    All filters have to match; of several values of one filter, any. A filter
    that is None doesn't filter; one without a value matches nothing.

    Attributes:
        since:
            Only events that occurred then or later: a timezone-aware
            datetime, milliseconds since 1970, or a timedelta for so long
            before the query was made.

        until: Only events that occurred earlier; given as *since*.

        event_types:
            Patterns such as ``Kafka.Topic.*``. ``*`` stands for any
            characters, dots too, and ``?`` for one; upper and lower case of
            ASCII letters are the same.

        actors: Ids of actors, exactly.

        resources:
            Patterns of ``type/id`` of the innermost resource, such as
            ``topic/website-*``; case matters.

        outcomes: Outcomes.

        tenants: Tenants, exactly.

        text:
            Stands somewhere in the event's body, exactly: in the JSON as it
            is stored, names and values alike; case matters.

        where:
            Values by the path at which they stand in the body, such as
            ``{"data.metadata.cluster": "production"}``. A path is made of
            names, ``["names in quotes"]`` and places in an array, as in
            ``data.changes[0].path``. Values are equal if type and value are;
            a whole number is equal to the same one with a fraction of zero.
            None is a ``null`` that stands there; what is absent is equal to
            nothing.

        exclude:
            Another query with filters only: events that it matches are left
            out.

        last:
            Of the events that match, only the most recent so many, by the
            order in which the source holds them.

        limit: At most so many events, counted after all of the above.

        order:
            ``oldest`` or ``newest`` first, by the order in which the source
            holds them, which is not always that of ``occurred_at``.

    Raises:
        QueryError:
            If something of it can't mean anything: a naive time, a path or a
            value of another kind, a negative number, an unknown outcome or
            order.

    .. versionadded:: 0.1.0
    """

    since: datetime | None = attrs.field(default=None, converter=_moment)
    until: datetime | None = attrs.field(default=None, converter=_moment)
    event_types: tuple[str, ...] | None = attrs.field(
        default=None, converter=_names
    )
    actors: tuple[str, ...] | None = attrs.field(
        default=None, converter=_names
    )
    resources: tuple[str, ...] | None = attrs.field(
        default=None, converter=_names
    )
    outcomes: tuple[Outcome, ...] | None = attrs.field(
        default=None, converter=_outcomes
    )
    tenants: tuple[str, ...] | None = attrs.field(
        default=None, converter=_names
    )
    text: str | None = None
    where: Fields | None = attrs.field(default=None, converter=_fields)
    exclude: EventQuery | None = None
    last: int | None = None
    limit: int | None = None
    order: Literal["oldest", "newest"] = "oldest"

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot mean anything.
        """
        for name, moment in (("since", self.since), ("until", self.until)):
            _check_moment(name, moment)
        for name in ("event_types", "actors", "resources", "tenants"):
            _check_names(name, getattr(self, name))
        if self.text is not None:
            _check_text("text", self.text)
        for name, count in (("limit", self.limit), ("last", self.last)):
            _check_count(name, count)
        if self.order not in {"oldest", "newest"}:
            raise QueryError(
                f"'order' must be 'oldest' or 'newest' (got {self.order!r})"
            )
        _check_exclude(self.exclude)

    @functools.cached_property
    def filters(self) -> bool:
        """
        Whether an event has to be looked at to know if it matches.
        """
        return any(
            getattr(self, field.name) is not None
            for field in attrs.fields(EventQuery)
            if field.name not in _BOUNDS
        )

    def matches(self, record: Record) -> bool:
        """
        Whether the event in *record* passes all filters.

        *last*, *limit* and *order* are no filters.

        Raises:
            DecodingError: If the body isn't an audit event.
        """
        return not self.filters or (
            self._matches_event(record.event)
            and (self.text is None or _utf_8(self.text) in record.body)
            and (self.where is None or self._matches_body(record.body))
            and not (self.exclude and self.exclude.matches(record))
        )

    def _matches_event(self, event: AuditEvent) -> bool:
        actor = event.actor.id if event.actor else None
        return (
            (self.since is None or self.since <= event.occurred_at)
            and (self.until is None or event.occurred_at < self.until)
            and _is_one_of(event.outcome, self.outcomes)
            and _is_one_of(actor, self.actors)
            and _is_one_of(event.tenant, self.tenants)
            and _fits(event.event_type, self._event_types)
            and _fits(
                f"{event.resource.type}/{event.resource.id}", self._resources
            )
        )

    def _matches_body(self, body: bytes) -> bool:
        members = codec.members(body)
        return all(
            any(
                _same(found, each)
                for found in values_at(path, members)
                for each in wanted
            )
            for path, wanted in self.paths
        )

    @functools.cached_property
    def paths(self) -> tuple[tuple[FieldPath, tuple[Value, ...]], ...]:
        """
        *where*, its paths taken apart.
        """
        return tuple((parse_path(p), values) for p, values in self.where or ())

    @functools.cached_property
    def _event_types(self) -> re.Pattern[str] | None:
        return _pattern(self.event_types, re.IGNORECASE)

    @functools.cached_property
    def _resources(self) -> re.Pattern[str] | None:
        return _pattern(self.resources)


# What says how many events are read, and not which.
_BOUNDS = frozenset({"last", "limit", "order"})


def _check_moment(name: str, moment: object) -> None:
    if isinstance(moment, datetime):
        _aware(name, moment)
    elif moment is not None:
        raise QueryError(
            f"{name!r} must be an aware datetime, a timedelta before now or "
            f"milliseconds since 1970 (got {moment!r}); for a date see "
            "auditlog.query.day()"
        )


def _check_names(name: str, values: Sequence[object] | None) -> None:
    for place, value in enumerate(values or ()):
        _check_text(f"{name}[{place}]", value)


def _check_text(where: str, value: object) -> None:
    if not isinstance(value, str):
        raise QueryError(
            f"{where!r} must be text (got {type(value).__name__} {value!r})"
        )


def _check_count(name: str, count: object) -> None:
    if count is None:
        return
    if type(count) is not int:
        raise QueryError(f"{name!r} must be a number (got {count!r})")
    if count < 0:
        raise QueryError(f"{name!r} must be at least 0 (got {count})")


def _check_exclude(query: object) -> None:
    if query is None:
        return
    if not isinstance(query, EventQuery):
        raise QueryError(
            f"'exclude' must be an EventQuery (got {type(query).__name__})"
        )
    if not query.filters:
        raise QueryError("'exclude' has no filter; it would leave out all")
    bounds = attrs.evolve(query, last=None, limit=None, order="oldest")
    if bounds != query:
        raise QueryError(
            "'exclude' may have filters only, no 'last', 'limit' or 'order'; "
            "set those of the query itself"
        )


def _same(found: Any, wanted: Value) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def _utf_8(text: str) -> bytes:
    # A body is UTF-8, so that what can't be written so stands in none.
    return text.encode("utf-8", "surrogatepass")


def glob_to_regex(glob: str) -> str:
    """
    The regular expression, in Python's and PostgreSQL's syntax, that matches
    what *glob* does, without anchors.
    """
    special = {"*": ".*", "?": "."}
    return "".join(special.get(char) or re.escape(char) for char in glob)


def _pattern(
    globs: Sequence[str] | None, flags: re.RegexFlag = re.NOFLAG
) -> re.Pattern[str] | None:
    if globs is None:
        return None

    either = "|".join(map(glob_to_regex, globs)) if globs else "(?!)"
    return re.compile(f"(?:{either})", flags | re.ASCII | re.DOTALL)


def _is_one_of(value: str | None, wanted: Sequence[str] | None) -> bool:
    return wanted is None or value in wanted


def _fits(value: str, pattern: re.Pattern[str] | None) -> bool:
    return pattern is None or pattern.fullmatch(value) is not None

"""
What Hypothesis can make of our classes.
"""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st

from auditlog.codec.conduktor import EVENT_TYPES, spelled
from auditlog.event import (
    Actor,
    ActorType,
    AuditEvent,
    Change,
    Outcome,
    RequestContext,
    Resource,
    uuid7,
)


def texts(*, min_size=0, max_size=40):
    """
    Any text, with lone surrogates, control characters and NUL.
    """
    return st.text(
        st.characters(exclude_categories=()),
        min_size=min_size,
        max_size=max_size,
    )


def scalars():
    """
    Any JSON value that is no object and no array.
    """
    return (
        st.none()
        | st.booleans()
        | st.integers()
        | st.integers(-(2**200), 2**200)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts()
    )


def json_values(*, max_leaves=20):
    """
    Any JSON value in Python's own types.
    """
    return _nested(scalars(), max_leaves)


def _nested(leaves, max_leaves):
    return st.recursive(
        leaves,
        lambda values: (
            st.lists(values, max_size=5)
            | st.dictionaries(texts(), values, max_size=5)
        ),
        max_leaves=max_leaves,
    )


def python_values():
    """
    Whatever else has a documented JSON form.
    """
    return _nested(
        st.datetimes(timezones=st.none() | st.timezones())
        | st.dates()
        | st.times()
        | st.timedeltas()
        | st.uuids()
        | st.decimals(allow_nan=False, allow_infinity=False)
        | st.binary(max_size=40)
        | st.sets(st.integers() | st.text(max_size=5), max_size=5)
        | st.tuples(st.integers(), st.text(max_size=5))
        | st.sampled_from(Outcome)
        | st.ip_addresses(),
        max_leaves=8,
    )


def metadata():
    """
    Any JSON object.
    """
    return st.dictionaries(texts(), json_values(max_leaves=8), max_size=6)


def event_types():
    """
    Documented types, and others of one to five parts.
    """
    part = st.text(
        st.characters(exclude_categories=("C", "Z"), exclude_characters="."),
        min_size=1,
        max_size=12,
    )
    return st.sampled_from(EVENT_TYPES) | st.lists(
        part, min_size=1, max_size=5
    ).map(".".join)


def three_part_types():
    """
    Event types that both dialects can write.
    """
    return event_types().filter(lambda name: spelled(name) is not None)


def resources():
    """
    Resources with up to three parents.
    """
    return st.recursive(
        _resources(st.none()),
        _resources,
        max_leaves=3,
    )


def _resources(parents):
    return st.builds(
        Resource,
        type=texts(min_size=1),
        id=texts(min_size=1),
        name=st.none() | texts(),
        parent=parents,
    )


def actors():
    """
    Actors, some of them on behalf of others.
    """
    return st.recursive(_actors(st.none()), _actors, max_leaves=3)


def _actors(others):
    return st.builds(
        Actor,
        id=texts(min_size=1),
        type=st.sampled_from(ActorType) | texts(min_size=1),
        name=st.none() | texts(),
        email=st.none() | st.emails(),
        on_behalf_of=others,
    )


def requests():
    """
    Requests with any of their fields.
    """
    optional = st.none() | texts()
    return st.builds(
        RequestContext,
        id=optional,
        source_ip=st.none() | st.ip_addresses().map(str),
        user_agent=optional,
        method=st.none() | st.sampled_from(["GET", "POST"]),
        url=optional,
        session_id=optional,
    )


def changes():
    """
    Lists of changes.
    """
    values = json_values(max_leaves=4)
    change = st.builds(Change, path=texts(min_size=1), old=values, new=values)
    return st.lists(change, max_size=3)


def times():
    """
    Times that have a UTC time, in any zone.
    """
    return st.datetimes(
        min_value=dt.datetime(1, 1, 3),  # noqa: DTZ001
        max_value=dt.datetime(9999, 12, 29),  # noqa: DTZ001
        timezones=st.just(dt.UTC) | st.timezones(),
    )


def events(*, types=None):
    """
    Any event.
    """
    optional = st.none() | texts()
    return st.builds(
        AuditEvent,
        event_type=event_types() if types is None else types,
        actor=st.none() | actors(),
        resource=resources(),
        outcome=st.sampled_from(Outcome),
        code=optional,
        reason=optional,
        changes=changes(),
        request=st.none() | requests(),
        tenant=optional,
        severity=optional,
        correlation_id=optional,
        causation_id=optional,
        traceparent=optional,
        metadata=metadata(),
        occurred_at=times(),
        event_id=st.builds(uuid7) | st.uuids(),
    )

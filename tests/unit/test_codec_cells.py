"""
Fields of an event straight from its body: the same, or none at all.
"""

from __future__ import annotations

import contextlib
import json

import attrs
import msgspec
import pytest

from hypothesis import example, given
from hypothesis import strategies as st

from auditlog import codec
from auditlog.codec._cells import Cells, cells_of
from auditlog.codec._members import part_members
from auditlog.errors import DecodingError
from auditlog.event import Actor, AuditEvent, Change, Resource, uuid7
from auditlog.event._text import are_attributes
from tests.strategies import events, json_values, texts


def text_of(value):
    return msgspec.json.encode(value).decode() if value else None


def cells_by_hand(event):
    """
    What `cells_of()` stands for, from the event itself.
    """
    data = bytes(event.metadata).decode()
    return Cells(
        event.occurred_at,
        str(event.event_id),
        event.event_type,
        event.outcome.value,
        *parts(event.actor, "type id name email"),
        event.actor and text_of(chain(event.actor.on_behalf_of)),
        *parts(event.resource, "type id name"),
        text_of(chain(event.resource.parent)),
        *parts(event, "code reason tenant severity"),
        *parts(event.request, "id source_ip user_agent method url session_id"),
        *parts(event, "correlation_id causation_id traceparent"),
        text_of([*map(part_members, event.changes)]),
        None if data == "{}" else data,
        chain(event.truncated),
        event.replaced,
    )


def parts(part, names):
    return [getattr(part, name, None) for name in names.split()]


def chain(part):
    return part and part_members(part)


def check(body):
    """
    Whatever is told of *body* is what the event says.
    """
    cells = cells_of(body)
    if cells is not None:
        assert cells_by_hand(codec.decode(body)) == cells
    return cells


@given(events())
def test_cells_are_those_of_the_event(event):
    """
    For each event that this library wrote without having to change it.
    """
    body = codec.encode(event)
    cells = check(body)

    usual = (
        not event.replaced
        and event.truncated is None
        and body.count(b"{") + body.count(b"[") <= 64
        and b"\\u0000" not in body
        and are_attributes(
            event.correlation_id, event.causation_id, event.traceparent
        )
    )
    assert (cells is not None) == usual


WHOLE = AuditEvent(
    event_type="App.Thing.Do",
    actor=Actor(id="a", name="A", on_behalf_of=Actor(id="b")),
    resource=Resource(type="t", id="1", parent=Resource(type="p", id="2")),
    changes=[Change(path="x", old=1, new={"b": [2.0], "a": "ü"})],
    code="200",
    correlation_id="c",
    metadata={"n": 1e16, "text": "é\u2028", "o": {"z": None, "a": True}},
)
BODY = codec.encode(WHOLE)
MEMBERS = json.loads(BODY)


def paths(value, path=()):
    """
    Each place in a JSON value.
    """
    yield path
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from paths(value[key], (*path, key))


def at(members, path):
    for key in path:
        members = members[key]
    return members


odd = (
    st.sampled_from(
        ["", 0, None, [], {}, True, "\0", " ", "AuditLogEventType"]
    )
    | st.sampled_from(["a..b", "Kafka.Topic.Create", "x y", "\ud800", "\x07"])
    | st.sampled_from(["2026-01-01T00:00:60.000000Z", "2026-13-01T00:00:00Z"])
    | st.sampled_from(["0000-01-01T00:00:00.000000Z", str(uuid7()).upper()])
    | st.sampled_from([{"type": "user", "id": "", "name": ""}, "success"])
    | json_values(max_leaves=3)
    | texts()
)


@given(
    st.sampled_from([path for path in paths(MEMBERS) if path]),
    odd,
    st.sampled_from([msgspec.json.encode, lambda m: json.dumps(m).encode()]),
)
def test_other_members_are_told_right_or_not_at_all(path, value, write):
    """
    Whatever stands in a body, however it is written.
    """
    members = json.loads(BODY)
    at(members, path[:-1])[path[-1]] = value
    with contextlib.suppress(UnicodeEncodeError):
        check_safely(write(members))


def check_safely(body):
    try:
        codec.decode(body)
    except DecodingError:
        assert cells_of(body) is None
    else:
        check(body)


@given(
    st.integers(0, len(BODY)),
    st.integers(0, 3),
    st.binary(max_size=3)
    | st.sampled_from([b" ", b"\\u0000", b'"', b",", b"null", b"}", b"-0"]),
)
@example(BODY.index(b'"code"'), 0, b'"name":"x",')
def test_other_bytes_are_told_right_or_not_at_all(start, length, new):
    """
    Whatever a body was made of.
    """
    check_safely(BODY[:start] + new + BODY[start + length :])


def written(members):
    """
    As this library writes.
    """
    return msgspec.json.encode(members)


def chain_of(length):
    link = None
    for _ in range(length):
        link = {"type": "t", "id": "1", **({"parent": link} if link else {})}
    return link


def nest(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.code", "a\0"),
        ("data.changes", []),
        ("data.changes.0.path", ""),
        ("data.eventType", "App.Thing.Undo"),
        ("*", "App..Do"),
        ("*", "App.Thing.Do it"),
        ("*", "AuditLogEventType(App,Thing,Do)"),
        ("data.outcome", "invented"),
        ("data.resource", chain_of(9)),
        ("data.metadata", {"deep": nest(70)}),
        ("data.metadata", {"b": 1, "a": 2}),
        ("data.actor.name", None),
        ("data.more", 1),
        ("id", str(WHOLE.event_id).upper()),
        ("time", "2026-01-01T00:00:00Z"),
        ("time", "2026-01-01T00:00:00.000000+00:00"),
        ("time", "2026-01-01T00:00:60.000000Z"),
        ("time", "2026-13-01T00:00:00.000000Z"),
        ("traceparent", "\x07"),
        ("source", ""),
    ],
)
def test_unusual_members_are_left_to_the_reader(path, value):
    """
    It refuses them, or tells something else than what stands there.
    """
    members = json.loads(BODY)
    if path == "*":
        members["type"] = members["data"]["eventType"] = value
    else:
        *parents, last = path.split(".")
        keys = [int(key) if key.isdecimal() else key for key in parents]
        at(members, keys)[last] = value
    body = written(members)

    assert cells_of(body) is None
    check_safely(body)


def test_longest_chain_is_read():
    """
    Of resources, and of actors.
    """
    resource = actor = None
    for _ in range(8):
        resource = Resource(type="t", id="1", parent=resource)
        actor = Actor(id="a", on_behalf_of=actor)

    deep = attrs.evolve(WHOLE, resource=resource, actor=actor)

    assert check(codec.encode(deep))

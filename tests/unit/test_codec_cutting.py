"""
Long events are cut in the documented order and say so; none is refused.
"""

from __future__ import annotations

import hashlib
import json

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.codec import MAX_BODY_BYTES, codec_named, decode, encode
from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    RequestContext,
    Resource,
)
from tests import strategies


LONG = "x" * 70_000
TOPIC = Resource(type="topic", id="orders")


def make_event(**fields):
    return AuditEvent(
        **{"event_type": "Kafka.Topic.Create", "resource": TOPIC} | fields
    )


def whole(event):
    """
    The body as it would be without a limit.
    """
    from auditlog.codec._writing import _cloudevents  # noqa: PLC0415

    return _cloudevents(event)


def test_the_limit_itself_fits():
    """
    A body of 65,535 bytes is whole, one of 65,536 is cut.
    """
    room = MAX_BODY_BYTES - len(encode(make_event(metadata={"a": ""})))
    fits = make_event(metadata={"a": "x" * room})
    exceeds = attrs.evolve(fits, metadata={"a": "x" * (room + 1)})

    assert MAX_BODY_BYTES == 65_535
    assert len(encode(fits)) == MAX_BODY_BYTES
    assert fits == decode(encode(fits))
    assert decode(encode(exceeds)).metadata == {}
    assert decode(encode(exceeds)).truncated.fields == ("metadata.a",)


def test_the_mark_says_what_the_whole_was():
    """
    With the whole body from elsewhere, its size and hash can be checked.
    """
    event = make_event(metadata={"report": "x" * 5_000_000, "small": 1})
    full = whole(event)

    body = encode(event)

    assert {
        "fields": ["metadata.report"],
        "originalSize": len(full),
        "sha256": hashlib.sha256(full).hexdigest(),
    } == json.loads(body)["data"]["truncated"]
    assert decode(body).metadata == {"small": 1}
    assert len(body) < MAX_BODY_BYTES


def test_long_values_of_changes_go_first():
    """
    Paths and short values stay; metadata is not touched.
    """
    event = make_event(
        changes=[
            Change(path="a", old=LONG, new=1),
            Change(path="b", old=list(range(100)), new="short"),
        ],
        metadata={"m": "x" * 1000},
    )

    cut = decode(encode(event))

    assert cut.truncated.fields == ("changes",)
    assert [(c.path, c.old, c.new) for c in cut.changes] == [
        ("a", None, 1),
        ("b", None, "short"),
    ]
    assert event.metadata == cut.metadata


def test_then_all_changes():
    """
    Thousands of short changes go together.
    """
    event = make_event(
        changes=[Change(path=f"path.{n}", new=n) for n in range(5000)],
        metadata={"m": 1},
    )

    cut = decode(encode(event))

    assert cut.truncated.fields == ("changes",)
    assert cut.changes == ()
    assert cut.metadata == {"m": 1}


def test_then_the_largest_members_of_metadata():
    """
    As many as needed, the largest first.
    """
    event = make_event(
        metadata={
            "a": "x" * 40_000,
            "b": "x" * 60_000,
            "c": "x" * 20_000,
            "d": "x" * 30_000,
        },
        reason="x" * 2_000,
    )

    cut = decode(encode(event))

    assert cut.truncated.fields == ("metadata.b", "metadata.a")
    assert {"c", "d"} == set(cut.metadata)
    assert event.reason == cut.reason


def test_then_all_metadata():
    """
    Many small members go together.
    """
    event = make_event(
        metadata={f"member {n}": n for n in range(10_000)},
        reason="x" * 2_000,
    )

    cut = decode(encode(event))

    assert cut.truncated.fields[-1] == "metadata"
    assert cut.metadata == {}
    assert event.reason == cut.reason


def test_then_long_texts():
    """
    Texts lose their ends, and all of them say so.
    """
    event = make_event(
        actor=Actor(id="alice", on_behalf_of=Actor(id=LONG)),
        request=RequestContext(user_agent=LONG, method="GET"),
        reason=LONG,
        correlation_id=LONG,
        tenant="acme",
    )

    cut = decode(encode(event))

    assert {
        "actor.onBehalfOf.id",
        "request.userAgent",
        "reason",
        "correlationId",
    } == set(cut.truncated.fields)
    assert "x" * 1023 + "…" == cut.reason == cut.request.user_agent
    assert (
        cut.actor.id,
        cut.request.method,
        cut.tenant,
    ) == ("alice", "GET", "acme")


def worst(character):
    """
    An event whose every text is as long and as costly as can be.
    """
    text = character * 20_000
    resource = actor = None
    for _ in range(8):
        resource = Resource(type=text, id=text, name=text, parent=resource)
        actor = Actor(
            id=text, type=text, name=text, email=text, on_behalf_of=actor
        )
    return AuditEvent(
        event_type="😀" * 127 + ".😀." + "😀" * 120,
        resource=resource,
        actor=actor,
        request=RequestContext(
            **{f.name: text for f in attrs.fields(RequestContext) if f.init}
        ),
        changes=[Change(path=text, old=text, new=text)],
        metadata={f"{text}{n}": text for n in range(40)},
        **dict.fromkeys(
            (
                *("code", "reason", "tenant", "severity"),
                *("correlation_id", "causation_id", "traceparent"),
            ),
            text,
        ),
    )


@pytest.mark.parametrize("dialect", ["cloudevents", "conduktor"])
@pytest.mark.parametrize("character", ["x", "\x01", '"', "\\", "é", "😀"])
def test_the_worst_event_fits(character, dialect):
    """
    Whatever is long, something within the limit is written.
    """
    codec = codec_named(dialect)
    event = worst(character)

    body = codec.encode(event)

    cut = codec.decode(body)
    assert len(body) <= MAX_BODY_BYTES
    assert event.event_id == cut.event_id
    assert event.event_type == cut.event_type
    assert body == codec.encode(cut)


@settings(max_examples=30, deadline=None)
@given(
    strategies.events(),
    st.dictionaries(
        st.text(max_size=3), st.integers(0, 60_000).map("y".__mul__)
    ),
    st.lists(st.integers(0, 40_000), max_size=3),
)
def test_a_cut_event_is_an_event(event, metadata, sizes):
    """
    What was cut reads, and is written the same again.
    """
    changes = [Change(path="p", new="z" * size) for size in sizes]
    event = attrs.evolve(event, metadata=metadata, changes=changes)

    body = encode(event)

    cut = decode(body)
    assert len(body) <= MAX_BODY_BYTES
    assert body == encode(cut) == encode(event)
    assert (cut.truncated is None) == (len(whole(event)) <= MAX_BODY_BYTES)


def test_an_event_may_be_cut_twice():
    """
    A cut event that is made longer again keeps the names of what was cut.
    """
    once = decode(encode(make_event(metadata={"a": LONG, "b": 1})))
    twice = attrs.evolve(once, metadata={"c": LONG})

    cut = decode(encode(twice))

    assert cut.truncated.fields == ("metadata.a", "metadata.c")
    assert len(whole(twice)) == cut.truncated.original_size

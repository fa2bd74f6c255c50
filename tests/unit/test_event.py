"""
Events and their parts: only right ones exist, and they never change.
"""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import uuid

from uuid import UUID

import attrs
import pytest

from hypothesis import given, settings

from auditlog.errors import EncodingError, InvalidEventError
from auditlog.event import (
    Actor,
    ActorType,
    AuditEvent,
    Change,
    JSONObject,
    Outcome,
    RequestContext,
    Resource,
)
from tests import strategies


TOPIC = Resource(type="topic", id="website-orders")
NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


def make_event(**fields):
    return AuditEvent(
        **{"event_type": "Kafka.Topic.Create", "resource": TOPIC} | fields
    )


def test_defaults():
    """
    An event needs a type and a resource; all else has a sensible value.
    """
    before = dt.datetime.now(dt.UTC)

    event = make_event()

    assert Outcome.SUCCESS is event.outcome
    assert before <= event.occurred_at <= dt.datetime.now(dt.UTC)
    assert event.event_id.version == 7
    assert event.changes == ()
    assert event.metadata == {}
    assert [
        event.actor,
        event.request,
        event.code,
        event.reason,
        event.tenant,
        event.severity,
        event.correlation_id,
        event.causation_id,
        event.traceparent,
    ] == [None] * 9


def test_naive_time_is_refused():
    """
    A time without a zone is refused, and the message says what to do.
    """
    with pytest.raises(InvalidEventError) as info:
        make_event(
            occurred_at=dt.datetime(2026, 1, 5, 12)  # noqa: DTZ001
        )

    assert str(info.value) == (
        "'occurred_at' must be timezone-aware (got naive 2026-01-05T12:00:00)"
        "; use datetime.now(timezone.utc)"
    )


class NoOffset(dt.tzinfo):
    def utcoffset(self, _):
        return None


@pytest.mark.parametrize(
    "field",
    [
        {"event_type": 5},
        {"event_type": None},
        {"event_type": b"A.B.C"},
        {"event_type": ["A"]},
        {"event_type": ""},
        {"event_type": "."},
        {"event_type": "Kafka..Create"},
        {"event_type": ".Kafka"},
        {"event_type": "Kafka."},
        {"event_type": "Kafka. Topic"},
        {"event_type": "Kafka.Topic\n"},
        {"event_type": "Kafka.\x7fTopic"},
        {"event_type": "Kafka.\ud800"},
        {"event_type": "Kafka.\0"},
        {"event_type": "K" * 256},
        {"resource": None},
        {"resource": "topic"},
        {"resource": {"type": "topic", "id": "x"}},
        {"actor": "alice"},
        {"actor": {"id": "alice"}},
        {"request": "r"},
        {"outcome": "ok"},
        {"outcome": None},
        {"outcome": 1},
        {"code": 0},
        {"code": 404},
        {"reason": b"because"},
        {"tenant": False},
        {"severity": 3},
        {"correlation_id": UUID(int=1)},
        {"causation_id": 0},
        {"traceparent": []},
        {"occurred_at": "2026-01-05"},
        {"occurred_at": NOON.date()},
        {"occurred_at": None},
        {"occurred_at": NOON.replace(tzinfo=NoOffset())},
        {
            "occurred_at": dt.datetime.min.replace(
                tzinfo=dt.timezone(dt.timedelta(hours=1))
            )
        },
        {"event_id": "9c98186b-0000-7000-8000-000000000000"},
        {"event_id": None},
        {"changes": None},
        {"changes": Change(path="x")},
        {"changes": "ab"},
        {"changes": [("x", 1, 2)]},
        {"metadata": None},
        {"metadata": [("a", 1)]},
        {"metadata": "{}"},
        {"truncated": "yes"},
        {"replaced": -1},
        {"replaced": True},
    ],
    ids=repr,
)
def test_wrong_values_are_refused(field):
    """
    No field takes a wrong type or a value without a meaning; it is named.
    """
    (name,) = field

    with pytest.raises(InvalidEventError, match=f"'{name}|AuditEvent.{name}"):
        make_event(**field)


@pytest.mark.parametrize(
    "event_type",
    [
        "Kafka.Topic.Create",
        "com.github.pull_request.opened",
        "cdk.devtools.topics.Browsed",
        "login",
        "Größe.Ändern.✓",
        "AuditLogEventType(Kafka,Topic)",
        "K" * 255,
    ],
)
def test_event_types_are_open(event_type):
    """
    Any dotted name is an event type, also one of other programs.
    """
    assert event_type == make_event(event_type=event_type).event_type


@pytest.mark.parametrize("outcome", Outcome)
def test_outcomes_by_text(outcome):
    """
    An outcome may be given as its text.
    """
    assert outcome is make_event(outcome=outcome.value).outcome


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (NOON, NOON),
        (NOON.astimezone(dt.timezone(dt.timedelta(hours=5))), NOON),
        (
            dt.datetime(
                *(2026, 1, 5, 12, 0, 0, 7),
                tzinfo=dt.timezone(dt.timedelta(seconds=1)),
            ),
            NOON.replace(hour=11, minute=59, second=59, microsecond=7),
        ),
    ],
)
def test_times_are_kept_in_utc(given, expected):
    """
    Whatever zone a time comes in, it is kept in UTC.
    """
    event = make_event(occurred_at=given)

    assert expected == event.occurred_at
    assert dt.UTC is event.occurred_at.tzinfo


def test_values_of_subclasses_become_plain():
    """
    Subclasses of text, times and UUIDs behave in ways of their own, so none
    is kept.
    """

    class Text(str):
        __slots__ = ()

    class Moment(dt.datetime):
        pass

    class Id(uuid.UUID):
        pass

    event = make_event(
        event_type=Text("A.B"),
        reason=Text("because"),
        occurred_at=Moment.fromtimestamp(0, dt.UTC),
        event_id=Id(int=7),
        actor=Actor(id=Text("alice"), type=ActorType.SERVICE),
    )

    assert {str} == {
        type(event.event_type),
        type(event.reason),
        type(event.actor.id),
        type(event.actor.type),
    }
    assert dt.datetime is type(event.occurred_at)
    assert UUID is type(event.event_id)
    assert UUID(int=7) == event.event_id
    assert event.actor.type == "service"


def test_hostile_text_is_replaced_and_counted():
    """
    NUL and lone surrogates become U+FFFD wherever they stand.
    """
    bad = "\0x\ud800"

    event = make_event(
        resource=Resource(
            type="topic", id=bad, parent=Resource(type="cluster", id=bad)
        ),
        actor=Actor(id=bad, on_behalf_of=Actor(id="bob", name=bad)),
        request=RequestContext(user_agent=bad),
        changes=[Change(path=bad, old=bad, new=[bad])],
        reason=bad,
        metadata={bad: bad},
    )

    good = "\ufffdx\ufffd"
    assert event.replaced == 22
    assert good == event.resource.id == event.resource.parent.id
    assert good == event.actor.id == event.actor.on_behalf_of.name
    assert good == event.request.user_agent == event.reason
    assert Change(path=good, old=good, new=[good]) == event.changes[0]
    assert {good: good} == event.metadata


def test_replacement_characters_that_were_given_do_not_count():
    """
    Only what this library replaced is counted.
    """
    assert make_event(reason="\ufffd", metadata={"a": "\ufffd"}).replaced == 0


def test_control_characters_in_attributes_are_replaced():
    """
    Correlation ids come from clients and become CloudEvents attributes, which
    hold no control characters; an empty one is none.
    """
    event = make_event(
        correlation_id="a\r\nb\x85\ufffe", causation_id="", traceparent="\0"
    )

    assert event.correlation_id == "a\ufffd\ufffdb\ufffd\ufffd"
    assert None is event.causation_id
    assert event.traceparent == "\ufffd"
    assert event.replaced == 5


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        (Resource, {"type": "", "id": "x"}),
        (Resource, {"type": "x", "id": ""}),
        (Resource, {"type": None, "id": "x"}),
        (Resource, {"type": "x", "id": 7}),
        (Resource, {"type": "x", "id": "x", "name": 7}),
        (Resource, {"type": "x", "id": "x", "parent": "cluster"}),
        (Actor, {"id": ""}),
        (Actor, {"id": None}),
        (Actor, {"id": "x", "type": ""}),
        (Actor, {"id": "x", "type": None}),
        (Actor, {"id": "x", "email": 1}),
        (Actor, {"id": "x", "on_behalf_of": "bob"}),
        (RequestContext, {"id": 1}),
        (RequestContext, {"source_ip": b"::1"}),
        (Change, {"path": ""}),
        (Change, {"path": 1}),
    ],
)
def test_wrong_parts_are_refused(part, fields):
    """
    Parts are checked like the event; the message names class and field.
    """
    with pytest.raises(InvalidEventError, match=f"'{part.__name__}\\."):
        part(**fields)


@pytest.mark.parametrize(
    ("part", "link", "fields"),
    [
        (Resource, "parent", {"type": "t", "id": "i"}),
        (Actor, "on_behalf_of", {"id": "a"}),
    ],
)
def test_chains_end(part, link, fields):
    """
    Parents and represented actors go eight deep and no deeper.
    """
    chain = part(**fields)
    for _ in range(7):
        chain = part(**fields, **{link: chain})

    with pytest.raises(InvalidEventError, match="8 links"):
        part(**fields, **{link: chain})


def test_later_mutation_leaves_the_event_as_it_was():
    """
    What was given may be changed afterwards; the event does not.
    """
    tags = ["a"]
    metadata = {"tags": tags}
    changes = [Change(path="tags", new=tags)]
    event = make_event(metadata=metadata, changes=changes)

    tags.append("b")
    metadata["more"] = 1
    changes.clear()

    assert event.metadata == {"tags": ["a"]}
    assert (Change(path="tags", new=["a"]),) == event.changes


def test_events_cannot_be_changed():
    """
    Neither fields nor metadata can be set.
    """
    event = make_event(metadata={"a": [1]})

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.reason = "x"
    with pytest.raises(TypeError):
        event.metadata["a"] = 2
    with pytest.raises(AttributeError):
        event.metadata["a"].append(2)


@settings(max_examples=50, deadline=None)
@given(strategies.events())
def test_copies_are_equal(event):
    """
    Events survive pickling and copying, and equal ones hash alike.
    """
    copies = [
        pickle.loads(pickle.dumps(event)),
        copy.copy(event),
        copy.deepcopy(event),
        attrs.evolve(event),
    ]

    assert [event] * 4 == copies
    assert {hash(event)} == {hash(one) for one in copies}


def test_evolve_keeps_id_and_time():
    """
    A changed copy is about the same event.
    """
    event = make_event()

    changed = attrs.evolve(event, reason="because")

    assert changed.reason == "because"
    assert event.event_id == changed.event_id
    assert event.occurred_at == changed.occurred_at


def test_evolve_keeps_the_number_of_replaced_characters():
    """
    A copy is counted once, however often it is copied.
    """
    event = make_event(metadata={"a": "\0"}, actor=Actor(id="\0"))

    assert attrs.evolve(attrs.evolve(event)).replaced == 2
    assert attrs.evolve(event, reason="\0").replaced == 3


def test_events_differ_by_every_field():
    """
    No field is left out of the comparison.
    """
    event = make_event()
    others = [
        attrs.evolve(event, **{name: value})
        for name, value in {
            "event_type": "A.B",
            "resource": Resource(type="t", id="i"),
            "actor": Actor(id="alice"),
            "outcome": "denied",
            "code": "c",
            "reason": "r",
            "changes": [Change(path="p")],
            "request": RequestContext(id="7"),
            "tenant": "t",
            "severity": "high",
            "correlation_id": "c",
            "causation_id": "c",
            "traceparent": "t",
            "metadata": {"a": 1},
            "replaced": 1,
            "occurred_at": NOON,
            "event_id": UUID(int=1),
        }.items()
    ]

    assert len({event, *others}) == 18


def test_repr_is_one_line_without_content():
    """
    A repr may be logged: it shows neither metadata nor personal data.
    """
    event = make_event(
        resource=Resource(type="topic", id="a\nb", name="secret"),
        actor=Actor(id="alice", email="secret@example.com", name="secret"),
        request=RequestContext(id="r", url="/?token=secret", source_ip="se"),
        changes=[Change(path="p", old="secret", new="secret")],
        metadata={"secret": "secret"},
        reason="secret",
        event_id=UUID(int=7),
    )

    assert repr(event) == (
        "<AuditEvent Kafka.Topic.Create success 'topic/a\\nb' "
        "00000000-0000-0000-0000-000000000007>"
    )
    assert "secret" not in repr(
        [event.actor, event.request, event.resource, event.changes]
    )


def test_positional_arguments_are_refused():
    """
    Nobody has to remember an order of eighteen fields.
    """
    with pytest.raises(TypeError):
        AuditEvent("Kafka.Topic.Create", TOPIC)


def test_frozen_metadata_is_taken_as_it_is():
    """
    The metadata of one event serves another without a second check.
    """
    metadata = JSONObject({"a": 1})

    assert metadata is make_event(metadata=metadata).metadata


def test_a_change_says_where_its_value_is_wrong():
    """
    Errors in values before and after carry a path, too.
    """
    with pytest.raises(EncodingError) as info:
        Change(path="x", new={"a": [1, float("nan")]})

    assert info.value.path == "$.new.a[1]"


@pytest.mark.parametrize(
    "name", ["correlation_id", "causation_id", "traceparent"]
)
@pytest.mark.parametrize(
    ("given", "kept", "replaced"),
    [("a\0b", "a\ufffdb", 1), ("a\nb", "a\ufffdb", 1), ("", None, 0)],
)
def test_one_hostile_attribute_alone_is_cleaned(name, given, kept, replaced):
    """
    An attribute is cleaned although all other text of the event is clean.
    """
    event = AuditEvent(
        event_type="A.B.C",
        resource=Resource(type="t", id="1"),
        **{name: given},
    )

    assert (kept, replaced) == (getattr(event, name), event.replaced)

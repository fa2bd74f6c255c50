"""
Records of Conduktor Console, as it writes them and as this library does.
"""

from __future__ import annotations

import json
import pathlib
import re

from uuid import UUID

import pytest

from auditlog.codec import (
    ConduktorCodec,
    codec_named,
    conduktor,
    decode,
    encode,
    peek,
)
from auditlog.errors import DecodingError, EncodingError
from auditlog.event import AuditEvent, Outcome, Resource


PRODUCTION = Resource(type="kafkacluster", id="production")
ORDERS = Resource(type="topic", id="website-orders", parent=PRODUCTION)

# The record in the product's documentation.
RECORD = {
    "source": "//kafka/kafkacluster/production/topic/website-orders",
    "data": {
        "eventType": "Kafka.Topic.Create",
        "metadata": {"name": "website-orders", "cluster": "production"},
    },
    "datacontenttype": "application/json",
    "id": "ad85122c-0041-421e-b04b-6bc2ec901e08",
    "time": "2024-10-10T07:52:07.483140Z",
    "type": "AuditLogEventType(Kafka,Topic,Create)",
    "specversion": "1.0",
}


def body_of(**members):
    return json.dumps(RECORD | members).encode()


def test_a_record_of_the_product():
    """
    Neither subject, actor nor outcome is there, and nothing is made up.
    """
    event = decode(body_of())

    assert UUID(RECORD["id"]) == event.event_id
    assert event.event_type == "Kafka.Topic.Create"
    assert event.resource == ORDERS
    assert RECORD["data"]["metadata"] == event.metadata
    assert event.occurred_at.isoformat() == "2024-10-10T07:52:07.483140+00:00"
    assert Outcome.UNKNOWN is event.outcome
    assert None is event.actor


def test_the_envelope_has_seven_members_in_the_products_order():
    """
    The dialect is that product's, member by member.
    """
    event = decode(body_of())

    written = json.loads(ConduktorCodec().encode(event))

    assert list(RECORD) == list(written)
    assert {k: v for k, v in RECORD.items() if k != "data"} == {
        k: v for k, v in written.items() if k != "data"
    }
    assert RECORD["data"].items() <= written["data"].items()


def test_tracing_stands_in_data():
    """
    What has no place in the envelope is not lost.
    """
    codec = ConduktorCodec()
    event = AuditEvent(
        event_type="A.B.C",
        resource=ORDERS,
        correlation_id="c-1",
        causation_id="c-0",
        traceparent="t",
    )

    data = json.loads(codec.encode(event))["data"]

    assert (
        data["correlationId"],
        data["causationId"],
        data["traceparent"],
    ) == ("c-1", "c-0", "t")
    assert event == codec.decode(codec.encode(event))


@pytest.mark.parametrize(
    "event_type",
    ["Login", "User.Login", "A.B.C.D", "A.B.C(D)", "A,B.C.D", "A.B.C,D"],
)
def test_other_types_than_three_parts_are_refused(event_type):
    """
    They have no spelling in this dialect; the caller hears it at once.
    """
    event = AuditEvent(event_type=event_type, resource=ORDERS)

    with pytest.raises(EncodingError) as info:
        codec_named("conduktor").encode(event)

    assert info.value.path == "$.event_type"
    assert "three parts" in info.value.reason


@pytest.mark.parametrize(
    ("envelope", "data"),
    [
        ("AuditLogEventType(Kafka,Topic,Create)", "kafka.topic.create"),
        ("AuditLogEventType(IAM,User,Login)", "Iam.User.Login"),
        ("Iam.User.Login", "IAM.User.Login"),
        (
            "AuditLogEventType(Kafka,Connector,RestartTask)",
            "Kafka.Connector.TaskRestart",
        ),
        ("AuditLogEventType(New,Thing,Done)", "New.Thing.Done"),
    ],
)
def test_two_spellings_of_one_type(envelope, data):
    """
    The type stands twice; case and aliases make no difference, and the one in
    data is kept.
    """
    body = body_of(type=envelope, data={"eventType": data, "metadata": {}})

    assert data == decode(body).event_type


@pytest.mark.parametrize(
    "data", ["Kafka.Topic.Delete", "Kafka.Topic", "", 5, ["Kafka"]]
)
def test_types_that_disagree(data):
    """
    A record that says two things is refused rather than guessed at.
    """
    with pytest.raises(DecodingError, match="disagree"):
        decode(body_of(data={"eventType": data}))


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        ("topic.Created", "topic.Created"),
        ("cdk.devtools.topics.Browsed", "cdk.devtools.topics.Browsed"),
        ("application.access-request.Approved",) * 2,
        ("com.github.pull_request.opened",) * 2,
        ("AuditLogEventType(Kafka,Topic)",) * 2,
        ("AuditLogEventType(A,B,C,D)",) * 2,
        ("AuditLogEventType(A,B,C)", "A.B.C"),
    ],
)
def test_other_types_read_as_they_are(envelope, expected):
    """
    Legacy and unknown types are no mistakes.
    """
    body = body_of(type=envelope, data={"metadata": {}})

    assert expected == decode(body).event_type == peek(body).event_type


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("//iam/user/a%40b", Resource(type="user", id="a@b")),
        ("//kafka/topic/a%2Fb%20c", Resource(type="topic", id="a/b c")),
        ("//kafka/topic/%FF", Resource(type="topic", id="\ufffd")),
        (
            "kafka:/cluster/c-1/topic/orders",
            Resource(
                type="topic",
                id="orders",
                parent=Resource(type="cluster", id="c-1"),
            ),
        ),
        (
            "platform:/user/alice@example.com",
            Resource(type="user", id="alice@example.com"),
        ),
        *(
            (text, Resource(type="source", id=text))
            for text in (
                "kafka:/cluster/c-1/connect/c-2/sink",
                "//kafka",
                "//kafka/",
                "//kafka/topic",
                "//kafka/topic/",
                "//kafka//orders",
                "//kafka/topic/orders?x=1",
                "https://github.com/cloudevents/spec",
                "krn://cluster=SJGrCzheTESSpZi3qqi2qQ",
                "a b",
            )
        ),
    ],
)
def test_sources_of_others(source, expected):
    """
    A resource is read from a source of a known form; any other is kept whole.
    """
    assert expected == decode(body_of(source=source)).resource


def test_very_long_sources():
    """
    The innermost eight levels are the resource.
    """
    path = "/".join(f"t{n}/i{n}" for n in range(1000))

    resource = decode(body_of(source=f"//kafka/{path}")).resource

    assert resource.id == "i999"
    for _ in range(7):
        resource = resource.parent
    assert (resource.id, resource.parent) == ("i992", None)


def test_subjects_of_others():
    """
    A CloudEvents subject within a source of any form is the resource.
    """
    event = decode(body_of(source="/spec/pull", subject="123"))

    assert (
        Resource(
            type="subject",
            id="123",
            parent=Resource(type="source", id="/spec/pull"),
        )
        == event.resource
    )


def test_a_type_that_looks_like_the_other_spelling():
    """
    An event may be called as that product spells another.
    """
    name = "AuditLogEventType(A,B,C)"
    event = AuditEvent(event_type=name, resource=ORDERS)

    assert event == decode(encode(event))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"resource": {"name": "x"}, "outcome": 5}, ORDERS),
        ({"resource": {"type": "t"}, "metadata": {}}, ORDERS),
        ({"resource": {"type": "t", "id": "i"}}, Resource(type="t", id="i")),
    ],
)
def test_resources_of_others(data, expected):
    """
    A resource of another form than ours is no damage where others wrote it.
    """
    event = decode(body_of(data=data, correlationid=7))

    assert expected == event.resource
    assert (expected is ORDERS) == ("resource" in event.metadata)
    assert None is event.correlation_id


def test_what_others_wrote_besides_metadata_is_kept():
    """
    Members of data that this library does not know stand in metadata, and
    those of another form than ours too.
    """
    event = decode(
        body_of(
            data={
                "eventType": "Kafka.Topic.Create",
                "user": "alice",
                "actor": "bob",
                "outcome": "failure",
                "name": "hidden",
                "tenant": None,
                "metadata": {"name": "orders"},
            }
        )
    )

    assert event.metadata == {
        "user": "alice",
        "actor": "bob",
        "name": "orders",
        "tenant": None,
    }
    assert Outcome.FAILURE is event.outcome
    assert None is event.actor


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"data": {"appinfoA": "abc"}}, {"appinfoA": "abc"}),
        ({"data": "<much wow/>"}, {"data": "<much wow/>"}),
        ({"data": [1]}, {"data": [1]}),
        ({"data": None}, {"data": None}),
        ({"data": None, "data_base64": "AA=="},) * 2,
        ({"data": {"metadata": [1]}}, {"metadata": [1]}),
    ],
)
def test_any_cloudevents_object(members, expected):
    """
    What another program put into data is metadata.
    """
    event = decode(body_of(type="com.example.done", **members))

    assert expected == event.metadata


def test_the_documented_types():
    """
    77 types; each has three parts, is spelled once and canonical.
    """
    types = conduktor.EVENT_TYPES

    assert 77 == len(types) == len({name.casefold() for name in types})
    assert {3} == {len(name.split(".")) for name in types}
    for name in types:
        assert name == conduktor.canonical(name.upper())
        assert name == conduktor.dotted(conduktor.spelled(name))
    assert {
        "Kafka.Topic.SqlQuery",
        "Kafka.ConsumerGroup.Duplicate",
        "Iam.User.Logout",
        "SelfService.ApplicationInstanceApiKey.Create",
        "Admin.PartnerZone.TokenCreate",
        "Admin.KsqlDB.Update",
    } <= set(types)


def test_the_documentation_lists_every_type():
    """
    The reference page says what the data says.
    """
    root = pathlib.Path(__file__).parents[2]
    page = (root / "docs/reference/event-types.md").read_text("utf-8")
    theirs, _, _ = page.partition("## Those of a publisher itself")
    rows = re.findall(r"^\| `(.+?)` \| (.+) \|$", theirs, re.MULTILINE)

    assert list(conduktor.EVENT_TYPES) == [
        f"{resource}.{action}"
        for resource, actions in rows
        for action in re.findall(r"`(.+?)`", actions)
    ]


def test_aliases_and_unknown_types():
    """
    Release notes spelled some types otherwise; unknown ones stay.
    """
    assert (
        conduktor.canonical("kafka.connector.restarttask")
        == "Kafka.Connector.TaskRestart"
    )
    assert conduktor.canonical("IAM.User.Login") == "Iam.User.Login"
    assert conduktor.canonical("My.own.Type") == "My.own.Type"
    assert conduktor.same("IAM.User.Login", "iam.user.login")
    assert conduktor.same("My.own.Type", "my.Own.type")
    assert not conduktor.same("Iam.User.Login", "Iam.User.Logout")

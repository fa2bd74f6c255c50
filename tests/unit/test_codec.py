"""
One event, one body: what is written, and what of it can be read.
"""

from __future__ import annotations

import copy
import datetime as dt
import importlib.resources
import json
import pathlib

from uuid import UUID

import attrs
import jsonschema
import pytest

from hypothesis import given, settings

from auditlog.codec import (
    CloudEventsCodec,
    ConduktorCodec,
    codec_named,
    decode,
    encode,
    event_uri,
    json_schema,
    peek,
    weigh,
)
from auditlog.errors import ConfigError, DecodingError, EncodingError
from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    Outcome,
    RequestContext,
    Resource,
    Truncation,
)
from tests import strategies


GOLDEN = pathlib.Path(__file__).parent.parent / "golden"

CLUSTER = Resource(type="kafkacluster", id="production")
TOPIC = Resource(type="topic", id="website-orders", parent=CLUSTER)

SMALL = AuditEvent(
    event_type="Kafka.Topic.Create",
    resource=TOPIC,
    metadata={"name": "website-orders", "cluster": "production"},
    occurred_at=dt.datetime(2024, 10, 10, 7, 52, 7, tzinfo=dt.UTC),
    event_id=UUID("01927535-c6db-7000-8000-0123456789ab"),
)

FULL = attrs.evolve(
    SMALL,
    actor=Actor(
        id="alice",
        name="Alice",
        email="alice@example.com",
        on_behalf_of=Actor(id="timer", type="system"),
    ),
    resource=Resource(
        type="topic", id="website-orders", name="Orders", parent=CLUSTER
    ),
    outcome="denied",
    code="403",
    reason="not yours",
    changes=[
        Change(path="retention.ms", old=1, new=[2, {"b": 1, "a": None}]),
        Change(path="name"),
    ],
    request=RequestContext(
        id="r-1",
        source_ip="10.0.0.1",
        user_agent="curl",
        method="POST",
        url="/topics",
        session_id="5e55",
    ),
    tenant="acme",
    severity="high",
    correlation_id="c-1",
    causation_id="c-0",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    occurred_at=dt.datetime(2024, 10, 10, 7, 52, 7, 483140, dt.UTC),
    truncated=Truncation(
        fields=("metadata.report",), original_size=70_000, sha256="ab" * 32
    ),
    replaced=2,
)

NUMBERS = attrs.evolve(
    SMALL,
    metadata={
        "floats": [1e16, 1e-7, -0.0, 5e-324, 0.1, 1.0, 1e22, 123456789.125],
        "integers": [2**53 + 1, 2**64, -(2**63) - 1, 0, -1],
        "text": '\u2028\u2029\u0085\x7f\x1f\t\n"\\/é€😀',
        "😀": 1,
        "\uffff": 2,
        "é": 3,
        "": 4,
    },
)

EXAMPLES = {"small": SMALL, "full": FULL, "numbers": NUMBERS}


def data_of(body):
    return json.loads(body)["data"]


def changed(event=SMALL, /, *, without=(), data=None, **members):
    """
    The body of *event* with other members.
    """
    envelope = json.loads(encode(event)) | members
    if data is not None:
        envelope["data"] = envelope["data"] | data
    for name in without:
        envelope.pop(name, None)
        envelope["data"].pop(name, None)
    return json.dumps(envelope).encode()


@pytest.mark.parametrize("dialect", ["cloudevents", "conduktor"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_golden_bytes(example, dialect):
    """
    Stored bodies are compared and hashed, so no release may write others.
    """
    golden = (GOLDEN / f"{example}.{dialect}.json").read_bytes()
    codec = codec_named(dialect)

    assert golden == codec.encode(EXAMPLES[example])
    assert EXAMPLES[example] == codec.decode(golden)


def test_members_stand_in_the_documented_order():
    """
    The time comes first, for log shippers that look for it there.
    """
    envelope = json.loads(encode(FULL))

    assert [
        *("specversion", "id", "time", "type", "source", "subject"),
        *("datacontenttype", "correlationid", "causationid", "traceparent"),
        "data",
    ] == list(envelope)
    assert [
        *("eventType", "actor", "resource", "outcome", "code", "reason"),
        *("changes", "request", "tenant", "severity", "metadata"),
        *("truncated", "replaced"),
    ] == list(envelope["data"])


def test_unset_members_are_absent():
    """
    A small event has a small body.
    """
    envelope = json.loads(encode(SMALL))

    assert [
        *("specversion", "id", "time", "type", "source", "subject"),
        *("datacontenttype", "data"),
    ] == list(envelope)
    assert list(envelope["data"]) == [
        "eventType",
        "resource",
        "outcome",
        "metadata",
    ]


def test_empty_metadata_is_written():
    """
    Readers may rely on metadata.
    """
    event = attrs.evolve(SMALL, metadata={})

    assert data_of(encode(event))["metadata"] == {}


@pytest.mark.parametrize(
    ("microsecond", "expected"),
    [
        (0, "2024-10-10T07:52:07.000000Z"),
        (1, "2024-10-10T07:52:07.000001Z"),
        (500_000, "2024-10-10T07:52:07.500000Z"),
    ],
)
def test_times_have_six_digits(microsecond, expected):
    """
    All times sort as text.
    """
    time = SMALL.occurred_at.replace(microsecond=microsecond)

    assert (
        expected
        == json.loads(encode(attrs.evolve(SMALL, occurred_at=time)))["time"]
    )


@pytest.mark.parametrize(
    ("event_type", "resource", "expected"),
    [
        (
            "Kafka.Topic.Create",
            TOPIC,
            "//kafka/kafkacluster/production/topic/website-orders",
        ),
        (
            "IAM.User.Login",
            Resource(type="user", id="al@ex.com"),
            "//iam/user/al@ex.com",
        ),
        (
            "A.B",
            Resource(type="a b", id="c/d?e#f%"),
            "//a/a%20b/c%2Fd%3Fe%23f%25",
        ),
        ("A.B", Resource(type="é", id="\n"), "//a/%C3%A9/%0A"),
        ("Ä@:B.C", Resource(type="t", id="i"), "//%C3%A4%40%3Ab/t/i"),
    ],
)
def test_source_names_the_resource(event_type, resource, expected):
    """
    The source is a URI, whatever the resource is called.
    """
    event = AuditEvent(event_type=event_type, resource=resource)

    assert expected == event_uri(event)
    assert expected == json.loads(encode(event))["source"]
    assert (
        "/".join(expected.split("/")[-2:])
        == (json.loads(encode(event))["subject"])
    )


@settings(max_examples=60, deadline=None)
@given(strategies.events())
def test_round_trip(event):
    """
    Any event comes back equal, and is written the same again.
    """
    body = encode(event)

    again = decode(body)

    assert event == again
    assert event.replaced == again.replaced
    assert body == encode(again)
    assert body == encode(attrs.evolve(event))


@settings(max_examples=60, deadline=None)
@given(strategies.events(types=strategies.three_part_types()))
def test_round_trip_in_the_conduktor_dialect(event):
    """
    Seven envelope members lose nothing.
    """
    codec = ConduktorCodec()
    body = codec.encode(event)

    again = codec.decode(body)

    assert event == again
    assert body == codec.encode(again)
    assert CloudEventsCodec().decode(body) == event


@settings(max_examples=60, deadline=None)
@given(strategies.events())
def test_bodies_fit_the_schema(event):
    """
    The shipped schema describes every body.
    """
    VALIDATOR.validate(json.loads(encode(event)))


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_conduktor_bodies_fit_the_schema(example):
    """
    One schema describes both dialects.
    """
    VALIDATOR.validate(json.loads(ConduktorCodec().encode(example)))


def closed(schema):
    """
    *schema* without its leave to have other members.
    """
    if isinstance(schema, dict):
        others = {k: closed(v) for k, v in schema.items()}
        if "properties" in schema:
            others["additionalProperties"] = False
        return others
    return schema


VALIDATOR = jsonschema.Draft202012Validator(
    closed(json_schema()),
    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
)


@pytest.mark.parametrize(
    "body",
    [
        changed(without=["id"]),
        changed(id="7"),
        changed(time="2024-10-10T07:52:07Z"),
        changed(specversion="0.3"),
        changed(without=["metadata"]),
        changed(data={"outcome": "ok"}),
        changed(data={"actor": {"id": "", "type": "user"}}),
        changed(data={"actor": {"id": "x"}}),
        changed(data={"other": 1}),
        changed(data={"resource": {"type": "x", "id": "y", "parent": 1}}),
        changed(data={"replaced": -1}),
    ],
)
def test_the_schema_refuses_what_no_body_is(body):
    """
    The schema says something.
    """
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(json.loads(body))


def test_the_shipped_schema_is_up_to_date():
    """
    If this fails: python -m auditlog.codec > auditlog/codec/audit-event….
    """
    shipped = importlib.resources.files("auditlog.codec").joinpath(
        "audit-event.schema.json"
    )

    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema() == json.loads(shipped.read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-10-10T07:52:07Z", "2024-10-10T07:52:07+00:00"),
        ("2024-10-10t07:52:07z", "2024-10-10T07:52:07+00:00"),
        ("2024-10-10 07:52:07Z", "2024-10-10T07:52:07+00:00"),
        ("2024-10-10T07:52:07.4Z", "2024-10-10T07:52:07.400000+00:00"),
        ("2024-10-10T07:52:07.483Z", "2024-10-10T07:52:07.483000+00:00"),
        ("2024-10-10T07:52:07.483140999Z", "2024-10-10T07:52:07.483140+00:00"),
        ("2024-10-10T07:52:07-05:30", "2024-10-10T13:22:07+00:00"),
        ("2024-10-10T07:52:07-00:00", "2024-10-10T07:52:07+00:00"),
        ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500000+00:00"),
    ],
)
def test_every_rfc_3339_time_reads(text, expected):
    """
    Others write fewer or more digits, zones and leap seconds.
    """
    event = decode(changed(time=text))

    assert expected == event.occurred_at.isoformat()
    assert dt.UTC is event.occurred_at.tzinfo
    assert event.occurred_at == peek(changed(time=text)).occurred_at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-10-10",
        "2024-10-10T07:52Z",
        "2024-10-10T07:52:07",
        "2024-10-10T07:52:07.Z",
        "2024-10-10T07:52:07.1234567890Z",
        "2024-10-10T07:52:07+0530",
        "20241010T075207Z",
        "2024-W41-4T07:52:07Z",
        "2024-02-30T07:52:07Z",
        "2024-10-10T24:52:07Z",
        "2024-10-10T07:52:61Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "2024-10-10T07:52:07Z\n",
        "\uff12\uff10\uff12\uff14-10-10T07:52:07Z",
        7,
        None,
    ],
)
def test_other_times_are_refused(text):
    """
    What is no RFC 3339 time, or none that exists, is no time.
    """
    for read in (decode, peek):
        with pytest.raises(DecodingError, match="'time'"):
            read(changed(time=text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "01927535c6db700080000123456789ab",
        "{01927535-c6db-7000-8000-0123456789ab}",
        "urn:uuid:01927535-c6db-7000-8000-0123456789ab",
        "01927535-c6db-7000-80000123456789ab-",
        5,
        None,
    ],
)
def test_ids_must_be_uuids(text):
    """
    Other people's records are known by their ids.
    """
    for read in (decode, peek):
        with pytest.raises(DecodingError, match="'id'"):
            read(changed(id=text))


def test_any_uuid_version_reads():
    """
    The product makes version 4; case does not matter.
    """
    text = "AD85122C-0041-421E-B04B-6BC2EC901E08"

    assert UUID(text) == decode(changed(id=text)).event_id


@pytest.mark.parametrize(
    "body",
    [
        changed(specversion="0.3"),
        changed(without=["specversion"]),
        changed(without=["source"]),
        changed(source=7),
        changed(type=""),
        changed(without=["type"]),
        changed(type="A B", data={"eventType": "A B"}),
        changed(data={"eventType": 5}),
        changed(data={"eventType": "Kafka.Topic.Delete"}),
        changed(data={"metadata": []}),
        changed(data={"actor": {"id": 5, "type": "user"}}),
        changed(data={"actor": "alice"}),
        changed(data={"resource": {"type": "topic"}}),
        changed(data={"resource": {"type": "topic", "id": 7}}),
        changed(data={"resource": {"type": "topic", "id": ""}}),
        changed(data={"changes": {}}),
        changed(data={"changes": [{"path": 1, "old": 1, "new": 2}]}),
        changed(data={"truncated": {"fields": "abc"}}),
        changed(data={"code": 5}),
        changed(data={"replaced": "2"}),
        changed(correlationid=5),
    ],
)
def test_damaged_records_are_refused(body):
    """
    A record of our own form with a wrong member is no event, and the message
    does not show its content.
    """
    with pytest.raises(DecodingError) as info:
        decode(body)

    assert "alice" not in str(info.value)


def test_unknown_members_and_values_are_tolerated():
    """
    Later versions may write more.
    """
    body = changed(
        FULL,
        later="x",
        data={"later": 1, "actor": {"id": "alice", "type": "robot", "x": 1}},
    )

    event = decode(body)

    assert Actor(id="alice", type="robot") == event.actor
    assert FULL.metadata == event.metadata


def test_null_members_are_absent_ones():
    """
    CloudEvents says so.
    """
    names = ("actor", "code", "changes", "request", "truncated", "replaced")

    event = decode(
        changed(correlationid=None, data=dict.fromkeys(names), subject=None)
    )

    assert event == SMALL


def test_member_order_does_not_matter():
    """
    Other programs, jsonb among them, put members in an order of their own.
    """
    envelope = json.loads(encode(FULL))
    envelope = dict(reversed(envelope.items()))
    envelope["data"] = dict(reversed(envelope["data"].items()))

    assert decode(json.dumps(envelope, indent=2).encode()) == FULL


def test_an_unknown_or_missing_outcome_is_unknown():
    """
    Nothing is claimed that the record does not say.
    """
    for body in (changed(without=["outcome"]), changed(data={"outcome": "x"})):
        assert Outcome.UNKNOWN is decode(body).outcome


def test_json_that_only_the_standard_library_reads():
    """
    Lone surrogates, numbers beyond a double and huge integers still read.
    """
    digits = "7" * 5000
    body = changed(data={"metadata": {"MARK": 1}}).replace(
        b'"MARK": 1',
        b'"s": "\\ud800", "f": 1e400, "i": %s, "n": -%s'
        % (digits.encode(), b"1" * 4300),
    )

    event = decode(body)

    assert {
        "s": "\ufffd",
        "f": "1e400",
        "i": digits,
        "n": -int("1" * 4300),
    } == event.metadata
    assert event.replaced == 1
    assert peek(body).event_id == event.event_id


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bodies_of_any_bytes_like_type(kind):
    """
    Drivers hand out bytes in several types.
    """
    assert decode(kind(encode(FULL))) == FULL
    assert FULL.event_id == peek(kind(encode(FULL))).event_id


def test_peek():
    """
    The envelope alone says which event it is.
    """
    for codec in (CloudEventsCodec(), ConduktorCodec()):
        envelope = peek(codec.encode(FULL))

        assert FULL.event_id == envelope.event_id
        assert FULL.event_type == envelope.event_type
        assert FULL.occurred_at == envelope.occurred_at
        assert event_uri(FULL) == envelope.source


def test_codecs_by_name():
    """
    Configurations name codecs; a wrong name is told the right ones.
    """
    assert codec_named("cloudevents").name == "cloudevents"
    assert codec_named("conduktor").name == "conduktor"
    with pytest.raises(
        ConfigError,
        match="no codec is called 'x'; choose 'cloudevents' or 'conduktor'",
    ):
        codec_named("x")


def test_encoding_leaves_the_event_alone():
    """
    The same event is encoded for several sinks.
    """
    event = copy.deepcopy(FULL)

    encode(event)
    ConduktorCodec().encode(event)

    assert event == FULL


@pytest.mark.parametrize(
    "large",
    [
        {"metadata": {"x": "x" * 10_000}},
        {"reason": "x" * 10_000},
        {"resource": Resource(type="thing", id="x" * 10_000)},
        {"request": RequestContext(url="x" * 10_000)},
        {"request": RequestContext(user_agent="x" * 10_000)},
        {"changes": [Change(path="a", old="x" * 10_000, new=None)]},
        {"changes": [Change(path="a", old=1, new=["x" * 10_000])]},
    ],
)
def test_what_can_be_large_counts_for_the_weight(large):
    """
    A buffer that is bounded by weight is bounded by what clients send.
    """
    fields = {"event_type": "A.B.C", "resource": Resource(type="a", id="b")}

    small = weigh(AuditEvent(**fields))
    heavy = weigh(AuditEvent(**{**fields, **large}))

    assert 9_990 < heavy - small < 10_100


def test_check_tells_what_encode_would():
    """
    A publisher learns at once that an event has no body in a dialect.
    """
    event = AuditEvent(
        event_type="Login", resource=Resource(type="user", id="1")
    )

    codec_named("cloudevents").check(event)
    with pytest.raises(EncodingError, match="needs three parts"):
        codec_named("conduktor").check(event)

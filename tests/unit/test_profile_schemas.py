"""
What profiles write fits the schemas that their targets publish.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import re

import attrs
import jsonschema
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from auditlog.abc import Record
from auditlog.codec import encode
from auditlog.event import AuditEvent, Resource
from auditlog.profiles import profile_named
from tests import ecs_fields
from tests.siem_tools import EXAMPLES, FULL, long_event
from tests.strategies import events


ACTIONS = [
    *("Create", "Browse", "Update", "Delete", "Login", "Logout", "Approve"),
    *("Enable", "Deactivate", "Assign", "Revoke", "Restart", "Pause"),
]
KINDS = ["topic", "user", "Group", "service_account", "invoice"]


def common_events():
    """
    Events of all classes, kinds and outcomes, with any other field.
    """
    types = st.sampled_from([f"App.Thing.{action}" for action in ACTIONS])
    resources = st.builds(
        Resource, type=st.sampled_from(KINDS), id=st.text(min_size=1)
    )
    return st.builds(
        lambda event, resource: attrs.evolve(event, resource=resource),
        events(types=types),
        resources,
    )


def any_event():
    """
    Events of each kind, and the examples.
    """
    return (
        events()
        | common_events()
        | st.sampled_from([*EXAMPLES.values(), long_event()])
    )


@functools.cache
def ocsf_schema():
    return get_ocsf_schema(version="1.8.0")


@functools.cache
def ocsf_validator(class_uid, profiles):
    schema = OcsfJsonSchemaEmbedded(ocsf_schema())
    name = schema.lookup_class_name_from_uid(class_uid=class_uid)
    made = schema.get_class_schema(class_name=name, profiles=list(profiles))
    return jsonschema.Draft202012Validator(made)


def ocsf_class(uid):
    kinds = ocsf_schema()["classes"].values()
    return next(kind for kind in kinds if kind["uid"] == uid)


def check_ocsf(members):
    """
    What the JSON Schema knows, and what only the dictionary does: the form
    of addresses, the names of numbers, and what is no longer to be used.
    """
    uid = members["class_uid"]
    profiles = tuple(members["metadata"].get("profiles", ()))
    ocsf_validator(uid, profiles).validate(members)
    kind = ocsf_class(uid)
    check_attributes(kind["attributes"], members)
    assert uid * 100 + members["activity_id"] == members["type_uid"]
    assert uid // 1000 == members["category_uid"]
    assert kind["caption"] == members["class_name"]
    assert "@deprecated" not in kind
    assert set(profiles) <= {*kind["profiles"]}


def check_attributes(attributes, members):
    for name, value in members.items():
        attribute = attributes[name]
        assert "@deprecated" not in attribute, name
        for item in value if isinstance(value, list) else [value]:
            check_value(attribute, item)
        if "enum" in attribute and value != 99:
            caption = attribute["enum"][str(value)]["caption"]
            sibling = members.get(attribute.get("sibling"), caption)
            same = name in {"activity_id", "type_uid"} or caption == sibling
            assert same, (name, value, sibling)


def check_value(attribute, value):
    types = ocsf_schema()["dictionary"]["types"]["attributes"]
    if attribute["type"] == "object_t":
        inner = ocsf_schema()["objects"][attribute["object_type"]]
        if attribute["object_type"] != "object":
            check_attributes(inner["attributes"], value)
        return
    kind = types[attribute["type"]]
    if "regex" in kind:
        assert re.search(kind["regex"], value), (attribute["caption"], value)


@given(event=any_event(), keep_body=st.booleans())
@settings(max_examples=150)
def test_ocsf_fits_its_schema(event, keep_body):
    """
    Any event is valid OCSF 1.8.0, in its class and with its profiles.
    """
    profile = attrs.evolve(profile_named("ocsf"), keep_body=keep_body)

    check_ocsf(profile.convert(event))


@pytest.mark.parametrize(
    ("action", "kind", "class_uid", "activity"),
    [
        ("Create", "topic", 6003, 1),
        ("Browse", "topic", 6003, 2),
        ("Browse", "user", 6003, 2),
        ("Update", "topic", 6003, 3),
        ("Delete", "topic", 6003, 4),
        ("Approve", "invoice", 6003, 99),
        ("Login", "user", 3002, 1),
        ("Logout", "session", 3002, 2),
        ("Create", "user", 3001, 1),
        ("Activate", "user", 3001, 2),
        ("Lock", "user", 3001, 5),
        ("Delete", "service_account", 3001, 6),
        ("Update", "user", 3001, 99),
        ("Assign", "group", 3006, 1),
        ("Delete", "Group", 3006, 5),
        ("Create", "group", 3006, 6),
    ],
)
def test_ocsf_classes(action, kind, class_uid, activity):
    """
    The class follows from what was done to what.
    """
    event = attrs.evolve(
        FULL,
        event_type=f"App.Thing.{action}",
        resource=Resource(type=kind, id="7"),
    )

    members = profile_named("ocsf").convert(event)

    check_ocsf(members)
    assert (class_uid, activity) == (
        members["class_uid"],
        members["activity_id"],
    )


def test_ocsf_check_sees_mistakes():
    """
    The validator of the tests itself refuses what is wrong.
    """
    good = profile_named("ocsf").convert(FULL)
    check_ocsf(good)

    for change in (
        {"class_uid": 6004},
        {"time": "now"},
        {"actor": {}},
        {"status": "Well"},
        {"extra": 1},
        {"src_endpoint": {"ip": "host"}},
        {"actor": {"invoked_by": "x"}},
    ):
        with pytest.raises(
            (AssertionError, jsonschema.ValidationError, StopIteration)
        ):
            check_ocsf(good | change)


def leaves(members, path=""):
    """
    Dotted names and values, down to where an object is one field.
    """
    for name, value in members.items():
        where = f"{path}{name}"
        if isinstance(value, dict) and where not in {"labels", "auditlog"}:
            yield from leaves(value, f"{where}.")
        else:
            yield where, value


def check_type(kind, value):
    match kind:
        case "long":
            assert type(value) is int
            assert abs(value) < 2**63
        case "date":
            assert re.fullmatch(
                r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z", str(value)
            )
        case "ip":
            assert "%" not in str(ipaddress.ip_address(value))
        case "object":
            assert {str} == {*map(type, value.values())}
            assert not any("." in name for name in value)
        case _:
            assert type(value) is str


def check_ecs(members):
    for name, value in leaves(members):
        if name == "auditlog":
            continue
        kind = ecs_fields.FIELDS[name]
        assert isinstance(value, list) == (name in ecs_fields.LISTS)
        for item in value if isinstance(value, list) else [value]:
            check_type(kind, item)
    event = members["event"]
    expected = [ecs_fields.TYPES[name] for name in event["category"]]
    assert {*event["type"]} <= set().union(*expected)
    assert event["outcome"] in ecs_fields.OUTCOMES


@given(any_event())
@settings(max_examples=150)
def test_ecs_has_only_its_fields(event):
    """
    Any event has fields of ECS, of their types, with allowed values; all
    else is below one field of ours.
    """
    check_ecs(profile_named("ecs").convert(event))


def test_ecs_check_sees_mistakes():
    """
    The check of the tests itself refuses what is wrong.
    """
    good = profile_named("ecs").convert(FULL)

    for change in (
        {"usr": {"id": "x"}},
        {"@timestamp": 5},
        {"source": {"ip": "host"}},
        {"event": good["event"] | {"type": ["login"]}},
        {"event": good["event"] | {"severity": "high"}},
        {"labels": {"a": 1}},
    ):
        with pytest.raises((AssertionError, KeyError, ValueError)):
            check_ecs(good | change)


# From Microsoft's reference of the audit schema, and of common fields.
TEXT = {"type": "string", "minLength": 1}
TIME = {"type": "string", "format": "date-time", "pattern": "Z$"}
ASIM = {
    "type": "object",
    "required": [
        *("EventCount", "EventStartTime", "EventEndTime", "EventType"),
        *("EventResult", "EventProduct", "EventVendor", "EventSchema"),
        *("EventSchemaVersion", "Dvc", "Operation", "Object"),
    ],
    "properties": {
        "TimeGenerated": TIME,
        "EventCount": {"const": 1},
        "EventStartTime": TIME,
        "EventEndTime": TIME,
        "EventType": {
            "enum": [
                *("Set", "Read", "Create", "Delete", "Execute", "Install"),
                *("Clear", "Enable", "Disable", "Initialize", "Start"),
                *("Stop", "Other"),
            ]
        },
        "EventResult": {"enum": ["Success", "Partial", "Failure", "NA"]},
        "EventSeverity": {"enum": ["Informational", "Low", "Medium", "High"]},
        "EventSchema": {"const": "AuditEvent"},
        "EventSchemaVersion": {"const": "0.1.2"},
        "ActorUserType": {
            "enum": [
                *("Regular", "Machine", "Admin", "System", "Application"),
                *("Service Principal", "Other"),
            ]
        },
        "ActorUsernameType": {"enum": ["UPN", "Windows", "DN", "Simple"]},
        "AdditionalFields": {"type": "object"},
    }
    | dict.fromkeys(
        (
            *("ActorOriginalUserType", "ActorSessionId", "ActorUserId"),
            *("ActorUserIdType", "ActorUsername", "Dvc", "EventMessage"),
            *("EventOriginalResultDetails", "EventOriginalSeverity"),
            *("EventOriginalType", "EventOriginalUid", "EventProduct"),
            *("EventProductVersion", "EventResultDetails", "EventVendor"),
            *("HttpUserAgent", "NewValue", "Object", "ObjectId"),
            *("ObjectType", "OldValue", "Operation", "OriginalObjectType"),
            *("SrcIpAddr", "TargetAppName"),
        ),
        TEXT,
    ),
    "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]{0,44}$"},
    "additionalProperties": False,
}

# From Graylog's page on the format.
GELF = {
    "type": "object",
    "required": ["version", "host", "short_message", "timestamp", "level"],
    "properties": {
        "version": {"const": "1.1"},
        "host": TEXT,
        "short_message": TEXT,
        "timestamp": {"type": "number"},
        "level": {"enum": [*range(8)]},
        "_id": False,
    },
    "patternProperties": {r"^_[\w.\-]+$": {"type": ["string", "number"]}},
    "additionalProperties": False,
}

# From Splunk's page on the collector.
HEC = {
    "type": "object",
    "required": ["time", "event"],
    "properties": {
        "time": {"type": "number"},
        "host": TEXT,
        "source": TEXT,
        "sourcetype": TEXT,
        "index": TEXT,
        "event": {"type": "object", "minProperties": 1},
        "fields": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number"]},
        },
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("name", "schema"), [("asim", ASIM), ("gelf", GELF), ("splunk-hec", HEC)]
)
@given(event=any_event(), index=st.none() | st.integers(1, 2**63))
def test_other_shapes_fit_their_schema(name, schema, event, index):
    """
    Any event has the members that the target knows, and no others.
    """
    record = Record(
        event_id=event.event_id,
        body=encode(event),
        index=index,
        recorded_at=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
    )

    members = profile_named(name).convert(record)

    jsonschema.Draft202012Validator(schema).validate(members)


@given(event=any_event())
def test_splunk_has_the_body_and_its_time(event):
    """
    What Splunk indexes is the event that was stored, at its time.
    """
    members = profile_named("splunk-hec").convert(event)

    assert profile_named("cloudevents").convert(event) == members["event"]
    if 1684 < event.occurred_at.year < 2255:
        found = dt.timedelta(microseconds=round(members["time"] * 1_000_000))
        epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        assert event.occurred_at == epoch + found


@pytest.mark.parametrize("name", ["asim", "gelf"])
def test_values_are_cut_to_what_a_field_holds(name):
    """
    A value that the target's index would refuse is cut, and counted.
    """
    event = attrs.evolve(FULL, changes=(), reason="é" * 20_000)

    line, is_cut = profile_named(name).render(event)
    whole, is_whole = profile_named(name).render(FULL)

    assert is_cut
    assert not is_whole
    assert 30_000 < len(line) < 36_000 + len(whole)
    assert "é…".encode() in line


def test_events_of_others_are_valid_too():
    """
    What a foreign program wrote has no actor and no source; that is said.
    """
    body = (
        b'{"specversion":"1.0","id":"ad85122c-0041-421e-b04b-6bc2ec901e08",'
        b'"time":"2024-10-10T07:52:07Z","type":"x.y","source":"urn:z",'
        b'"data":5}'
    )
    members = profile_named("ocsf").convert(body)

    check_ocsf(members)
    check_ecs(profile_named("ecs").convert(body))
    assert {"name": "Unknown", "type_id": 0} == members["actor"]["user"]
    assert {"data": 5} == members["unmapped"]["metadata"]
    assert isinstance(members, dict)
    assert not isinstance(members, AuditEvent)

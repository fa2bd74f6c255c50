"""
Events in the shapes of SIEMs: always a line, always the same, never too long.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import pathlib

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog import codec
from auditlog.abc import Record
from auditlog.errors import ConfigError
from auditlog.event import AuditEvent, Resource
from auditlog.profiles import (
    ECS,
    GELF,
    LEEF,
    OCSF,
    PROFILES,
    SplunkHEC,
    profile_named,
)
from auditlog.profiles._verbs import verb_of
from tests.siem_tools import (
    DENIED,
    EXAMPLES,
    FULL,
    HOSTILE,
    MINIMAL,
    long_event,
    widest_event,
)
from tests.strategies import events


GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "profiles"

# What ends a line somewhere, or does something to a terminal.
CONTROLS = {*map(chr, [*range(32), *range(127, 160)]), "\u2028", "\u2029"}

ALL = [*PROFILES]
CUTTING = [name for name in ALL if name != "cloudevents"]


def with_limit(name, limit):
    return attrs.evolve(profile_named(name), max_line_bytes=limit)


def foreign_bodies():
    """
    What else may stand in a topic.
    """
    return [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'{"id":1}',
        b'{"specversion":"1.0"}',
        b"[" * 100_000,
        b"9" * 10_000,
        b" " * 1_000_000,
    ]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("example", EXAMPLES)
def test_golden_lines(example, name):
    """
    What people's rules and dashboards match stays as it is.
    """
    path = GOLDEN / f"{example}.{name}.txt"
    line = profile_named(name).line(EXAMPLES[example]) + b"\n"
    if os.environ.get("AUDITLOG_WRITE_GOLDEN"):
        path.write_bytes(line)

    assert path.read_bytes() == line


@pytest.mark.parametrize("name", ALL)
@given(event=events())
def test_any_event_becomes_one_line(name, event):
    """
    No event breaks a profile, a line or a terminal, and what is converted
    is what the line holds.
    """
    profile = profile_named(name)

    line = profile.line(event)

    text = line.decode()
    allowed = {"\t"} if name == "leef" else set()
    if name != "cloudevents":
        assert set() == (CONTROLS & {*text}) - allowed
    assert b"\n" not in line
    assert b"\r" not in line
    members = profile.convert(event)
    assert members
    if profile.is_json and not profile.render(event).is_cut:
        assert members == json.loads(line)


@pytest.mark.parametrize("name", CUTTING)
@given(body=st.binary() | st.sampled_from(foreign_bodies()))
def test_what_is_no_event_gives_nothing(name, body):
    """
    Other programs' bytes are no error.
    """
    profile = profile_named(name)
    record = Record(event_id=MINIMAL.event_id, body=body)

    assert None is profile.convert(body) is profile.convert(record)
    assert None is profile.line(body) is profile.line(record)


def test_cloudevents_are_the_bytes():
    """
    The verbatim profile looks at nothing, and line breaks become blanks.
    """
    profile = profile_named("cloudevents")
    record = Record(event_id=FULL.event_id, body=b'\xff{\r\n"a": 1}')

    assert b'\xff{  "a": 1}' == profile.line(record)
    assert profile.convert(record) is None
    assert codec.encode(FULL) == profile.line(FULL)
    assert json.loads(codec.encode(FULL)) == profile.convert(FULL)


@pytest.mark.parametrize("name", ALL)
def test_event_body_and_record_are_the_same(name):
    """
    It doesn't matter what is converted.
    """
    profile = profile_named(name)
    body = codec.encode(FULL)
    record = Record(event_id=FULL.event_id, body=body)

    assert profile.line(FULL) == profile.line(body) == profile.line(record)
    assert profile.convert(FULL) == profile.convert(body)


@pytest.mark.parametrize("name", CUTTING)
def test_legacy_lines_are_read(name):
    """
    What Conduktor Console wrote becomes the same shape.
    """
    body = codec.codec_named("conduktor").encode(FULL)

    assert profile_named(name).line(body) is not None


@pytest.mark.parametrize("name", CUTTING)
def test_odd_bodies_are_read(name):
    """
    What the codec takes and JSON libraries refuse: a mark, lone surrogates,
    numbers without end.
    """
    members = json.loads(codec.encode(MINIMAL))
    members["data"]["metadata"] = {"a": "\ud800", "b": 0}
    body = json.dumps(members).replace(": 0}", ": " + "9" * 5_000 + "}")

    line = profile_named(name).line(b"\xef\xbb\xbf" + body.encode())

    assert line is not None


@pytest.mark.parametrize("name", CUTTING)
@given(
    event=events() | st.sampled_from([long_event(), widest_event(), HOSTILE]),
    limit=st.integers(4_096, 20_000),
)
@settings(max_examples=25)
def test_no_line_is_too_long(name, event, limit):
    """
    Whatever is in an event, its line fits, is whole, and says if it was cut.
    """
    profile = with_limit(name, limit)

    data, is_cut = profile.render(event)

    assert len(data) <= limit
    if profile.is_json:
        json.loads(data)
    whole = with_limit(name, None).render(event)
    assert is_cut == (whole.is_cut or len(whole.data) > limit)
    if not is_cut:
        assert data == whole.data


@pytest.mark.parametrize("name", CUTTING)
def test_what_is_cut_last_stays(name):
    """
    The longest event of all still says when, who, what and how it ended.
    """
    event = widest_event()

    line = with_limit(name, 4_096).line(event).decode()

    assert str(event.event_id) in line
    assert "attempt" in line
    assert line.count("😀😀😀") > 1


def test_cut_lines_say_so_and_name_the_body():
    """
    A reader sees what went, and finds the whole body by its hash.
    """
    event = long_event()
    members = json.loads(with_limit("ocsf", 4_096).line(event))

    whole = with_limit("ocsf", None).convert(event)
    cut = members["unmapped"]["truncated"]
    assert members["metadata"]["is_truncated"] is True
    assert whole["raw_data_hash"]["value"] == cut["sha256"]
    assert len(codec.encode(event)) == cut["originalSize"]
    assert "changes" in cut["fields"]
    assert whole["raw_data_hash"] == members["raw_data_hash"]


def test_what_was_cut_before_is_still_told():
    """
    An event that was stored cut names its original, not its rest.
    """
    event = long_event(metadata={f"m{n}": "x" * 4_000 for n in range(30)})
    stored = codec.decode(codec.encode(event))

    members = json.loads(with_limit("ecs", 4_096).line(event))

    assert members["auditlog"]["truncated"]["sha256"] == (
        stored.truncated.sha256
    )


@pytest.mark.parametrize("kind", [OCSF, ECS])
def test_bodies_come_along_where_wanted(kind):
    """
    The body stands beside the shape, and goes first if a line is too long.
    """
    name = {"ocsf": "raw_data", "ecs": "event"}[kind.name]
    body = codec.encode(FULL).decode()

    members = kind(keep_body=True).convert(FULL)
    short = kind(keep_body=True, max_line_bytes=4_096).line(long_event())

    found = members[name]
    assert body == (found if name == "raw_data" else found["original"])
    assert b'"raw_data":' not in short
    assert b'"original":"{' not in short


@pytest.mark.parametrize("name", ALL)
def test_journal_and_time_of_storing_come_along(name):
    """
    Where an event stood is kept where the target has a place for it.
    """
    record = Record(
        event_id=FULL.event_id,
        body=codec.encode(FULL),
        index=4_711,
        recorded_at=dt.datetime(2025, 1, 2, 3, 4, 5, 6, dt.UTC),
    )

    line = profile_named(name).line(record)

    assert (b"4711" in line) == (name != "cloudevents")


def test_settings_go_into_the_lines():
    """
    Vendor, product and host are the application's.
    """
    ours = {"vendor": "ACME", "product": "billing", "product_version": "7"}

    assert b"LEEF:2.0|ACME|billing|7|" in LEEF(**ours).line(MINIMAL)
    assert "db1" == GELF(host="db1").convert(MINIMAL)["host"]
    hec = SplunkHEC(splunk_index="audit", sourcetype="a:b", **ours)
    assert ("audit", "a:b") == (
        hec.convert(MINIMAL)["index"],
        hec.convert(MINIMAL)["sourcetype"],
    )
    product = OCSF(**ours).convert(MINIMAL)["metadata"]["product"]
    assert {"name": "billing", "vendor_name": "ACME", "version": "7"} == (
        product
    )


def test_wrong_settings_are_refused_all_at_once():
    """
    A profile that can't work isn't built.
    """
    with pytest.raises(ConfigError) as caught:
        LEEF(vendor="", product="p" * 65, max_line_bytes=4_095)

    assert [m[:32] for m in caught.value.mistakes] == [
        "'vendor' must be a text of 1 to ",
        "'product' must be a text of 1 to",
        "'max_line_bytes' must be None or",
    ]
    with pytest.raises(ConfigError, match="'splunk_index' must be None or"):
        SplunkHEC(splunk_index="")


@pytest.mark.parametrize("name", ALL)
def test_settings_are_of_all_lengths(name):
    """
    The longest settings leave room for the event.
    """
    wide = "\\" * 64
    kind = PROFILES[name]
    texts = [f.name for f in attrs.fields(kind) if f.type == "str"]
    profile = kind(**dict.fromkeys(texts, wide), max_line_bytes=4_096)

    line = profile.line(widest_event())

    assert name == "cloudevents" or len(line) <= 4_096


def test_names_are_known_and_near_misses_are_told():
    """
    A typo is answered by the name that was meant.
    """
    assert [str(profile_named(name)) for name in ALL] == [
        "cloudevents@1.0",
        "ocsf@1.8.0",
        "ecs@9.4.0",
        "splunk-hec@1.0",
        "asim@0.1.2",
        "gelf@1.1",
        "cef@0",
        "leef@2.0",
    ]
    with pytest.raises(ConfigError, match=r"'ocfs'; did you mean 'ocsf'\?"):
        profile_named("ocfs")
    with pytest.raises(ConfigError, match="choose 'cloudevents', 'ocsf'"):
        profile_named("xml")


@pytest.mark.parametrize(
    ("event_type", "verb"),
    [
        ("Kafka.Topic.Create", "create"),
        ("topic.Created", "create"),
        ("Kafka.Connector.TaskRestart", "start"),
        ("Kafka.Connector.AutoRestartStop", "stop"),
        ("Kafka.Topic.ProduceRecord", "create"),
        ("Kafka.Topic.SqlQuery", "read"),
        ("Kafka.Topic.Empty", "delete"),
        ("Kafka.Subject.ChangeCompatibility", "update"),
        ("Admin.PartnerZone.TokenCreate", "create"),
        ("Iam.User.Login", "login"),
        ("Iam.User.sign_in", "login"),
        ("Iam.User.LogOut", "logout"),
        ("App.User.LOGGED", "other"),
        ("App.Invoice.Approve", "other"),
        ("Delete", "delete"),
        ("削除", "other"),
    ],
)
def test_verbs_are_read_from_types(event_type, verb):
    """
    The last word that is known says what kind of action it was.
    """
    assert verb == verb_of(event_type)


@pytest.mark.parametrize(
    ("severity", "number", "cef", "syslog"),
    [
        (None, 1, "1", 6),
        ("Info", 1, "1", 6),
        (" WARNING ", 3, "5", 4),
        ("critical", 5, "9", 2),
        ("fatal", 6, "10", 1),
        ("frightening", 99, "1", 6),
    ],
)
def test_severities_are_on_each_scale(severity, number, cef, syslog):
    """
    Words that everybody knows count; others are kept and raise no alarm.
    """
    event = attrs.evolve(DENIED, severity=severity)

    ocsf = profile_named("ocsf").convert(event)
    assert number == ocsf["severity_id"]
    if number == 99:
        assert severity == ocsf["severity"]
    assert cef == profile_named("cef").line(event).decode().split("|")[6]
    assert syslog == profile_named("gelf").convert(event)["level"]


def test_times_before_1970_have_numbers():
    """
    Seconds and milliseconds go below zero, rounded down.
    """
    event = AuditEvent(
        event_type="A.B.C",
        resource=Resource(type="t", id="i"),
        occurred_at=dt.datetime(1969, 12, 31, 23, 59, 59, 999_500, dt.UTC),
    )

    assert -1 == profile_named("ocsf").convert(event)["time"]
    assert -0.0005 == profile_named("gelf").convert(event)["timestamp"]

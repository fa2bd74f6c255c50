"""
The page on profiles says what is written, and where.
"""

from __future__ import annotations

import json
import pathlib
import re

import attrs
import pytest

from auditlog.abc import Record
from auditlog.codec import encode
from auditlog.event import AuditEvent, Resource
from auditlog.profiles import PROFILES, profile_named
from auditlog.profiles._scale import _WORDS as SEVERITIES
from auditlog.profiles._verbs import _WORDS as VERBS
from tests.siem_tools import EXAMPLES, FULL, long_event


PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "profiles.md"

# Members whose members are ours to choose, and must be on the page.
OPEN = ("unmapped.", "labels.", "auditlog.", "AdditionalFields.")

# Members that are the same for all events, or are but told by their members.
CONSTANT = {
    *("ecs", "event", "user", "group", "source", "http", "url", "labels"),
    *("organization", "service", "trace", "span", "log", "related"),
    *("user_agent", "auditlog", "metadata", "actor", "api", "resources"),
    *("src_endpoint", "http_request", "unmapped", "activity_id", "host"),
    *("version", "level", "name", "severity", "vendor", "product"),
    *("AdditionalFields", "Dvc", "EventVendor", "EventProduct"),
    *("EventProductVersion", "EventSchema", "EventSchemaVersion"),
    *("ActorUserIdType", "ActorUsernameType", "deviceVendor"),
    *("deviceProduct", "deviceVersion", "deviceEventClassId", "eventId"),
    *(f"cs{n}Label" for n in range(1, 7)),
    *("cn1Label", "cn2Label", "flexString1Label", "flexString2Label"),
    "c6a2Label",
}

# Members that applications choose.
FREE = {"unmapped.metadata", "auditlog.metadata", "AdditionalFields.metadata"}


def sample():
    """
    Records in which each member is there at least once.
    """
    resources = [
        Resource(type=kind, id="7", name="n")
        for kind in ("user", "group", "session")
    ]
    events = [
        *EXAMPLES.values(),
        long_event(),
        *(attrs.evolve(FULL, resource=resource) for resource in resources),
        *(
            attrs.evolve(FULL, resource=resource, event_type=f"A.B.{action}")
            for resource in resources
            for action in ("Login", "Logout")
        ),
        long_event(metadata={f"m{n}": "x" * 9_000 for n in range(9)}),
        attrs.evolve(FULL, request=attrs.evolve(FULL.request, method="LOCK")),
        attrs.evolve(
            FULL, request=attrs.evolve(FULL.request, source_ip="10.0.0.7")
        ),
    ]
    for event in events:
        yield Record(
            event_id=event.event_id,
            body=encode(event),
            index=7,
            recorded_at=event.occurred_at,
        )


def paths(value, path=""):
    """
    Dotted names of all members, with ``[]`` for the items of lists.
    """
    if path in FREE or not isinstance(value, dict | list):
        return
    if isinstance(value, list):
        for item in value:
            yield from paths(item, f"{path}[]")
        return
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        yield where
        yield from paths(item, where)


def written(name):
    """
    All that a profile writes of the sample, whole and cut.
    """
    profile = attrs.evolve(profile_named(name), max_line_bytes=4_096)
    if "keep_body" in attrs.fields_dict(type(profile)):
        profile = attrs.evolve(profile, keep_body=True)
    found = set()
    for record in sample():
        found |= {*paths(profile.convert(record))}
        if profile.is_json:
            found |= {*paths(json.loads(profile.line(record)))}
    return found


def columns(heading):
    """
    The cells of the first table below *heading*, by the names of columns.
    """
    text = PAGE.read_text("utf-8").split(f"## {heading}\n")[1]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0]
    # A pipe in a cell is escaped.
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
    names = [name.strip() for name in rows[0]]
    cells = zip(*rows[2:], strict=True)
    return dict(zip(names, map("\n".join, cells), strict=True))


def named(cells):
    """
    Names of fields in cells; ``.name`` is short for one of the name before.
    """
    return {n for n in re.findall(r"`([\w.@\[\]]+)`", cells) if n[0] != "."}


@pytest.mark.parametrize(
    ("heading", "column", "name", "others"),
    [
        ("Fields of OCSF and ECS", "OCSF", "ocsf", {"Unknown", "type"}),
        ("Fields of OCSF and ECS", "ECS", "ecs", set()),
        ("Fields of ASIM, GELF, CEF and LEEF", "ASIM", "asim", set()),
        ("Fields of ASIM, GELF, CEF and LEEF", "GELF", "gelf", set()),
        ("Fields of ASIM, GELF, CEF and LEEF", "CEF", "cef", set()),
        ("Fields of ASIM, GELF, CEF and LEEF", "LEEF", "leef", set()),
    ],
)
def test_page_names_the_fields(heading, column, name, others):
    """
    Each field that the page names is written, and each that is written and
    ours to choose is on the page.
    """
    found = written(name)
    cells = columns(heading)[column]

    assert named(cells) - others <= found
    for path in found:
        inner = path.partition(".")[2] if path.startswith(OPEN) else path
        if "." not in inner and inner not in CONSTANT and inner:
            assert re.search(rf"(?<!\w){re.escape(inner)}\b", cells), path


def test_page_names_the_words():
    """
    The words for kinds of actions and for severities are those of the code.
    """
    kinds = columns("What kind of action it was")
    words = dict(
        zip(
            kinds["Kind"].replace(" ", "").split("\n"),
            kinds["Words"].split("\n"),
            strict=True,
        )
    )
    severities = columns("Severity")["Ours"]

    for verb, known in VERBS.items():
        assert sorted(known.split()) == words[verb].strip().split(", ")
    for known in SEVERITIES.values():
        assert {*known.split()} <= {*re.findall(r"`([\w-]+)`", severities)}


def test_page_names_profiles_and_limits():
    """
    The first table has each profile, with its schema and its limit.
    """
    text = PAGE.read_text("utf-8")

    for name, kind in PROFILES.items():
        row = re.search(rf"\| `{name}` \| `{kind.__name__}` \| .*", text)[0]
        limit = profile_named(name).max_line_bytes
        assert re.search(rf"[ :]{kind.schema} \| {kind.mapping} \|", row)
        if name != "cloudevents":
            assert (f" {limit:,} " if limit else " none ") in row
        exporter = "JSONExporter" if kind.is_json else "LinesExporter"
        assert exporter in row


def test_sample_has_all_kinds_of_events():
    """
    What is looked at are events.
    """
    assert all(isinstance(record.event, AuditEvent) for record in sample())

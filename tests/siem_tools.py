"""
What reads lines of SIEMs as their vendors say, and events to write them of.

No well-kept package reads LEEF, and those for CEF know no escapes in the
header, so both readers are written from the vendors' texts, strictly: what
the text doesn't allow is an error.
"""

from __future__ import annotations

import datetime as dt
import re

from uuid import UUID

import attrs

from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    RequestContext,
    Resource,
)


CLUSTER = Resource(type="kafkacluster", id="production")

MINIMAL = AuditEvent(
    event_type="Kafka.Topic.Create",
    resource=Resource(type="topic", id="website-orders"),
    occurred_at=dt.datetime(2024, 10, 10, 7, 52, 7, tzinfo=dt.UTC),
    event_id=UUID("01927535-c6db-7000-8000-0123456789ab"),
)

FULL = AuditEvent(
    event_type="Kafka.Topic.Update",
    actor=Actor(
        id="alice",
        name="Alice Liddell",
        email="alice@example.com",
        on_behalf_of=Actor(id="nightly", type="system"),
    ),
    resource=Resource(
        type="topic", id="website-orders", name="Orders", parent=CLUSTER
    ),
    outcome="failure",
    code="INVALID_CONFIG",
    reason="retention.ms must be positive",
    changes=[Change(path="retention.ms", old=604_800_000, new=-5)],
    request=RequestContext(
        id="r-81",
        source_ip="2001:db8::7",
        user_agent="curl/8.5",
        method="PATCH",
        url="/api/topics/website-orders",
        session_id="5e55",
    ),
    tenant="acme",
    severity="high",
    correlation_id="c-1",
    causation_id="c-0",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    metadata={"partitions": 3, "labels": {"team": "web"}, "tags": ["a", "b"]},
    occurred_at=dt.datetime(2024, 10, 10, 7, 52, 7, 483140, dt.UTC),
    event_id=UUID("01927535-c6db-7000-8000-0123456789ac"),
)

DENIED = AuditEvent(
    event_type="Iam.User.Login",
    actor=Actor(id="anonymous", type="anonymous"),
    resource=Resource(type="user", id="mallory@example.net"),
    outcome="denied",
    code="invalid_credentials",
    request=RequestContext(source_ip="203.0.113.9"),
    severity="frightening",
    occurred_at=dt.datetime(2024, 10, 10, 7, 52, 8, tzinfo=dt.UTC),
    event_id=UUID("01927535-c6db-7000-8000-0123456789ad"),
)

NASTY = '|=\\ "\t\r\n\x01\x7f\x85\u2028\u202e</script>é😀 cs1=x src=1.2.3.4'

HOSTILE = AuditEvent(
    event_type="A|b=c\\d.E\"f'.G",
    actor=Actor(
        id=f"id{NASTY}", type=f"t{NASTY}", name=f"n{NASTY}", email=NASTY
    ),
    resource=Resource(type=f"t{NASTY}", id=f"r{NASTY}", name=NASTY),
    outcome="attempt",
    code=f"c{NASTY}",
    reason=f" {NASTY} ",
    changes=[Change(path=NASTY, old=NASTY, new={NASTY: [NASTY, 2**70, 1e16]})],
    request=RequestContext(
        id=NASTY,
        source_ip="localhost\n",
        user_agent=NASTY,
        method=NASTY,
        url=NASTY,
        session_id=NASTY,
    ),
    tenant=NASTY,
    severity=NASTY,
    correlation_id=NASTY,
    causation_id=NASTY,
    traceparent=NASTY,
    metadata={NASTY: NASTY, "": None, "a.b": 0.1},
    occurred_at=dt.datetime(1, 1, 3, tzinfo=dt.UTC),
    event_id=UUID("01927535-c6db-7000-8000-0123456789ae"),
)

EXAMPLES = {
    "full": FULL,
    "minimal": MINIMAL,
    "denied": DENIED,
    "hostile": HOSTILE,
}


def long_event(**fields):
    """
    An event that is too long for everybody, unless *fields* say otherwise.
    """
    changes = [Change(path=f"p{n}", old="o" * 500, new=n) for n in range(20)]
    metadata = {f"m{n}": "é" * 200 for n in range(20)}
    return attrs.evolve(
        FULL, **({"changes": changes, "metadata": metadata} | fields)
    )


def widest_event():
    """
    An event whose every text is long, and takes the most bytes.
    """
    wide = "\x01😀" * 600
    links = [Actor(id=wide, type=wide, name=wide, email=wide)]
    levels = [Resource(type=wide, id=wide, name=wide)]
    for _ in range(7):
        links.append(attrs.evolve(links[0], on_behalf_of=links[-1]))
        levels.append(attrs.evolve(levels[0], parent=levels[-1]))
    return attrs.evolve(
        HOSTILE,
        event_type=".".join(["😀" * 84] * 3),
        actor=links[-1],
        resource=levels[-1],
        **dict.fromkeys(("code", "reason", "tenant", "severity"), wide),
        **dict.fromkeys(("correlation_id", "causation_id"), wide),
        request=RequestContext(
            **{
                field.name: wide
                for field in attrs.fields(RequestContext)
                if field.init
            }
        ),
    )


def read_cef(line):
    """
    The header and the extension of one line of CEF.
    """
    assert line.startswith("CEF:0|")
    parts = re.findall(r"((?:[^|\\]|\\[|\\])*)\|", line)[:7]
    rest = line[sum(len(part) + 1 for part in parts) :]
    assert len(parts) == 7
    header = [re.sub(r"\\(.)", r"\1", part) for part in parts[1:]]
    return header, _extension(rest)


def _extension(text):
    # A key is what stands before an equals sign that isn't escaped.
    members = {}
    pieces = re.split(r"(?:^| )(\w+)(?<!\\)=", text)
    assert pieces[0] == ""
    for key, value in zip(pieces[1::2], pieces[2::2], strict=True):
        assert re.fullmatch(r"(?:[^\\=\r\n]|\\[\\=rn])*", value), (key, value)
        assert key not in members
        members[key] = re.sub(r"\\(.)", _meant, value)
    return members


def _meant(escape):
    return {"n": "\n", "r": "\r"}.get(escape[1], escape[1])


def read_leef(line):
    """
    The header and the attributes of one line of LEEF 2.0.
    """
    version, *header, delimiter, rest = line.split("|")
    assert version == "LEEF:2.0"
    assert len(header) == 4
    assert delimiter == "x09"
    members = {}
    for attribute in rest.split("\t"):
        key, _, value = attribute.partition("=")
        assert re.fullmatch(r"[A-Za-z]\w*", key)
        assert key not in members
        members[key] = value
    return header, members


def shown(text):
    """
    What is left of *text* in a line: control characters as blanks.
    """
    controls = "[\0-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]"
    return re.sub(controls, " ", text).strip()

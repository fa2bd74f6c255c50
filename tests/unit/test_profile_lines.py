"""
CEF and LEEF: what a reader of the format finds is what the event said.
"""

from __future__ import annotations

import re

import attrs
import jc
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.event import Actor, RequestContext
from auditlog.profiles import CEF, LEEF
from tests.siem_tools import (
    EXAMPLES,
    FULL,
    HOSTILE,
    NASTY,
    long_event,
    read_cef,
    read_leef,
    shown,
)
from tests.strategies import events, texts


CEF_KEYS = {
    *("rt", "externalId", "act", "cat", "outcome", "reason", "suid", "suser"),
    *("spriv", "duid", "duser", "src", "c6a2", "c6a2Label", "request"),
    *("requestMethod", "requestClientApplication", "cn1", "cn1Label"),
    *("cn2", "cn2Label", "flexString1", "flexString1Label", "flexString2"),
    "flexString2Label",
    *(f"cs{n}" for n in range(1, 7)),
    *(f"cs{n}Label" for n in range(1, 7)),
}


def any_event():
    return events() | st.sampled_from([*EXAMPLES.values(), long_event()])


def plain_header():
    """
    Any text in the extension, and a header that the reader on PyPI can read.
    """
    return st.builds(
        lambda event, **fields: attrs.evolve(
            FULL, request=event.request, reason=event.reason, **fields
        ),
        events(),
        tenant=texts(),
        actor=st.builds(Actor, id=texts(min_size=1), name=st.just("Alice")),
    )


@given(any_event())
@settings(max_examples=200)
def test_cef_is_read_as_it_was_meant(event):
    """
    Escapes come back: no text ends a field, begins another, or is lost.
    """
    profile = CEF(max_line_bytes=None)

    header, extension = read_cef(profile.line(event).decode())

    members = profile.convert(event)
    is_cut = profile.render(event).is_cut
    assert {*extension} <= CEF_KEYS
    assert len(header) == 6
    if not is_cut:
        assert re.sub(r"[\r\n]", " ", members["name"]) == header[4]
        found = dict(zip(members, header, strict=False)) | extension
        expected = {k: str(v) for k, v in members.items()}
        assert expected | {"name": header[4]} == found


@given(any_event())
def test_cef_fields_are_not_too_long(event):
    """
    No value is longer than the format allows.
    """
    header, extension = read_cef(CEF().line(event).decode())

    limits = zip((63, 63, 31, 1_023, 512, 2), header, strict=True)
    assert all(len(value) <= limit for limit, value in limits)
    for key, value in extension.items():
        custom = re.fullmatch(r"cs\d", key)
        assert len(value) <= (4_000 if custom else 1_023), key


@given(plain_header())
@settings(max_examples=200)
def test_cef_is_read_by_others(event):
    """
    A reader that we did not write finds the same keys and values.
    """
    line = CEF(max_line_bytes=None).line(event).decode()

    (found,) = jc.parse("cef", line, raw=True, quiet=True)

    header, extension = read_cef(line)
    meant = {
        "deviceVendor": header[0],
        "deviceProduct": header[1],
        "deviceVersion": header[2],
        "deviceEventClassId": header[3],
        "name": header[4],
        "agentSeverity": header[5],
        "CEFVersion": "0",
    }
    escapes = {"n": "\n", "r": "\r"}
    assert meant | extension == {
        key: re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), value)
        for key, value in found.items()
    }


def test_cef_of_a_hostile_event():
    """
    What an attacker writes stays in its field.
    """
    header, extension = read_cef(CEF().line(HOSTILE).decode())

    assert HOSTILE.event_type == header[3]
    assert shown(f"id{NASTY}") == extension["suid"]
    assert shown(NASTY) == extension["cs2"]
    assert "src" not in extension
    assert "Resource" == extension["cs1Label"]


@pytest.mark.parametrize(
    ("address", "key"),
    [("10.0.0.7", "src"), ("2001:db8::7", "c6a2"), ("fe80::1%eth0", "c6a2")],
)
def test_cef_addresses_have_a_field_each(address, key):
    """
    ``src`` takes IPv4 only.
    """
    request = RequestContext(source_ip=address)

    _, extension = read_cef(
        CEF().line(attrs.evolve(FULL, request=request)).decode()
    )

    assert address.partition("%")[0] == extension[key]
    assert 1 == len({"src", "c6a2"} & {*extension})


@given(any_event())
@settings(max_examples=200)
def test_leef_is_read_as_it_was_meant(event):
    """
    No text ends a field or begins another; only tab, pipe and control
    characters are others.
    """
    profile = LEEF(max_line_bytes=None)

    header, members = read_leef(profile.line(event).decode())

    expected = profile.convert(event)
    assert ["auditlog", "auditlog", "1"] == header[:3]
    assert expected["eventId"] == header[3]
    found = dict(zip(expected, header, strict=False)) | members
    if not profile.render(event).is_cut:
        assert {k: str(v) for k, v in expected.items()} == found
    assert len(members.get("usrName", "")) <= 255
    assert 1 <= int(members["sev"]) <= 10
    assert re.fullmatch(r"-?\d+", members["devTime"])
    raw = event.reason or ""
    meant = re.sub(r"[\r\n]", " ", shown(re.sub(r"[\r\n|]", _blank, raw)))
    assert meant.strip() == members.get("reason", "")


def _blank(match):
    return "/" if match[0] == "|" else " "


def test_leef_says_what_are_logins():
    """
    QRadar learns identities from logins.
    """
    _, members = read_leef(LEEF().line(EXAMPLES["denied"]).decode())

    assert "true" == members["isLoginEvent"]
    assert "anonymous" == members["usrName"]


def test_leef_of_a_hostile_event():
    """
    What an attacker writes stays in its field.
    """
    header, members = read_leef(LEEF().line(HOSTILE).decode())

    assert "A/b=c\\d.E\"f'.G" == header[3]
    assert "src" not in members
    assert "<" in members["usrName"]

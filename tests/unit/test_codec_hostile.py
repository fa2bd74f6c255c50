"""
Whatever bytes come: an event or DecodingError, nothing else.
"""

from __future__ import annotations

import itertools
import json

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.codec import ConduktorCodec, decode, encode, peek
from auditlog.errors import DecodingError
from auditlog.event import AuditEvent
from tests import strategies
from tests.unit.test_codec import FULL, SMALL, changed


BODIES = [encode(SMALL), encode(FULL), ConduktorCodec().encode(FULL)]


def read(body):
    """
    The event in *body*, or None; any other exception is a failure.
    """
    try:
        peek(body)
        event = decode(body)
    except DecodingError:
        return None
    assert AuditEvent is type(event)
    again = decode(encode(event))
    assert event == again or again.truncated is not None
    return event


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(body):
    """
    A topic may hold other people's records.
    """
    assert None is read(body)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BODIES), st.data())
def test_damaged_bytes(body, data):
    """
    Bytes changed, cut out and put in anywhere.
    """
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 20)))

    read(body[:start] + data.draw(st.binary(max_size=20)) + body[end:])


def paths(value, path=()):
    """
    The paths of all members within *value*.
    """
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*path, index))


@pytest.mark.parametrize("body", BODIES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_member_with_any_value(body, data):
    """
    Every member may hold anything.
    """
    envelope = json.loads(body)
    *parents, last = data.draw(st.sampled_from(list(paths(envelope))))
    target = envelope
    for key in parents:
        target = target[key]
    target[last] = data.draw(
        strategies.json_values(max_leaves=5) | st.just(target[last])
    )

    read(json.dumps(envelope).encode())


@settings(max_examples=200, deadline=None)
@given(strategies.json_values(max_leaves=8))
def test_any_data(data):
    """
    Any CloudEvents object with a UUID and a time is an event.
    """
    envelope = json.loads(encode(SMALL)) | {"data": data}

    read(json.dumps(envelope).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"{}",
        b'"text"',
        b"NaN",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        changed().replace(b'"website-orders"', b"NaN"),
        changed().replace(b'"website-orders"', b"-Infinity"),
        changed() + b"x",
        None,
        7,
        "text",
        json.dumps(json.loads(changed())).encode("utf-16") + b"x",
    ],
    ids=itertools.count(),
)
def test_what_is_no_event(body):
    """
    Tombstones, nulls, broken JSON and nesting without end are told apart
    from events by one exception.
    """
    for read_one in (decode, peek):
        with pytest.raises(DecodingError):
            read_one(body)


def test_text_that_is_not_utf_8():
    """
    A body in another encoding is no event; peek does not look into data.
    """
    body = changed().replace(b'"production"', b'"\xff"')

    with pytest.raises(DecodingError):
        decode(body)
    assert SMALL.event_id == peek(body).event_id


@pytest.mark.parametrize("levels", [9, 60, 200, 400, 900, 2_000])
def test_chains_of_any_length(levels):
    """
    A resource whose parents never end is refused, however deep it goes.
    """
    resource = (
        '{"type":"t","id":"i","parent":' * levels + "null" + "}" * levels
    )
    body = changed(data={"resource": "MARK"}).replace(
        b'"MARK"', resource.encode()
    )

    with pytest.raises(DecodingError):
        decode(body)


@pytest.mark.parametrize("levels", [63, 64, 200, 900])
def test_deep_metadata(levels):
    """
    64 levels read; more are refused.
    """
    value = "[" * levels + "]" * levels
    body = changed(data={"metadata": {"a": "MARK"}}).replace(
        b'"MARK"', value.encode()
    )

    assert (levels < 64) == (read(body) is not None)


@pytest.mark.parametrize("member", ["id", "time", "type", "source", "data"])
def test_messages_show_no_content(member):
    """
    The reason for a refusal may be logged.
    """
    value = {"eventType": "secret", "secret": "secret"}
    body = changed(**{member: value})

    with pytest.raises(DecodingError) as info:
        decode(body)

    assert "secret" not in str(info.value)

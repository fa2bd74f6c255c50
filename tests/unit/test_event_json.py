"""
Values of metadata: one JSON form each, checked before any I/O, then frozen.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import ipaddress
import json
import pathlib
import pickle
import types
import uuid

from decimal import Decimal

import attrs
import pytest

from hypothesis import given, settings

from auditlog.errors import EncodingError
from auditlog.event import AuditEvent, JSONArray, JSONObject, Resource
from tests import strategies


def metadata_of(value):
    event = AuditEvent(
        event_type="A.B", resource=Resource(type="t", id="i"), metadata=value
    )
    return event.metadata


class Colour(enum.Enum):
    RED = "red"
    NESTED = ("a", 1)


class Level(enum.IntEnum):
    HIGH = 3


class Flag(enum.Flag):
    A = 1
    B = 2


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "other"


class Number(int):
    def __repr__(self):
        return "other"


class Ratio(float):
    pass


class Dict(dict):
    pass


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024


@attrs.frozen
class Person:
    name: str
    born: dt.date


@dataclasses.dataclass
class Place:
    name: str
    tags: list[str]


EAST = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**64, 2**64),
        (1.5, 1.5),
        ("text", "text"),
        (Text("subclass"), "subclass"),
        (Number(7), 7),
        (Ratio(0.5), 0.5),
        (Colour.RED, "red"),
        (Colour.NESTED, ["a", 1]),
        (Level.HIGH, 3),
        (Flag.A | Flag.B, 3),
        (
            dt.datetime(2026, 1, 5, 13, tzinfo=EAST),
            "2026-01-05T11:00:00.000000Z",
        ),
        (
            dt.datetime(2026, 1, 5, 13, 0, 0, 9),  # noqa: DTZ001
            "2026-01-05T13:00:00.000009",
        ),
        (dt.date(2026, 1, 5), "2026-01-05"),
        (dt.time(13, 5), "13:05:00"),
        (dt.timedelta(days=1, seconds=30), "P1DT30S"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Decimal("1.50"), "1.50"),
        (b"\xff\x00", "/wA="),
        (bytearray(b"a"), "YQ=="),
        (memoryview(b"a"), "YQ=="),
        ({10, 9, 2}, [2, 9, 10]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({2, "a"}, ["a", 2]),
        ({}.keys(), []),
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        (collections.deque([1]), [1]),
        (range(3), [0, 1, 2]),
        (Dict(a=1), {"a": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (
            Person("Ada", dt.date(1815, 12, 10)),
            {"name": "Ada", "born": "1815-12-10"},
        ),
        (Place("Rome", ["x"]), {"name": "Rome", "tags": ["x"]}),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (JSONObject({"a": [1]}), {"a": [1]}),
        (JSONArray([1, {"a": 2}]), [1, {"a": 2}]),
        (
            {1: "a", None: "b", True + 1: "c"},
            {"1": "a", "null": "b", "2": "c"},
        ),
        ({Colour.RED: 1, Text("k"): 2}, {"red": 1, "k": 2}),
        ({uuid.UUID(int=1): 1}, {str(uuid.UUID(int=1)): 1}),
        ({1.5: 1, False: 2}, {"1.5": 1, "false": 2}),
    ],
)
def test_documented_forms(value, expected):
    """
    Each type has one JSON form, nested or not.
    """
    frozen = metadata_of({"value": value, "nested": [{"value": value}]})

    assert {
        "value": expected,
        "nested": [{"value": expected}],
    } == frozen.plain()
    assert str(frozen.plain()) == str(json.loads(bytes(frozen)))


def cycle():
    loop = {}
    loop["items"] = [loop]
    return loop


def nested(levels):
    value = None
    for _ in range(levels):
        value = [value]
    return value


def generator():
    yield 1


class Liar(dict):
    def items(self):
        raise LookupError("no")


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"items": [1, 2, 3, float("nan")]}, "$.metadata.items[3]", "nan"),
        ({"a": float("inf")}, "$.metadata.a", "inf"),
        ({"a": float("-inf")}, "$.metadata.a", "-inf"),
        ({"a b": Decimal("NaN")}, '$.metadata["a b"]', "nan"),
        ({"a": object()}, "$.metadata.a", "object has no JSON form"),
        ({"a": generator()}, "$.metadata.a", "generator has no JSON form"),
        ({"a": int}, "$.metadata.a", "type has no JSON form"),
        ({"a": 1j}, "$.metadata.a", "complex has no JSON form"),
        ({"a": [ValueError("secret")]}, "$.metadata.a[0]", "ValueError has"),
        ({"a": 10**4300}, "$.metadata.a", "more than 4,300 digits"),
        ({"a": -(10**4300)}, "$.metadata.a", "more than 4,300 digits"),
        ({"a": {1: 1, "1": 2}}, "$.metadata.a", "two keys"),
        ({Colour.RED: 1, "red": 2}, "$.metadata", "two keys"),
        ({(1, 2): 1}, "$.metadata", "a key of type tuple"),
        ({"a": {object(): 1}}, "$.metadata.a", "object has no JSON form"),
        ({float("nan"): 1}, "$.metadata", "nan"),
        ({"a": Liar()}, "$.metadata.a", "Liar cannot be read"),
        (
            {"a": nested(64)},
            "$.metadata.a" + "[0]" * 63,
            "nested deeper than 64 levels",
        ),
    ],
)
def test_values_without_a_form_are_refused_with_their_path(
    value, path, reason
):
    """
    Errors tell where the value stands and what it is, never what it holds.
    """
    with pytest.raises(EncodingError) as info:
        metadata_of(value)

    assert path == info.value.path
    assert reason in info.value.reason
    assert "secret" not in str(info.value)


def test_64_levels_are_not_too_many():
    """
    The limit is what is documented.
    """
    assert nested(63) == metadata_of({"a": nested(63)}).plain()["a"]


@pytest.mark.parametrize(
    "value", [cycle(), {"a": nested(100_000)}], ids=["cycle", "deep"]
)
def test_endless_values_are_refused(value):
    """
    A cycle and 100,000 levels end in the same error, not in RecursionError.
    """
    with pytest.raises(EncodingError, match="nested deeper than 64 levels"):
        metadata_of(value)


def test_deep_values_near_the_end_of_the_stack():
    """
    Also where the caller has used up the stack, the error is a typed one.
    """

    def descend():
        try:
            descend()
        except RecursionError:
            metadata_of({"a": nested(60)})

    with pytest.raises((EncodingError, RecursionError)):
        descend()


def test_values_that_change_while_they_are_read():
    """
    Another thread's change ends in the typed error.
    """
    value = {}

    class Meddler(enum.Enum):
        ONE = 1

        @property
        def value(self):
            value["more"] = 1
            return 1

    value["a"] = Meddler.ONE

    with pytest.raises(EncodingError, match="changed while it was read"):
        metadata_of(value)


def test_hostile_keys_keep_every_member():
    """
    Names that become equal when cleaned don't hide each other.
    """
    names = ["\0", "\ud800", "\ufffd", "\udfff"]
    value = dict(zip(names, [1, 2, 3, {"\0": 4}], strict=True))

    frozen = metadata_of(value)

    assert len(frozen) == 4
    assert frozen["\ufffd"] == 3
    assert sorted(frozen.plain().values(), key=str) == [1, 2, 3, {"\ufffd": 4}]
    assert frozen.replaced == 4


def test_nul_alone_is_replaced():
    """
    One NUL in a body would fail every query of the bodies as jsonb.
    """
    frozen = metadata_of({"a": ["x\0y"]})

    assert {"a": ["x\ufffdy"]} == frozen
    assert 1 == frozen.replaced


def test_escaped_text_that_looks_like_nul_is_kept():
    """
    A backslash followed by u0000 is text, not NUL.
    """
    frozen = metadata_of({"a": "\\u0000"})

    assert frozen == {"a": "\\u0000"}
    assert frozen.replaced == 0


@pytest.mark.parametrize("digits", [18, 19, 20, 4_300])
def test_integers_are_exact(digits):
    """
    No integer passes through a float, up to 4,300 digits.
    """
    numbers = [10**digits - 1, -(10**digits) + 1]

    assert numbers == metadata_of({"a": numbers}).plain()["a"]


def test_bytes_do_not_depend_on_the_order_of_members():
    """
    Equal values have equal bytes, hashes and order.
    """
    one = metadata_of({"a": 1, "b": {"d": 1, "c": 2}})
    two = metadata_of({"b": {"c": 2, "d": 1}, "a": 1})

    assert one == two
    assert hash(one) == hash(two)
    assert b'{"a":1,"b":{"c":2,"d":1}}' == bytes(one) == bytes(two)
    assert list(two) == ["a", "b"]


def test_frozen_objects_are_mappings():
    """
    Frozen objects and arrays read, compare and print like dicts and lists.
    """
    frozen = JSONObject({"a": [1, {"b": None}], "c": "x"})

    assert frozen == {"a": [1, {"b": None}], "c": "x"}
    assert frozen == {"a": [1, {"b": None}], "c": "x"}
    assert frozen != {"a": [1, {"b": None}], "c": "y"}
    assert frozen["a"] == [1, {"b": None}]
    assert frozen["a"] == (1, {"b": None})
    assert frozen["a"] != 1
    assert frozen["a"][1]["b"] is None
    assert frozen["a"][:1] == [1]
    assert len(frozen["a"]) == 2
    assert 1 in frozen["a"]
    assert frozen.get("c") == "x"
    assert None is frozen.get("z")
    assert repr(frozen) == "JSONObject({'a': [1, {'b': None}], 'c': 'x'})"
    assert {frozen["a"]: 1} == {JSONArray([1, {"b": None}]): 1}
    with pytest.raises(KeyError):
        frozen["z"]


def test_plain_copies_are_independent():
    """
    A plain copy may be changed; the frozen value stays.
    """
    frozen = JSONObject({"a": [1]})

    frozen.plain()["a"].append(2)

    assert frozen == {"a": [1]}


def test_true_is_not_one():
    """
    Frozen values are equal only if their JSON is.
    """
    assert JSONObject({"a": True}) != JSONObject({"a": 1})
    assert JSONArray([1]) != JSONArray([1.0])


@pytest.mark.parametrize(
    ("kind", "value"),
    [(JSONObject, [1]), (JSONObject, 1), (JSONArray, {"a": 1})],
)
def test_frozen_values_of_the_wrong_kind(kind, value):
    """
    Neither class takes what makes the other.
    """
    with pytest.raises(EncodingError, match=f"makes no {kind.__name__}"):
        kind(value)


@settings(max_examples=100, deadline=None)
@given(strategies.metadata())
def test_frozen_values_equal_what_was_given(value):
    """
    Freezing changes nothing but hostile text, also over pickling.
    """
    frozen = JSONObject(value)

    if not frozen.replaced:
        assert value == frozen == frozen.plain() == json.loads(bytes(frozen))
    assert JSONObject(frozen.plain()) == frozen
    assert frozen == pickle.loads(pickle.dumps(frozen))


@settings(max_examples=60, deadline=None)
@given(strategies.python_values())
def test_every_documented_type_freezes(value):
    """
    All documented types, in any combination, have a form that stays.
    """
    frozen = JSONObject({"value": value})

    assert JSONObject(frozen.plain()) == frozen

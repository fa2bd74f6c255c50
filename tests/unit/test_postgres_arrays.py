"""
Values and columns in binary, beside what psycopg makes of the same.
"""

from __future__ import annotations

from uuid import UUID

import pytest

from hypothesis import given
from hypothesis import strategies as st
from psycopg import adapters
from psycopg.adapt import AdaptersMap, PyFormat, Transformer

from auditlog.postgres.arrays import pack, register_arrays
from auditlog.postgres.columns import Bodies, Ids, Texts


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Context:
    def __init__(self):
        self.adapters = AdaptersMap(adapters)
        self.connection = None


@pytest.fixture(scope="module")
def context():
    context = Context()
    register_arrays(context)
    return context


def dumped(context, column):
    transformer = Transformer(context)
    (data,) = transformer.dump_sequence([column], [PyFormat.BINARY])
    return bytes(data), transformer.types


@given(st.lists(TEXT | st.none(), min_size=1).filter(any))
def test_texts(context, column):
    assert dumped(context, column) == dumped(context, Texts(column))


@given(st.lists(st.uuids(), min_size=1))
def test_ids(context, column):
    assert dumped(context, column) == dumped(context, Ids(column))


@given(st.lists(st.binary(), min_size=1))
def test_bodies(context, column):
    assert dumped(context, column) == dumped(context, Bodies(column))


class ForeignID(UUID):
    """
    As asyncpg's: what a driver gives for an id.
    """


@given(TEXT | st.uuids() | st.binary() | st.none())
def test_values(context, value):
    """
    Also those of the caller's own classes.
    """
    transformer = Transformer(context)
    (expected,) = transformer.dump_sequence([value], [PyFormat.BINARY])
    if isinstance(value, UUID):
        value = ForeignID(int=value.int)

    assert [expected] == pack([value])

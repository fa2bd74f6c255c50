"""
The promises of `tests.fuzz.targets`, for a few texts made of known ones.

`make fuzz` looks for others as long as it is told to.
"""

from __future__ import annotations

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS
from tests.shown import CANARY


class Known(dict):
    """
    The seeds of each target.
    """

    def __repr__(self):
        return "known"  # too long for a report


@pytest.fixture(scope="module")
def known():
    return Known({name: seeds(name) for name in TARGETS})


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(known, name):
    """
    Each example of the other tests keeps the promise, also with a secret in
    each place.
    """
    assert len(known[name]) > 10
    for text in known[name]:
        TARGETS[name](text)
        TARGETS[name](text.replace("x", CANARY))


place = st.integers(0, 10**6)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=200)
@given(
    which=st.tuples(place, place),
    cuts=st.tuples(place, place),
    between=st.text(st.characters(codec=None), max_size=8) | st.just(CANARY),
)
def test_pieces_of_seeds(known, name, which, cuts, between):
    """
    So does what pieces of them make, with any text between.
    """
    first, second = (known[name][at % len(known[name])] for at in which)
    end, start = cuts[0] % (len(first) + 1), cuts[1] % (len(second) + 1)

    TARGETS[name](first[:end] + between + second[start:])


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=200)
@given(text=st.text(st.characters(codec=None)))
def test_any_text(name, text):
    """
    So does any text at all.
    """
    TARGETS[name](text)

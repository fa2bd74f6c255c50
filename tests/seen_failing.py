"""
Runs tests against what is broken on purpose: there they have to fail.

A variant is a function that breaks the library through a `MonkeyPatch`; its
docstring says what would be wrong then.
"""

from __future__ import annotations

import inspect

import pytest

from tests.process_tools import noticed


def against(test, variant, **given):
    """
    A case for `parametrize`: *test* has to notice *variant*.

    Args:
        given: Arguments of *test* that are no fixtures.
    """
    names = (test.__name__.removeprefix("test_"), variant.__name__)
    return pytest.param(test, variant, given, id="-".join(names))


def check(request, test, variant, given):
    """
    See *test* fail on *variant*, in time and with a failed assertion.
    """
    names = inspect.signature(test).parameters.keys() - given.keys()
    with pytest.MonkeyPatch.context() as patch:
        variant(patch)
        fixtures = {each: request.getfixturevalue(each) for each in names}
        with noticed(variant):
            test(**fixtures, **given)

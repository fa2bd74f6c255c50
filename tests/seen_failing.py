"""
Runs tests against what is broken on purpose: there they have to fail.

A variant is a function that breaks the library through a `MonkeyPatch`; its
docstring says what would be wrong then.
"""

from __future__ import annotations

import inspect

import pytest

from auditlog.postgres.statements import statements
from tests.process_tools import noticed


def against(test, variant, **given):
    """
    A case for `parametrize`: *test* has to notice *variant*.

    Args:
        given: Arguments of *test* that are no fixtures.
    """
    names = (test.__name__.removeprefix("test_"), variant.__name__)
    return pytest.param(test, variant, given, id="-".join(names))


def asking(patch, name, change, of="sink"):
    """
    Let what is built from now on ask PostgreSQL a changed statement.
    """
    module = f"auditlog.postgres.{of}.statements"

    def changed(schema):
        found = dict(statements(schema))
        assert found[name] != change(found[name])
        return {**found, name: change(found[name])}

    patch.setattr(module, changed)


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

"""
The page of faults names tests that there are.
"""

from __future__ import annotations

import ast
import functools
import re

from pathlib import Path


TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/explanation/faults.md"

_NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
_NONE = "\N{EN DASH}"
_ROW = re.compile(r"^\| (?!Fault|---)(.+) \|$", re.MULTILINE)


@functools.cache
def defined(path):
    """
    The names of all functions and classes in a file.
    """
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {each.name for each in ast.walk(tree) if isinstance(each, kinds)}


def test_what_is_named_is_there():
    """
    Each test and each variant, by file and name.
    """
    named = _NAMED.findall(PAGE.read_text("utf-8"))

    missing = [each for each in named if each[1] not in defined(each[0])]

    assert len(named) > 100
    assert [] == missing


def test_each_fault_has_a_test():
    """
    A row without one is a claim.
    """
    rows = _ROW.findall(PAGE.read_text("utf-8"))
    cells = [row.split(" | ") for row in rows]

    assert len(rows) > 50
    assert {4} == {len(each) for each in cells}
    assert [] == [each[0] for each in cells if not _NAMED.search(each[2])]
    assert [] == [
        each[0]
        for each in cells
        if each[3] != _NONE and not _NAMED.search(each[3])
    ]

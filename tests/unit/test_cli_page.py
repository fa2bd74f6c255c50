"""
The reference of the command line has all commands and all options.
"""

from __future__ import annotations

import re

from pathlib import Path

import click
import pytest

from auditlog.cli.commands import auditlog
from auditlog.cli.commands._query import OUTCOMES
from auditlog.cli.commands.stats import _FIELDS
from auditlog.cli.formats import FORMATS
from auditlog.cli.stats import FIELDS
from auditlog.event import Outcome


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
TEXT = PAGE.read_text(encoding="utf-8")


def commands(group=auditlog, name="auditlog"):
    """
    All commands with their full names.
    """
    for each in group.commands.values():
        full = f"{name} {each.name}"
        if isinstance(each, click.Group):
            yield from commands(each, full)
        else:
            yield full, each


def options(command):
    return {
        option
        for param in command.params
        if isinstance(param, click.Option)
        for option in (*param.opts, *param.secondary_opts)
    }


@pytest.mark.parametrize(("name", "command"), [*commands()])
def test_every_option_is_documented(name, command):
    """
    Each command is on the page, and so is each option that it takes.
    """
    assert name.removeprefix("auditlog ") in TEXT
    for option in options(command) - {"--config", "--output", "--file"}:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", TEXT), option


def test_every_documented_option_exists():
    """
    Nothing is on the page that no command takes.
    """
    known = {"--help"}.union(*(options(each) for _, each in commands()))
    named = re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)

    assert {*named} <= known


def test_choices_are_those_of_the_library():
    """
    What is listed again, so that help stays light, is the same there.
    """
    assert tuple(Outcome) == OUTCOMES
    assert tuple(FIELDS) == _FIELDS
    for name in (*OUTCOMES, *_FIELDS, *FORMATS):
        assert f"`{name}`" in TEXT

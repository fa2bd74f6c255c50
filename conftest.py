"""
What all tests share, and the code in README.md and docs/ as tests.

It stands up here so that a page can be tested alone, with its fixtures.
"""

from __future__ import annotations

import os
import re

from doctest import ELLIPSIS
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hypothesis import settings
from sybil import Sybil
from sybil.parsers.myst import (
    CodeBlockParser,
    PythonCodeBlockParser,
    SkipParser,
)


if TYPE_CHECKING:
    from sybil import Example


pytest.register_assert_rewrite("auditlog.testing")

pytest_plugins = [
    "tests.fix_hammer",
    "tests.fix_kafka",
    "tests.fix_pages",
    "tests.fix_postgres",
    "tests.fix_proxy",
]

settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "desk")


def pytest_configure(config: pytest.Config) -> None:
    """
    Let pass what is no fault of ours; all other warnings are errors.
    """
    # kafka-python reads its schemas the old way when it is imported.
    config.addinivalue_line(
        "filterwarnings",
        r"ignore:(open|read)_text is deprecated:DeprecationWarning",
    )


def save_file(example: Example) -> None:
    """
    Save a block that begins with ``# name.yaml`` under that name.
    """
    text = str(example.parsed)
    if name := re.match(r"# (\S+\.\S+)\n", text):
        Path(name[1]).write_text(text, encoding="utf-8")


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=ELLIPSIS),
        CodeBlockParser("yaml", save_file),
        CodeBlockParser("toml", save_file),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    fixtures=["page"],
).pytest()

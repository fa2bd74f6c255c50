"""
What a look found, whoever looked.
"""

from __future__ import annotations

import io
import json

import pytest

from rich.console import Console

from auditlog.cli import findings, rows
from auditlog.errors import MissingExtraError, SinkSetupError
from auditlog.findings import Finding


FOUND = [
    Finding("a.one", "ok", "fine"),
    Finding("a.two", "warning", "old [/]", "renew it"),
    Finding("b.one", "skipped", "not needed", "do it if it is"),
]


@pytest.mark.parametrize(
    ("message", "detail", "way_out"),
    [
        ("can't do it: no", "can't do it: no", None),
        ("can't do it: no; do this", "can't do it: no", "do this"),
        ("can't; a; b", "can't; a", "b"),
    ],
)
def test_finding_of_an_error(message, detail, way_out):
    """
    The way out is what our messages say behind the last semicolon.
    """
    found = Finding.of_error("a.b", SinkSetupError(message))

    assert Finding("a.b", "failed", detail, way_out) == found


def test_finding_of_an_extra_that_is_missing():
    """
    The way out is the command that installs it.
    """
    found = Finding.of_error("a.b", MissingExtraError("KafkaSink", "kafka"))

    assert (
        Finding(
            "a.b",
            "failed",
            "KafkaSink needs an extra",
            'pip install "auditlog-publisher[kafka]"',
        )
        == found
    )


def test_way_out_of_an_error_that_knows_none():
    """
    Whoever looked says one; that of the error wins.
    """
    without = Finding.of_error("a.b", SinkSetupError("no"), "look there")
    own = Finding.of_error("a.b", SinkSetupError("no; do this"), "look there")

    assert without.way_out == "look there"
    assert own.way_out == "do this"


def test_all_is_well_unless_something_failed():
    """
    Warnings and what was skipped are no failures.
    """
    assert findings.is_well(FOUND)
    assert not findings.is_well([*FOUND, Finding("c", "failed", "gone")])


def test_table():
    """
    Shows what is to be done, where it is to be done; nothing is markup.
    """
    console = Console(width=60, record=True, file=io.StringIO())

    console.print(findings.as_table(FOUND))

    lines = [line.split() for line in console.export_text().splitlines()]
    assert lines[1:] == [
        ["ok", "a.one", "fine"],
        ["warning", "a.two", "old", "[/]"],
        ["→", "renew", "it"],
        ["skipped", "b.one", "not", "needed"],
    ]


def test_skipped_for_one_reason():
    """
    Are one line; what was skipped for another has its own.
    """
    skipped = [
        Finding("b.two", "skipped", "b failed"),
        Finding("b.three", "skipped", "b failed"),
        Finding("b.four", "skipped", "not needed"),
        Finding("c.one", "warning", "old", "renew it"),
        Finding("c.two", "warning", "old", "renew it"),
    ]
    console = Console(width=60, record=True, file=io.StringIO())

    console.print(findings.as_table(skipped, "part"))

    lines = [line.split() for line in console.export_text().splitlines()]
    assert lines == [
        ["state", "part", "what", "was", "found"],
        ["skipped", "b.two", "+", "1", "b", "failed"],
        ["skipped", "b.four", "not", "needed"],
        ["warning", "c.one", "old"],
        ["→", "renew", "it"],
        ["warning", "c.two", "old"],
        ["→", "renew", "it"],
    ]


def test_json():
    """
    All of it, for programs.
    """
    assert json.loads(rows.as_json(FOUND[:1])) == [
        {"check": "a.one", "state": "ok", "detail": "fine", "way_out": None}
    ]

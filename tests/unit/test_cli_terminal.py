"""
What a person's terminal is given of events that others wrote.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sys

import pytest

from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from auditlog import Actor, AuditEvent, Change, Resource
from auditlog.abc import Record
from auditlog.cli.commands import auditlog
from auditlog.cli.line import raw_line
from auditlog.cli.visible import visible, visible_lines
from auditlog.codec import encode
from tests.process_tools import DEADLINE, started


# Each does something to a terminal, or to the eyes of who looks at it.
ATTACKS = {
    "clears the screen": "\x1b[2J\x1b[H",
    "is an 8-bit control": "\x9b2J",
    "sets the title": "\x1b]0;you\x07",
    "is a link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "fakes an event": "x\n2026-01-05 11:00:00Z ✓ success alice",
    "overwrites the line": "bob\rALICE",
    "takes it back": "bob\b\b\b",
    "makes a line": "one\u2028two\u2029three\x85four\x0bfive",
    "reorders": "\u202egnissim\u202c \u2066a\u2069 \u200f",
    "has no width": "al\u200bi\u2060c\ufeffe\u00ad",
    "is tagged": "a\U000e0041\U000e0042",
    "is deleted": "\x7f\x7f",
    "looks like a blank": "a\u00a0b\u3000c",
    "is no text": "\udcff",
}


def hostile(text):
    """
    An event that says *text* wherever its writer may say anything.
    """
    return AuditEvent(
        event_type="Kafka.Topic.Create",
        actor=Actor(id=text, name=text, email=text),
        resource=Resource(
            type=text, id=text, parent=Resource(type=text, id=text)
        ),
        code=text,
        reason=text,
        tenant=text,
        changes=[Change(path=text, old=text, new=[text])],
        metadata={text: text, "deep": {"er": [text]}},
    )


@pytest.fixture(scope="module")
def events():
    return [hostile(text) for text in ATTACKS.values()]


@pytest.fixture(scope="module")
def file(events, tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "events.jsonl"
    # As another program may write it: JSON asks for few escapes only.
    bodies = (
        json.dumps(json.loads(encode(each)), ensure_ascii=False)
        for each in events
    )
    path.write_bytes("".join(f"{each}\n" for each in bodies).encode())
    return path


def on_a_terminal(*arguments, **environ):
    """
    What a terminal gets from a command; the exit code and each line.
    """
    outside, inside = pty.openpty()
    command = [sys.executable, "-m", "auditlog", *arguments]
    environ = {**os.environ, "TERM": "xterm-256color", **environ}
    try:
        with started(
            command, stdout=inside, stderr=inside, env=environ
        ) as process:
            os.close(inside)
            data = b"".join(_all_from(outside))
            code = process.wait(DEADLINE)
    finally:
        os.close(outside)
    return code, data.decode().removesuffix("\r\n").split("\r\n")


def _all_from(fd):
    while select.select([fd], [], [], DEADLINE)[0]:
        try:
            yield os.read(fd, 65536)
        except OSError:  # nobody has the other end any more
            return
    pytest.fail("the command didn't end")


def test_terminal_gets_one_printable_line_for_each_event(file, events):
    """
    Whatever an event says, on a terminal it is one line of printable text.
    """
    code, lines = on_a_terminal("tail", "-ln", "99", str(file), NO_COLOR="1")

    assert code == 0
    assert len(lines) == len(events)
    assert all(line.isprintable() for line in lines)
    assert r"\u001b[2J\u001b[H" in lines[0]


def test_terminal_gets_colours_of_ours_only(file, events):
    """
    With colours the only sequences are those that set one.
    """
    _, lines = on_a_terminal("tail", "-ln", "99", str(file), NO_COLOR="")

    plain = [re.sub(r"\x1b\[[0-9]{1,2}m", "", line) for line in lines]
    assert len(lines) == len(events)
    assert plain != lines
    assert all(line.isprintable() for line in plain)


@pytest.mark.parametrize(
    "command", [("tail", "--json", "-n", "99"), ("export",)], ids=" ".join
)
def test_terminal_gets_json_with_escapes(command, file, events):
    """
    On a terminal a body has escapes where it was not printable, and is the
    same JSON.
    """
    code, lines = on_a_terminal(*command, str(file))

    stored = file.read_text(encoding="utf-8").split("\n")[:-1]
    assert code == 0
    assert all(line.isprintable() for line in lines)
    assert [json.loads(each) for each in stored] == [*map(json.loads, lines)]


def test_terminal_gets_no_parquet(file):
    """
    What is no text is not sent to a terminal.
    """
    code, lines = on_a_terminal("export", str(file), "--format", "parquet")

    assert code == 1
    assert (
        "this format is no text and standard output is a terminal" in lines[0]
    )


@pytest.fixture
def run(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        return CliRunner().invoke(auditlog, [*map(str, arguments)])

    return run


def test_show_and_stats_are_printable(run, file, events):
    """
    Names and values of an event are shown, and none of them does anything.
    """
    for event in events:
        shown = run("show", event.event_id, file)
        lines = shown.stdout.removesuffix("\n").split("\n")
        assert shown.exit_code == 0
        assert all(line.isprintable() for line in lines)
        assert lines[0].endswith(" Kafka.Topic.Create")
        assert all(line.startswith("  ") for line in lines[1:])

    counted = run("stats", file, "--by", "actor", "--by", "code")
    lines = counted.stdout.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)


def test_bodies_in_a_pipe_are_verbatim(run, file):
    """
    Where no person looks, a body is what was stored, byte for byte.
    """
    tailed = run("tail", "--json", "-n", "99", file)

    assert tailed.stdout_bytes == file.read_bytes()


def test_line_breaks_between_members_are_blanks():
    """
    A body over several lines is printed on one.
    """
    body = json.loads(encode(event := hostile("a")))
    data = json.dumps(body, indent=1).encode()
    record = Record(event_id=event.event_id, body=data)

    for seen in (False, True):
        (line,) = raw_line(record, seen=seen).splitlines()
        assert body == json.loads(line)


def test_signs_are_ascii_where_others_cannot_be_written(file):
    """
    With an encoding of old there are signs too, and nothing is lost.
    """
    code, lines = on_a_terminal(
        "tail", "-n", "1", str(file), PYTHONIOENCODING="ascii", NO_COLOR="1"
    )

    assert code == 0
    assert " + success " in lines[0]


@given(st.text(st.characters()))
def test_any_text_becomes_printable(text):
    """
    What is printable stays as it is, the rest becomes an escape of JSON.
    """
    shown = visible(text)

    assert shown.isprintable()
    assert shown == text or not text.isprintable()
    if "\\" not in text and '"' not in text:
        assert text == json.loads(f'"{shown}"')
    assert all(
        line.isprintable() or "\t" in line
        for line in visible_lines(text).split("\n")
    )

"""
What commands say, where, and with which exit code they end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys

from typing import TYPE_CHECKING, Any

import click

from auditlog.cli.visible import visible_lines
from auditlog.errors import AuditLogError, ConfigError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from attrs import AttrsInstance

    from auditlog.findings import Finding


FAILED = 1
INTERRUPTED = 130  # as a shell says of what SIGINT ended
CLOSED = 141  # and of what SIGPIPE ended

_DRIVERS = ("kafka", "psycopg", "urllib3")


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """
    A driver's view of an outage is none of the story.
    """
    loggers = [logging.getLogger(name) for name in _DRIVERS]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """
    What is wrong goes to the standard error, a line each.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # of the output, for drivers' errors are translated
    except (AuditLogError, OSError) as exc:
        wrong = exc.mistakes if isinstance(exc, ConfigError) else [str(exc)]
        for each in wrong:
            say(each)
        sys.exit(FAILED)


def say(text: str) -> None:
    """
    Tell a person *text*, which is no data.
    """
    click.echo(visible_lines(text), err=True)


def wants_colour(choice: str) -> bool:
    """
    Whether the output is to have colours: ``always``, ``never`` or ``auto``.
    """
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """
    End quietly when the reader of the output leaves, or on Ctrl-C.
    """
    try:
        yield
    except BrokenPipeError:
        sys.exit(CLOSED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def print_findings(
    found: Sequence[Finding],
    *,
    as_json: bool,
    rows: Sequence[AttrsInstance] | None = None,
    what: str = "check",
) -> None:
    """
    Print *found*, and exit with 1 if something failed.
    """
    from auditlog.cli import findings  # noqa: PLC0415
    from auditlog.cli.rows import as_json as json_of  # noqa: PLC0415

    if as_json:
        click.echo(json_of(found if rows is None else rows))
    elif found:
        print_table(findings.as_table(found, what))
        if rows is None:
            click.echo(findings.summary(found))
    exit_by(found)


def exit_by(found: Sequence[Finding]) -> None:
    """
    Exit with 1 if something in *found* failed.
    """
    from auditlog.cli import findings  # noqa: PLC0415

    if not findings.is_well(found):
        sys.exit(FAILED)


def print_rows(
    found: Sequence[AttrsInstance],
    *,
    as_json: bool,
    style: Callable[[Any], str] = lambda _: "",
) -> None:
    """
    Print a row for each of *found*.
    """
    from auditlog.cli import rows  # noqa: PLC0415

    if as_json:
        click.echo(rows.as_json(found))
    elif found:
        print_table(rows.as_table(found, style))


def print_table(table: Any) -> None:
    """
    Print what rich can draw.
    """
    from rich.console import Console  # noqa: PLC0415 - costs 20 ms

    Console().print(table)

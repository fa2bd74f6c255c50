"""
``auditlog dead-letters``.
"""

from __future__ import annotations

import os
import sys

import click

from ._options import config_file, json_flag
from ._output import FAILED, hushed, print_rows, telling


@click.group("dead-letters")
def dead_letters() -> None:
    """
    What the topic would not take: look at it, and send it again.
    """


@dead_letters.command("list")
@config_file
@json_flag
def list_letters(file: str | None, *, as_json: bool) -> None:
    """
    List the dead letters that are undelivered, without their content.
    """
    from auditlog.cli import letters, settings  # noqa: PLC0415

    with hushed(), telling():
        found = letters.letters(settings.loaded(file, os.environ).config)
    if not found:
        click.echo("No dead letters.", err=True)
    print_rows(found, as_json=as_json)


@dead_letters.command()
@config_file
@click.argument("indexes", nargs=-1, type=click.IntRange(min=1))
def retry(file: str | None, indexes: tuple[int, ...]) -> None:
    """
    Send dead letters to the topic again: those of INDEXES, or all.

    Exits with 1 if one was refused again.
    """
    from auditlog.cli import letters, settings  # noqa: PLC0415

    with hushed(), telling():
        config = settings.loaded(file, os.environ).config
        found = letters.retry(config, indexes)
    click.echo(f"{found.delivered} delivered, {found.refused} refused again.")
    if found.refused:
        sys.exit(FAILED)

"""
``auditlog config``.
"""

from __future__ import annotations

import os

import click

from ._options import config_file, json_flag
from ._output import print_rows, telling


@click.group()
def config() -> None:
    """
    Look at the settings that an application here would get.
    """


@config.command()
@config_file
@json_flag
def show(file: str | None, *, as_json: bool) -> None:
    """
    Print each setting with its value and where that comes from.

    Secrets are masked. Exits with 1 if anything is wrong, and says what.
    """
    from auditlog.cli import settings  # noqa: PLC0415

    with telling():
        shown = list(settings.shown(settings.loaded(file, os.environ)))
    print_rows(shown, as_json=as_json, style=settings.style)


@config.command()
@config_file
def check(file: str | None) -> None:
    """
    Exit with 0 if the settings can be used, or list every mistake.

    Nothing is connected to.
    """
    from auditlog.cli import settings  # noqa: PLC0415

    with telling():
        settings.loaded(file, os.environ)
    click.echo("No mistakes.")

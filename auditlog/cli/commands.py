"""
The commands and their options; what they do stands in modules of their own.
"""

from __future__ import annotations

import logging
import os
import sys

from pathlib import Path
from typing import NoReturn

import click

from rich.console import Console

from auditlog.errors import AuditLogError, ConfigError


FAILED = 1
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="auditlog-publisher")
def auditlog() -> None:
    """
    An audit log for Python applications.
    """


@auditlog.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("auditlog-demo"),
    show_default=True,
    help="Folder for the exported files.",
)
def demo(output: Path) -> None:
    """
    Show the main job on a real PostgreSQL and a real Apache Kafka.

    Starts both, publishes a day of a Kafka console's events, shows what an
    unknown cluster does and how it recovers, exports the topic, compares the
    bytes everywhere, and stops both again.
    """
    from auditlog.cli.demo import run_demo  # noqa: PLC0415

    # A driver's view of an outage is none of the story.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    console = Console(stderr=False, highlight=False)
    try:
        run_demo(console, output)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (AuditLogError, OSError) as exc:
        Console(stderr=True).print(f"auditlog demo: {exc}", markup=False)
        sys.exit(FAILED)


@auditlog.group()
def config() -> None:
    """
    Look at the settings that an application here would get.
    """


_file = click.option(
    "-f",
    "--file",
    type=click.Path(dir_okay=False),
    help="A YAML or TOML file, read before the environment.",
)


@config.command()
@_file
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: str | None, *, as_json: bool) -> None:
    """
    Print each setting with its value and where that comes from.

    Secrets are masked. Exits with 1 if anything is wrong, and says what.
    """
    from auditlog.cli import settings  # noqa: PLC0415

    try:
        rows = settings.shown(settings.loaded(file, os.environ))
    except (AuditLogError, OSError) as exc:
        _fail(exc)
    if as_json:
        click.echo(settings.as_json(rows))
    else:
        Console().print(settings.as_table(rows))


@config.command()
@_file
def check(file: str | None) -> None:
    """
    Exit with 0 if the settings can be used, or list every mistake.

    Nothing is connected to.
    """
    from auditlog.cli import settings  # noqa: PLC0415

    try:
        settings.loaded(file, os.environ)
    except (AuditLogError, OSError) as exc:
        _fail(exc)
    click.echo("No mistakes.")


def _fail(exc: Exception) -> NoReturn:
    mistakes = exc.mistakes if isinstance(exc, ConfigError) else [str(exc)]
    for mistake in mistakes:
        click.echo(mistake, err=True)
    sys.exit(FAILED)

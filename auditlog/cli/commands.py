"""
The commands and their options; what they do stands in modules of their own.
"""

from __future__ import annotations

import logging
import os
import sys

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from rich.console import Console

from auditlog.errors import AuditLogError, ConfigError


if TYPE_CHECKING:
    from auditlog.postgres.privileges import Part


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


@auditlog.group()
def db() -> None:
    """
    Look after the tables in PostgreSQL, and after who may do what there.
    """


_sql = click.option(
    "--sql",
    "as_sql",
    is_flag=True,
    help="Print the SQL, connect to nothing and run nothing.",
)


@db.command()
@_file
@_sql
def init(file: str | None, *, as_sql: bool) -> None:
    """
    Create the schema and the tables, unless they are there.

    Does so even where database.create_schema is false.
    """
    from auditlog.cli import database  # noqa: PLC0415

    try:
        said = (
            database.init_script(database.configured_schema(file, os.environ))
            if as_sql
            else database.init(database.configured(file, os.environ))
        )
    except (AuditLogError, OSError) as exc:
        _fail(exc)
    click.echo(said)


@db.command("check")
@_file
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--need",
    "needs",
    multiple=True,
    type=click.Choice(["writer", "relay", "reader"]),
    help="What the role has to be; by default one of them suffices. "
    "May be given several times.",
)
def check_db(
    file: str | None, *, as_json: bool, needs: tuple[Part, ...]
) -> None:
    """
    Look whether the database is as it has to be; change nothing.

    Connects as applications here would. Exits with 1 if anything is wrong,
    and says the way out.
    """
    from auditlog.cli import database, findings  # noqa: PLC0415

    try:
        found = database.inspect(database.configured(file, os.environ), needs)
    except (AuditLogError, OSError) as exc:
        _fail(exc)
    if as_json:
        click.echo(findings.as_json(found))
    else:
        Console().print(findings.as_table(found))
    if not findings.is_well(found):
        sys.exit(FAILED)


@db.command()
@_file
def upgrade(file: str | None) -> None:
    """
    Bring the tables to the version that this auditlog knows.

    Each version is one transaction. Run it as the owner of the tables.
    """
    from auditlog.cli import database  # noqa: PLC0415

    try:
        said = database.upgrade(database.configured(file, os.environ))
    except (AuditLogError, OSError) as exc:
        _fail(exc)
    click.echo(said)


@db.command()
@_file
@_sql
@click.option(
    "--writer", "writers", multiple=True, help="A role that stores events."
)
@click.option(
    "--relay", "relays", multiple=True, help="A role that runs relays."
)
@click.option(
    "--reader", "readers", multiple=True, help="A role that reads and exports."
)
def grant(file: str | None, *, as_sql: bool, **roles: tuple[str, ...]) -> None:
    """
    Give existing roles the least that they need, all of them or none.

    Each option may be given several times, and a role may be several things.
    What the roles have besides is left to them.
    """
    from auditlog.cli import database  # noqa: PLC0415

    if not any(roles.values()):
        raise click.UsageError(
            "name at least one role with --writer, --relay or --reader"
        )
    try:
        if as_sql:
            schema = database.configured_schema(file, os.environ)
            said = database.grant_script(schema, roles)
        else:
            config = database.configured(file, os.environ)
            said = database.grant(config, roles)
    except (AuditLogError, OSError) as exc:
        _fail(exc)
    click.echo(said)


def _fail(exc: Exception) -> NoReturn:
    mistakes = exc.mistakes if isinstance(exc, ConfigError) else [str(exc)]
    for mistake in mistakes:
        click.echo(mistake, err=True)
    sys.exit(FAILED)

"""
The commands and their options; what they do stands in modules of their own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rich.console import Console

from auditlog.errors import AuditLogError, ConfigError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from attrs import AttrsInstance

    from auditlog.findings import Finding
    from auditlog.postgres.privileges import Part


FAILED = 1
INTERRUPTED = 130

_DRIVERS = ("kafka", "psycopg", "urllib3")
_NO_CLUSTERS = (
    "No cluster is configured; set CDK_CLUSTERS_0_ID and "
    "CDK_CLUSTERS_0_BOOTSTRAPSERVERS."
)
_NO_TOPICS = "There is no topic that this login may see."


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

    console = Console(stderr=False, highlight=False)
    try:
        with _hushed():
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


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@config.command()
@_file
@_json
def show(file: str | None, *, as_json: bool) -> None:
    """
    Print each setting with its value and where that comes from.

    Secrets are masked. Exits with 1 if anything is wrong, and says what.
    """
    from auditlog.cli import settings  # noqa: PLC0415

    with _telling():
        shown = list(settings.shown(settings.loaded(file, os.environ)))
    _print_rows(shown, as_json=as_json, style=settings.style)


@config.command()
@_file
def check(file: str | None) -> None:
    """
    Exit with 0 if the settings can be used, or list every mistake.

    Nothing is connected to.
    """
    from auditlog.cli import settings  # noqa: PLC0415

    with _telling():
        settings.loaded(file, os.environ)
    click.echo("No mistakes.")


@auditlog.command()
@_file
@_json
def doctor(file: str | None, *, as_json: bool) -> None:
    """
    Try everything, from the installation to the topic; change nothing.

    Says of each thing that is wrong what to do, and exits with 1 if there is
    one.
    """
    from auditlog.cli.doctor import examine  # noqa: PLC0415

    with _hushed():
        found = examine(file, os.environ)
    _print_findings(found, as_json=as_json)


@auditlog.command()
@_file
@_json
@click.option(
    "--max-lag",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Longest that an event may be undelivered, in seconds.",
)
def status(file: str | None, *, as_json: bool, max_lag: float) -> None:
    """
    Tell how the journal stands: relays, dead letters, what is in the way.

    Changes nothing; of a spool it only reads the files. Exits with 1 if
    something needs attention, and says what to do.
    """
    from auditlog.cli import settings, status  # noqa: PLC0415

    with _hushed(), _telling():
        seen = status.see(settings.loaded(file, os.environ).config, max_lag)
    if as_json:
        click.echo(status.as_json(seen))
        _exit_by(seen.findings)
    else:
        _print_findings(seen.findings, as_json=False)


@auditlog.command()
@_file
@_json
def clusters(file: str | None, *, as_json: bool) -> None:
    """
    List the Kafka clusters, and why one can't be used.

    Exits with 1 if there is one that can't.
    """
    from auditlog.cli import clusters, settings  # noqa: PLC0415

    with _hushed(), _telling():
        found = clusters.clusters(settings.loaded(file, os.environ).config)
    rows = [row for row, _ in found]
    seen = [finding for _, finding in found]
    if not found:
        click.echo(_NO_CLUSTERS, err=True)
    _print_findings(seen, as_json=as_json, rows=rows, what="cluster")


@auditlog.command()
@click.argument("cluster", required=False)
@_file
@_json
def topics(cluster: str | None, file: str | None, *, as_json: bool) -> None:
    """
    List the topics of the cluster of that ID that our login may see.

    By default that of the cluster where events are published.
    """
    from auditlog.cli import clusters, settings  # noqa: PLC0415

    with _hushed(), _telling():
        config = settings.loaded(file, os.environ).config
        found = clusters.topics(config, cluster)
    if not found:
        click.echo(_NO_TOPICS, err=True)
    _print_rows(found, as_json=as_json)


@auditlog.group()
def relay() -> None:
    """
    Carry events from the database to the topic.
    """


@relay.command()
@_file
@click.option(
    "--shutdown-timeout",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Longest that what is under way may take at the end, in seconds.",
)
def run(file: str | None, *, shutdown_timeout: float) -> None:
    """
    Relay in this process until SIGTERM or SIGINT.

    For applications whose own processes have relay.run switched off. Of
    several such processes one ships at a time.
    """
    from auditlog.cli import relay, settings  # noqa: PLC0415

    with _telling():
        config = settings.loaded(file, os.environ).config
        relay.run(config, shutdown_timeout=shutdown_timeout)


@auditlog.group("dead-letters")
def dead_letters() -> None:
    """
    What the topic would not take: look at it, and send it again.
    """


@dead_letters.command("list")
@_file
@_json
def list_letters(file: str | None, *, as_json: bool) -> None:
    """
    List the dead letters that are undelivered, without their content.
    """
    from auditlog.cli import letters, settings  # noqa: PLC0415

    with _hushed(), _telling():
        found = letters.letters(settings.loaded(file, os.environ).config)
    if not found:
        click.echo("No dead letters.", err=True)
    _print_rows(found, as_json=as_json)


@dead_letters.command()
@_file
@click.argument("indexes", nargs=-1, type=click.IntRange(min=1))
def retry(file: str | None, indexes: tuple[int, ...]) -> None:
    """
    Send dead letters to the topic again: those of INDEXES, or all.

    Exits with 1 if one was refused again.
    """
    from auditlog.cli import letters, settings  # noqa: PLC0415

    with _hushed(), _telling():
        config = settings.loaded(file, os.environ).config
        found = letters.retry(config, indexes)
    click.echo(f"{found.delivered} delivered, {found.refused} refused again.")
    if found.refused:
        sys.exit(FAILED)


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

    with _telling():
        said = (
            database.init_script(database.configured_schema(file, os.environ))
            if as_sql
            else database.init(database.configured(file, os.environ))
        )
    click.echo(said)


@db.command("check")
@_file
@_json
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
    from auditlog.cli import database  # noqa: PLC0415

    with _telling():
        found = database.inspect(database.configured(file, os.environ), needs)
    _print_findings(found, as_json=as_json)


@db.command()
@_file
def upgrade(file: str | None) -> None:
    """
    Bring the tables to the version that this auditlog knows.

    Each version is one transaction. Run it as the owner of the tables.
    """
    from auditlog.cli import database  # noqa: PLC0415

    with _telling():
        said = database.upgrade(database.configured(file, os.environ))
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
    with _telling():
        if as_sql:
            schema = database.configured_schema(file, os.environ)
            said = database.grant_script(schema, roles)
        else:
            config = database.configured(file, os.environ)
            said = database.grant(config, roles)
    click.echo(said)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
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
def _telling() -> Iterator[None]:
    """
    What is wrong goes to the standard error, a line each.
    """
    try:
        yield
    except (AuditLogError, OSError) as exc:
        wrong = exc.mistakes if isinstance(exc, ConfigError) else [str(exc)]
        for each in wrong:
            click.echo(each, err=True)
        sys.exit(FAILED)


def _print_findings(
    found: Sequence[Finding],
    *,
    as_json: bool,
    rows: Sequence[AttrsInstance] | None = None,
    what: str = "check",
) -> None:
    from auditlog.cli import findings  # noqa: PLC0415
    from auditlog.cli.rows import as_json as json_of  # noqa: PLC0415

    if as_json:
        click.echo(json_of(found if rows is None else rows))
    elif found:
        Console().print(findings.as_table(found, what))
        if rows is None:
            click.echo(findings.summary(found))
    _exit_by(found)


def _exit_by(found: Sequence[Finding]) -> None:
    from auditlog.cli import findings  # noqa: PLC0415

    if not findings.is_well(found):
        sys.exit(FAILED)


def _print_rows(
    found: Sequence[AttrsInstance],
    *,
    as_json: bool,
    style: Callable[[Any], str] = lambda _: "",
) -> None:
    from auditlog.cli import rows  # noqa: PLC0415

    if as_json:
        click.echo(rows.as_json(found))
    elif found:
        Console().print(rows.as_table(found, style))

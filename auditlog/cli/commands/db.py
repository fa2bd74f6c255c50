"""
``auditlog db``.
"""

from __future__ import annotations

import os

from typing import TYPE_CHECKING

import click

from ._options import config_file, json_flag
from ._output import print_findings, telling


if TYPE_CHECKING:
    from auditlog.postgres.privileges import Part


_sql = click.option(
    "--sql",
    "as_sql",
    is_flag=True,
    help="Print the SQL, connect to nothing and run nothing.",
)


@click.group()
def db() -> None:
    """
    Look after the tables in PostgreSQL, and after who may do what there.
    """


@db.command()
@config_file
@_sql
def init(file: str | None, *, as_sql: bool) -> None:
    """
    Create the schema and the tables, unless they are there.

    Does so even where database.create_schema is false.
    """
    from auditlog.cli import database  # noqa: PLC0415

    with telling():
        said = (
            database.init_script(database.configured_schema(file, os.environ))
            if as_sql
            else database.init(database.configured(file, os.environ))
        )
    click.echo(said)


@db.command("check")
@config_file
@json_flag
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

    with telling():
        found = database.inspect(database.configured(file, os.environ), needs)
    print_findings(found, as_json=as_json)


@db.command()
@config_file
def upgrade(file: str | None) -> None:
    """
    Bring the tables to the version that this auditlog knows.

    Each version is one transaction. Run it as the owner of the tables.
    """
    from auditlog.cli import database  # noqa: PLC0415

    with telling():
        said = database.upgrade(database.configured(file, os.environ))
    click.echo(said)


@db.command()
@config_file
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
    with telling():
        if as_sql:
            schema = database.configured_schema(file, os.environ)
            said = database.grant_script(schema, roles)
        else:
            config = database.configured(file, os.environ)
            said = database.grant(config, roles)
    click.echo(said)

"""
What the commands below ``auditlog db`` do, in a few words each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.cli import settings
from auditlog.errors import ConfigError
from auditlog.postgres import (
    grant_roles,
    grant_sql,
    init_schema,
    inspect_database,
    schema_sql,
    upgrade_schema,
)


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditlog.config import DatabaseConfig
    from auditlog.findings import Finding
    from auditlog.postgres.privileges import Part


def configured(path: str | None, environ: Mapping[str, str]) -> DatabaseConfig:
    """
    The database of this environment, or of a file if *path* names one.

    Raises:
        ConfigError: If anything is wrong, or no database is set.
    """
    database = settings.loaded(path, environ).config.database
    if database is None:
        mistake = "must be set, for instance CDK_DATABASE_URL @ database.url"
        raise ConfigError([mistake])
    return database


def configured_schema(path: str | None, environ: Mapping[str, str]) -> str:
    """
    The name of the schema; SQL can be printed without a database.
    """
    database = settings.loaded(path, environ).config.database
    return database.schema if database else "audit"


def init(database: DatabaseConfig) -> str:
    """
    Create what is absent; what there is to say about it.
    """
    made = init_schema(database)
    done = "Created" if made else "Nothing to do: there already is"
    return f"{done} schema {database.schema!r} with its tables."


def init_script(schema: str) -> str:
    """
    The SQL that `init` runs.
    """
    return schema_sql(schema)


def inspect(database: DatabaseConfig, needs: Sequence[Part]) -> list[Finding]:
    """
    What a look at the database found.
    """
    return inspect_database(database, needs=needs)


def upgrade(database: DatabaseConfig) -> str:
    """
    Upgrade the tables; what there is to say about it.
    """
    versions = upgrade_schema(database)
    if not versions:
        return f"Nothing to do: schema {database.schema!r} is up to date."
    return f"Upgraded schema {database.schema!r} to version {versions[-1]}."


def grant(database: DatabaseConfig, roles: Mapping[str, Sequence[str]]) -> str:
    """
    Grant; what there is to say about it.
    """
    grant_roles(database, **roles)
    granted = [
        f"{role!r} has what a {part[:-1]} needs in schema {database.schema!r}."
        for part, names in roles.items()
        for role in names
    ]
    return "\n".join(granted)


def grant_script(schema: str, roles: Mapping[str, Sequence[str]]) -> str:
    """
    The SQL that `grant` runs.
    """
    return grant_sql(schema, **roles)

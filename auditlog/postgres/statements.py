"""
The SQL files, for one schema.
"""

from __future__ import annotations

import functools
import re
import zlib

from importlib.resources import files
from typing import NamedTuple


# SET LOCAL for a transaction of one statement; see queries.sql.
_DURABLY = """(
       SELECT set_config('synchronous_commit', replace(
                  current_setting('synchronous_commit'), 'off', 'on'), true),
              set_config('lock_timeout', %(lock_timeout)s::text, true)
       ) AS durably"""
_HEADING = re.compile(r"^-- (\w+) --\n", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_VALUE = re.compile(r"%\((\w+)\)[bs]")


class Numbered(NamedTuple):
    """
    A statement as libpq takes it, with ``$1`` for its first value.

    Attributes:
        name: Its own: no other statement has the same.

        sql: The statement.
    """

    name: bytes
    sql: bytes


def schema_sql(schema: str = "audit") -> str:
    """
    The SQL that creates the tables, for psql or a migration of your own.

    It is one transaction, and fails if the tables exist.

    Args:
        schema: Name of the schema, which is created if it is absent.

    .. versionadded:: 0.1.0
    """
    quoted = _quoted(schema)
    return (
        f"BEGIN;\nCREATE SCHEMA IF NOT EXISTS {quoted};\n\n"
        f"{tables_sql(schema)}\nCOMMIT;\n"
    )


def tables_sql(schema: str) -> str:
    """
    The SQL that creates the tables in an existing schema.
    """
    return _file("schema.sql").replace("{schema}", _quoted(schema))


@functools.cache
def statements(schema: str) -> dict[str, str]:
    """
    The statements in ``queries.sql`` by their names.
    """
    text = _file("queries.sql").replace("{durably}", _DURABLY)
    parts = _HEADING.split(text.replace("{schema}", _quoted(schema)))
    return {
        name: _COMMENT.sub("", statement).strip()
        for name, statement in zip(parts[1::2], parts[2::2], strict=True)
    }


@functools.cache
def numbered(statement: str) -> Numbered:
    """
    *statement* as libpq takes it.
    """
    values = list(dict.fromkeys(_VALUE.findall(statement)))
    sql = _VALUE.sub(
        lambda found: f"${values.index(found[1]) + 1}", statement
    ).encode()
    # Of its text: behind a pooler, a number would be that of another one.
    return Numbered(b"auditlog_%x" % zlib.crc32(sql), sql)


def known_objects() -> dict[str, str]:
    """
    What a schema of this version consists of; see *objects* in queries.sql.
    """
    lines = _file("objects.txt").splitlines()
    pairs = (each.partition(" = ") for each in lines if each)
    return {name: definition for name, _, definition in pairs}


def migration_sql(version: int, schema: str) -> str:
    """
    The SQL that makes *version* out of the one before.
    """
    text = _file(f"upgrade_{version:02}.sql")
    return text.replace("{schema}", _quoted(schema))


def _file(name: str) -> str:
    return files(__package__).joinpath("sql", name).read_text("utf-8")


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'

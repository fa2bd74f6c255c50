"""
PostgreSQL as sink, journal and source of events.
"""

from __future__ import annotations

from .grants import grant_roles, grant_sql
from .inspection import inspect_database
from .lease import PostgresLease
from .migrations import upgrade_schema
from .reader import PostgresReader
from .schema import init_schema
from .sink import PostgresSink
from .statements import schema_sql


__all__ = [
    "PostgresLease",
    "PostgresReader",
    "PostgresSink",
    "grant_roles",
    "grant_sql",
    "init_schema",
    "inspect_database",
    "schema_sql",
    "upgrade_schema",
]

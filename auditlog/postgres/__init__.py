"""
PostgreSQL as sink, journal and source of events.
"""

from __future__ import annotations

from .lease import PostgresLease
from .reader import PostgresReader
from .sink import PostgresSink
from .statements import schema_sql


__all__ = ["PostgresLease", "PostgresReader", "PostgresSink", "schema_sql"]

"""
A PostgreSQL server for the session and a database for each test.
"""

from __future__ import annotations

import os

from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest

from psycopg import sql

from auditlog.config import DatabaseConfig
from auditlog.testing.services import (
    PostgresServer,
    create_database,
    drop_database,
)
from tests.fix_services import running


@pytest.fixture(scope="session")
def postgres_server():
    """
    A server of our own; leave it running and its settings alone.
    """
    with running(PostgresServer) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(request):
    """
    The address of a superuser, from the environment if it gives one.
    """
    if url := os.environ.get("AUDITLOG_TEST_POSTGRES"):
        return url
    return request.getfixturevalue("postgres_server").url


@pytest.fixture
def database_url(postgres_url):
    """
    The address of an empty database of this test's own.
    """
    name = f"test_{uuid4().hex}"
    yield create_database(postgres_url, name)
    drop_database(postgres_url, name)


@pytest.fixture
def make_role(database_url):
    """
    Make roles that may log in and no more, gone after the test.

    Called with the beginning of a name; returns the role's config.
    """
    with role_maker(database_url) as make:
        yield make


@contextmanager
def role_maker(url):
    """
    A function that makes roles in the server of *url*.
    """
    made = []

    def make(prefix):
        # Roles belong to the whole server, so their names are their own.
        name = f"{prefix}_{uuid4().hex[:12]}"
        _with_role(url, name, "CREATE ROLE {} LOGIN")
        made.append(name)
        given = DatabaseConfig(url=url).parameters()
        return DatabaseConfig(
            host=given["host"],
            port=int(given["port"]),
            name=given["dbname"],
            username=name,
            create_schema=False,
        )

    yield make
    for name in made:
        _with_role(url, name, "DROP OWNED BY {0} CASCADE", "DROP ROLE {0}")


def _with_role(url, name, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        for each in statements:
            connection.execute(sql.SQL(each).format(sql.Identifier(name)))

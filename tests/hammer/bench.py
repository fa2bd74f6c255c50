"""
The servers that a hammer hits, and what stands between.
"""

from __future__ import annotations

import contextlib

from urllib.parse import urlsplit

import psycopg

from auditlog.testing.services import (
    KafkaCluster,
    KafkaServer,
    PostgresServer,
    TCPProxy,
    free_port,
)
from tests.pooler import Pooler


SETTINGS = {"max_connections": "200"}


class Bench:
    """
    One PostgreSQL, one broker, and three more once they are needed.

    They serve one round after the other, each with a database and a topic of
    its own.

    Attributes:
        database_proxy: Stands before PostgreSQL.

        broker_proxy: Stands before the one broker.

        pooler: Stands before the proxy of the database.
    """

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._cluster = None
        self.postgres = PostgresServer(config=SETTINGS)
        self.broker = KafkaServer(advertised_port=free_port())

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.postgres)
            stack.enter_context(self.broker)
            host = "127.0.0.1"
            self.database_proxy = stack.enter_context(
                TCPProxy(host, self.postgres.port)
            )
            self.broker_proxy = stack.enter_context(
                TCPProxy(
                    host,
                    self.broker.upstream_port,
                    listen_port=self.broker.advertised_port,
                )
            )
            self.pooler = stack.enter_context(
                Pooler(host, self.database_proxy.port, size=8)
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def cluster(self):
        """
        Three brokers, started when they are first asked for.
        """
        if self._cluster is None:
            self._cluster = self._stack.enter_context(KafkaCluster())
        return self._cluster

    @cluster.setter
    def cluster(self, found):
        self._cluster = found

    def through(self, url, port):
        """
        The database of *url* by way of another port.
        """
        netloc = f"postgres@127.0.0.1:{port}"
        return urlsplit(url)._replace(netloc=netloc).geturl()

    def heal(self):
        """
        Let everything run and pass again.
        """
        for proxy in (self.database_proxy, self.broker_proxy):
            proxy.restore()
        self.postgres.start()
        for server in self.brokers:
            if server.running:
                server.resume()
            server.start()

    @property
    def brokers(self):
        more = self._cluster.servers if self._cluster else ()
        return (self.broker, *more)


def holder(url):
    """
    The number of the process that has the lease, if one has it.
    """
    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(url, connect_timeout=2) as connection,
    ):
        found = connection.execute("SELECT holder FROM audit.delivery")
        for (name,) in found:
            return int(name.rpartition("/")[2]) if name else None
    return None

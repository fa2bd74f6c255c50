"""
How long contests run, and the services they run on.
"""

from __future__ import annotations

import functools

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import attrs
import psycopg

from auditlog.config import ClusterConfig
from auditlog.testing.services import KafkaServer, PostgresServer


if TYPE_CHECKING:
    from types import TracebackType


@attrs.define(slots=False)
class Setting:
    """
    What all contests of one run share; a context manager.

    Services are started by the first contest that asks for them.

    Args:
        quick: Whether only to see that the contests work.

        full: Whether to handle up to 10⁷ events, which takes hours.

        minutes: How long an application is under load in each contest.

    Attributes:
        services: The settings of the services that ran.
    """

    quick: bool = False
    full: bool = False
    minutes: float = 0.5
    services: dict[str, str] = attrs.field(factory=dict, init=False)
    _stack: ExitStack = attrs.field(factory=ExitStack)

    @property
    def rounds(self) -> int:
        """
        Rounds that count.
        """
        return 2 if self.quick else 7

    @property
    def many(self) -> int:
        """
        The most events that are handled at once.
        """
        return self.events(1_000_000 if self.full else 100_000)

    @property
    def seconds(self) -> float:
        """
        How long each of two applications is under load in a round.
        """
        return 0.2 if self.quick else self.minutes * 60 / self.rounds / 2

    def events(self, number: int) -> int:
        """
        How many events, where a thorough run takes *number*.
        """
        return max(number // 50, 50) if self.quick else number

    def database(self) -> str:
        """
        The URL of a new database.
        """
        return self._postgres.create_database(f"bench_{uuid4().hex}")

    def settle(self, url: str) -> None:
        """
        Let the server do once what it leaves for later: planning a query
        takes statistics, which its own housekeeping would gather.
        """
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def cluster(self) -> ClusterConfig:
        """
        The Kafka cluster.
        """
        return ClusterConfig(
            id="benchmarks",
            bootstrap_servers=self._kafka.bootstrap_servers,
        )

    @functools.cached_property
    def _postgres(self) -> PostgresServer:
        # No work of its own that would fall into a single round.
        quiet = {
            "max_wal_size": "16GB",
            "autovacuum": "off",
            "max_connections": "300",
        }
        server = self._stack.enter_context(PostgresServer(config=quiet))
        with psycopg.connect(server.url) as connection:
            for name in ("server_version", "fsync", "synchronous_commit"):
                quiet[name] = _setting(connection, name)
        self.services["PostgreSQL"] = _line(quiet)
        return server

    @functools.cached_property
    def _kafka(self) -> KafkaServer:
        server = self._stack.enter_context(KafkaServer())
        self.services["Apache Kafka"] = (
            "one broker on this machine, topics with one partition"
        )
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()


def _setting(connection: psycopg.Connection, name: str) -> str:
    found = connection.execute(
        "SELECT current_setting(%s)", (name,)
    ).fetchone()
    assert found is not None
    return str(found[0])


def _line(settings: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())

"""
How long contests run, and the services they run on.
"""

from __future__ import annotations

import functools

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import attrs

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

        minutes: How long an application is under load in each contest.
    """

    quick: bool = False
    minutes: float = 1.0
    _stack: ExitStack = attrs.field(factory=ExitStack)

    @property
    def rounds(self) -> int:
        """
        Rounds that count.
        """
        return 2 if self.quick else 15

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
        quiet = {"max_wal_size": "16GB", "autovacuum": "off"}
        return self._stack.enter_context(PostgresServer(config=quiet))

    @functools.cached_property
    def _kafka(self) -> KafkaServer:
        return self._stack.enter_context(KafkaServer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

"""
Several Apache Kafka brokers that hold copies for each other.
"""

from __future__ import annotations

import os
import time

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from auditlog.testing.services._kafka import KafkaServer
from auditlog.testing.services._kafka_access import KafkaAccess
from auditlog.testing.services._service import POLL, ServiceError


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from auditlog.testing.services._kafka_security import KafkaSecurity


class KafkaCluster(KafkaAccess):
    """
    Apache Kafka brokers on free ports of this machine that are one cluster.

    .. code-block:: python

        with KafkaCluster() as cluster:
            producer = KafkaProducer(
                bootstrap_servers=cluster.bootstrap_servers
            )
            cluster.servers[0].kill()

    Each of them is also a controller, so of three one may be away, and of
    five two. A broker takes 350 to 450 MB of memory.

    Args:
        brokers: How many, at least one.

        config: More lines of each ``server.properties``.

        security: Who may come, as in :class:`KafkaServer`.

        timeout: Longest wait for an answer, in seconds.

        log: Told what happens; by default the logger ``auditlog.testing`` is.

    Attributes:
        servers:
            The brokers, each a :class:`KafkaServer` that can be stopped,
            killed, paused and started alone.

    Raises:
        MissingExtraError: If the extra ``services`` is not installed.

        ValueError: If *brokers* is less than one.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        brokers: int = 3,
        *,
        config: Mapping[str, str] | None = None,
        security: KafkaSecurity | None = None,
        timeout: float = 120.0,
        log: Callable[[str], None] | None = None,
    ) -> None:
        if brokers < 1:
            raise ValueError(f"'brokers' must be at least 1 (got {brokers})")
        self.security = security
        self.timeout = timeout
        self.servers = tuple(
            KafkaServer(
                config=config, security=security, timeout=timeout, log=log
            )
            for _ in range(brokers)
        )
        self._join()

    def __repr__(self) -> str:
        """
        How many brokers run.
        """
        running = sum(each.running for each in self.servers)
        return f"<KafkaCluster running={running}/{len(self.servers)}>"

    def __enter__(self) -> Self:
        """
        Start the cluster.
        """
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        """
        Stop the cluster and remove its files.
        """
        self.close()

    def start(self) -> None:
        """
        Start the brokers that don't run; return once all know of each other.

        Raises:
            ServiceError:
                If that does not come to be in time; the message ends with the
                last lines of a broker's log.
        """
        self._start_tokens()
        deadline = time.monotonic() + self.timeout
        resting = [each for each in self.servers if not each.running]
        self._create(resting)
        for each in resting:
            each._launch()
        self._await(deadline)

    def stop(self) -> None:
        """
        Stop all brokers tidily and keep their data for :meth:`start`.
        """
        # All at once: the last would wait in vain for the others' votes.
        for each in self.servers:
            if each.running:
                os.kill(each.pid, each.stop_signal)
        for each in self.servers:
            each.stop()

    def close(self) -> None:
        """
        Stop the brokers and remove their files; safe to call twice.
        """
        for each in self.servers:
            each.close()
        self._stop_tokens()

    @property
    def _brokers(self) -> tuple[KafkaServer, ...]:
        return self.servers

    def _join(self) -> None:
        voters = {
            node_id: each._controller_port
            for node_id, each in enumerate(self.servers, 1)
        }
        for node_id, each in enumerate(self.servers, 1):
            each._join(node_id, voters)

    def _create(self, servers: list[KafkaServer]) -> None:
        """
        Make the data of those that have none, side by side.
        """
        fresh = [each for each in servers if each._supervisor is None]
        with ThreadPoolExecutor(len(self.servers)) as pool:
            for made in [pool.submit(each._create) for each in fresh]:
                made.result()

    def _await(self, deadline: float) -> None:
        waiting = list(self.servers)
        while waiting := [e for e in waiting if not e._answers(deadline)]:
            time.sleep(POLL)
        node_ids = set(range(1, len(self.servers) + 1))
        while not all(each._knows(node_ids) for each in self.servers):
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"kafka's brokers did not meet in {self.timeout:g} s"
                )
            time.sleep(POLL)

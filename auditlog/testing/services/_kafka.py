"""
A real Apache Kafka broker from Maven packages and a Java wheel.
"""

from __future__ import annotations

import os
import signal

from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from auditlog.errors import MissingExtraError
from auditlog.testing.services import _jars
from auditlog.testing.services._java_properties import java_properties
from auditlog.testing.services._kafka_access import KafkaAccess
from auditlog.testing.services._kafka_listeners import (
    SECURED,
    scram_options,
    security_settings,
)
from auditlog.testing.services._kafka_protocol import known_brokers
from auditlog.testing.services._service import HOST, Service, free_port


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from auditlog.testing.services._kafka_security import KafkaSecurity
    from auditlog.testing.services._service import _Client


class KafkaServer(KafkaAccess, Service):
    """
    One Apache Kafka 4 broker on a free port of this machine.

    .. code-block:: python

        with KafkaServer() as server:
            consumer = KafkaConsumer(
                "orders", bootstrap_servers=server.bootstrap_servers
            )

    Nothing is installed: the first start fetches the broker (45 MB) into the
    user's cache folder, later ones need no network. Java is that of this
    machine if it is 17 or newer, else one that comes as a wheel with the extra
    ``services``. The broker is gone with the process that started it, even if
    that is killed.

    The address is known before :meth:`start`, so a broker that is away at
    first is one that is started later.

    Args:
        port: The TCP port; a free one by default.

        advertised_port:
            The port of a :class:`TCPProxy` to *upstream_port*. A Kafka client
            follows the address that the broker tells it, whatever address it
            came by: on that listener the broker tells this one, so that all
            traffic stays with the proxy. On *port* it remains reachable
            without it.

        config: More lines of ``server.properties``.

        security:
            Who may come, on listeners of their own. On *port* anybody may, and
            may do anything.

        timeout: Longest wait for an answer, in seconds.

        log: Told what happens; by default the logger ``auditlog.testing`` is.

    Attributes:
        upstream_port: Where the proxy of *advertised_port* connects to.

        advertised_port: Where that proxy listens.

    Raises:
        MissingExtraError: If the extra ``services`` is not installed.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "kafka"
    stop_signal = signal.SIGTERM
    # Its files go with it, so it need not put them in order.
    end_signal = signal.SIGKILL

    def __init__(
        self,
        *,
        port: int | None = None,
        advertised_port: int | None = None,
        config: Mapping[str, str] | None = None,
        security: KafkaSecurity | None = None,
        timeout: float = 120.0,
        log: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(port=port, timeout=timeout, log=log)
        if not find_spec("jgo"):
            raise MissingExtraError("KafkaServer", "services")
        self.upstream_port = free_port()
        self.advertised_port = advertised_port or self.upstream_port
        self.security = security
        self._node_id = 1
        self._controller_port = free_port()
        self._voters = {self._node_id: self._controller_port}
        self._secured_ports = {
            protocol: free_port() for protocol in (SECURED if security else ())
        }
        self._config = dict(config or {})
        self._java: list[str] = []

    def pause(self) -> None:
        """
        Freeze the broker: connections stay open and nothing answers.
        """
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """
        Let a paused broker go on.
        """
        os.kill(self.pid, signal.SIGCONT)

    def start(self) -> None:
        """
        Start the broker and return once it serves clients.

        The first time with empty data, then with what was there before. Does
        nothing if it runs. One of a cluster needs most of the others for it.

        Raises:
            ServiceError:
                If it does not answer in time; the message ends with the last
                lines of its log.
        """
        self._start_tokens()
        super().start()

    def close(self) -> None:
        """
        Stop the broker and remove its directory; safe to call twice.
        """
        super().close()
        self._stop_tokens()

    @property
    def _brokers(self) -> tuple[KafkaServer, ...]:
        return (self,)

    def _join(self, node_id: int, voters: Mapping[int, int]) -> None:
        """
        Be one of a cluster with a controller at each port of *voters*.
        """
        self._node_id, self._voters = node_id, dict(voters)

    def _port_of(self, protocol: str) -> int | None:
        ports = {"PLAINTEXT": self.port, **self._secured_ports}
        return ports.get(protocol)

    def _knows(self, node_ids: set[int]) -> bool:
        """
        Whether clients that ask this broker learn of these.
        """
        return node_ids <= known_brokers(self.port)

    def _prepare(self, supervisor: _Client) -> None:
        classes = _jars.class_path(self._log)
        keys = supervisor.directory / "jwks.json"
        self._java = [_jars.java(), *_JVM_OPTIONS, "-cp", classes]
        self._java.insert(1, f"{_TRUSTED_URLS}={keys.as_uri()}")
        if self.security:
            keys.write_text(self.security.tokens.jwks)
        properties = supervisor.directory / _PROPERTIES
        properties.write_text(java_properties(self._settings(keys)))
        self._format(supervisor)

    def _format(self, supervisor: _Client) -> None:
        scram = scram_options(self.security) if self.security else []
        code = supervisor.run(
            [
                *(*self._java, "kafka.tools.StorageTool", "format"),
                *("-t", _CLUSTER_ID, "-c", _PROPERTIES, *scram),
            ]
        )
        if code:
            raise self._failure(f"formatting the data ended with {code}")

    def _settings(self, keys: Path) -> dict[str, str]:
        voters = [f"{id_}@{HOST}:{port}" for id_, port in self._voters.items()]
        return {
            **_SETTINGS,
            **_replication(len(voters)),
            **self._listeners(),
            "node.id": str(self._node_id),
            "controller.quorum.voters": ",".join(voters),
            **self._security_settings(keys),
            **self._config,
        }

    def _security_settings(self, keys: Path) -> dict[str, str]:
        if self.security is None:
            return {}
        return security_settings(self.security, keys.as_uri())

    def _listeners(self) -> dict[str, str]:
        own = {
            "PLAINTEXT": self.port,
            "PROXIED": self.upstream_port,
            **self._secured_ports,
        }
        told = {**own, "PROXIED": self.advertised_port}
        protocols = {each: each for each in own} | {
            "PROXIED": "PLAINTEXT",
            "CONTROLLER": "PLAINTEXT",
        }
        return {
            "listeners": _urls({**own, "CONTROLLER": self._controller_port}),
            "advertised.listeners": _urls(told),
            "listener.security.protocol.map": ",".join(
                f"{name}:{protocol}" for name, protocol in protocols.items()
            ),
        }

    def _argv(self) -> list[str]:
        return [*self._java, "kafka.Kafka", _PROPERTIES]

    def _is_ready(self) -> bool:
        node_id = self._config.get("node.id", self._node_id)
        return self._knows({int(node_id)})


def _urls(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())


def _replication(nodes: int) -> dict[str, str]:
    """
    Copies of the broker's own topics: three, or as many as there are nodes.
    """
    copies = min(nodes, 3)
    in_sync = max(1, copies - 1)
    return {
        "offsets.topic.replication.factor": str(copies),
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(in_sync),
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(in_sync),
    }


_CLUSTER_ID = "auditlogtestcluster000"
_PROPERTIES = "server.properties"
# Kafka takes no key from where it isn't told, at its start, that it may.
_TRUSTED_URLS = "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls"
_JVM_OPTIONS = [
    "-Xmx512m",
    # Ready sooner: the broker lives for minutes.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
]
_SETTINGS = {
    "process.roles": "broker,controller",
    "log.dirs": "data",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker may come back once its old session has ended.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
}

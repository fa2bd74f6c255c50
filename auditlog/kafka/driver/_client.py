"""
Builds kafka-python's clients so that they behave, and leave nothing behind.
"""

from __future__ import annotations

import itertools
import weakref

from typing import TYPE_CHECKING, Any

from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket

from auditlog.kafka.quiet import CLIENT_ID, hush, ours

from ._security import security


if TYPE_CHECKING:
    import socket

    from auditlog.config import ClusterConfig


# Seconds that a connection may take, and that `send()` may wait for metadata.
MAX_BLOCK = 5.0
REQUEST_TIMEOUT = 10.0


def connect(
    cluster: ClusterConfig, make: Any, topic: str | None, **settings: Any
) -> tuple[Any, Any]:
    """
    Build a client of kafka-python that knows *topic* from the beginning.

    Returns:
        The client and the cluster as it sees it. Nothing stays behind if the
        client can't be built.
    """
    clients: list[_Client] = []

    def client(**configs: Any) -> _Client:
        clients.append(_Client(topic, configs))
        return clients[-1]

    hush()
    try:
        with ours():
            made = make(
                bootstrap_servers=list(cluster.bootstrap_servers),
                client_id=CLIENT_ID,
                reconnect_backoff_max_ms=2000,
                kafka_client=client,
                **security(cluster.client()),
                **settings,
            )
    except BaseException:
        for each in clients:
            each.close()
        raise
    return made, clients[0].cluster


class _Client(KafkaNetClient):  # type: ignore[misc]
    """
    Closes all sockets that it opened; kafka-python leaves that to chance.

    One that was refused, or closed while it was being written to, would be a
    `ResourceWarning` in the application.
    """

    def __init__(self, topic: str | None, configs: dict[str, Any]) -> None:
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        url = f"{_Socket.SCHEME}://{next(_numbers)}"
        _sockets_of[url] = self._sockets
        settings = {
            **configs,
            "proxy_url": url,
            "socket_connection_setup_timeout_ms": int(MAX_BLOCK * 1000),
            # A warning for authors of kafka-python, on a busy machine.
            "slow_task_threshold_secs": 0,
        }
        super().__init__(**settings)
        # kafka-python takes the setting and does not pass it on: asking for
        # a topic that was deleted would create it, with one partition.
        self.cluster.config["allow_auto_create_topics"] = False
        if topic is not None:
            # The first answer tells of it, not one that is asked for later.
            self.cluster._topics.add(topic)  # noqa: SLF001

    def close(self, node_id: Any = None) -> None:
        super().close(node_id)
        if node_id is None:
            for each in list(self._sockets):
                each.close()


# A client's connections know it by the address of a proxy that is none.
_numbers = itertools.count()
_sockets_of: weakref.WeakValueDictionary[
    str, weakref.WeakSet[socket.socket]
] = weakref.WeakValueDictionary()


class _Socket(KafkaNetSocket):  # type: ignore[misc]
    SCHEME = "auditlog"
    SCHEMES = (SCHEME,)

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._sockets = _sockets_of[url]

    def socket(self, *args: Any, **kwargs: Any) -> socket.socket:
        made: socket.socket = super().socket(*args, **kwargs)
        self._sockets.add(made)
        self._made = made
        return made

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().connect(*args, **kwargs)
        except BaseException:
            self._made.close()
            raise

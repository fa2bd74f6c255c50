"""
A TCP proxy that breaks connections on command.
"""

from __future__ import annotations

import asyncio
import socket
import threading

from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal, Self

from auditlog.testing.services._link import Lane, Link, Watch
from auditlog.testing.services._service import HOST, free_port


if TYPE_CHECKING:
    from collections.abc import Callable

    Direction = Literal["up", "down", "both"]
    Mode = Literal["open", "stalled", "lossy"]


class TCPProxy:
    """
    Stands between a client and a server, and fails as networks do.

    .. code-block:: python

        with TCPProxy("127.0.0.1", 5432) as proxy:
            connection = psycopg.connect(host="127.0.0.1", port=proxy.port)
            proxy.stall("down")  # questions arrive, answers don't

    *up* is what the client sends, *down* what the server sends. What a method
    does holds for open and new connections until :meth:`restore`, and is in
    force when the method returns. All methods may be called from any thread.

    A Kafka client follows the address that its broker tells it; see
    *advertised_port* of :class:`KafkaServer`.

    Args:
        host: The server's host.

        port: The server's port.

        listen_port: Where to listen; a free port by default.

    Attributes:
        port: Where the proxy listens on this machine; kept for good.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self, host: str, port: int, *, listen_port: int | None = None
    ) -> None:
        self.port = listen_port or free_port()
        self._target = (host, port)
        self._lanes = {"up": Lane(), "down": Lane()}
        self._links: dict[asyncio.Task[None], Link] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = asyncio.Event()

    def __repr__(self) -> str:
        """
        From where to where.
        """
        host, port = self._target
        return f"<TCPProxy {self.address} -> {host}:{port}>"

    def __enter__(self) -> Self:
        """
        Start to listen.
        """
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """
        End all connections and stop to listen.
        """
        self.close()

    @property
    def address(self) -> str:
        """
        Where the proxy listens, as ``host:port``.
        """
        return f"{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        """
        The number of open connections.
        """
        return len(self._links)

    def start(self) -> None:
        """
        Start to listen.

        Raises:
            OSError: If the port is taken.
        """
        listener = _listener(self.port)
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(listener, ready)),
            name=f"proxy-{self.port}",
            daemon=True,
        )
        self._thread.start()
        ready.result()

    def close(self) -> None:
        """
        End all connections and stop to listen; safe to call twice.
        """
        if self._thread is not None and self._thread.is_alive():
            self._do(self._closed.set)
            self._thread.join()
        self._thread = None

    def stall(self, direction: Direction = "both") -> None:
        """
        Pass nothing on; :meth:`restore` passes on what was held back.

        The sender is slowed down once the buffers between are full.
        """
        self._do(self._set, direction, "stalled")

    def black_hole(self, direction: Direction = "both") -> None:
        """
        Take everything and pass nothing on, not even an end.

        :meth:`restore` resets the connections that lost something.
        """
        self._do(self._set, direction, "lossy")

    def throttle(self, rate: float, direction: Direction = "both") -> None:
        """
        Pass on at most *rate* bytes per second and connection.
        """
        self._do(self._throttle, direction, rate)

    def cut(self) -> None:
        """
        Reset all open connections; new ones are welcome.
        """
        self._do(self._cut)

    def refuse(self) -> None:
        """
        Refuse new connections; open ones remain.
        """
        self._do(self._refuse)

    def restore(self) -> None:
        """
        Be an ordinary proxy again.
        """
        self._do(self._restore)

    def watch(
        self,
        pattern: bytes,
        then: Callable[[], None] | None = None,
        *,
        direction: Literal["up", "down"] = "up",
    ) -> threading.Event:
        """
        Wait for *pattern* to come by, once.

        .. code-block:: python

            proxy.watch(b"COMMIT", lambda: proxy.stall("down"))

        lets the server have the COMMIT and the client no answer.

        Args:
            pattern: The bytes to look for, such as a part of a statement.

            then: Called before these bytes are passed on; must not block.

            direction: Where to look.

        Returns:
            Set once the pattern came by and *then* was called.
        """
        watch = Watch(pattern, then or (lambda: None))
        self._do(self._lanes[direction].watches.append, watch)
        return watch.seen

    def _do(self, action: Callable[..., object], *args: object) -> None:
        """
        Call *action* in the thread of the loop and wait until it took hold.
        """
        if threading.current_thread() is self._thread:
            action(*args)
            return
        if self._loop is None or self._thread is None:
            raise RuntimeError(f"{self!r} does not listen; call start()")
        asyncio.run_coroutine_threadsafe(
            self._apply(action, *args), self._loop
        ).result()

    # All below runs in the thread of the loop.

    async def _run(self, listener: socket.socket, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listen(listener)
        ready.set_result(None)
        await self._closed.wait()
        await self._apply(self._shut)

    async def _apply(
        self, action: Callable[..., object], *args: object
    ) -> None:
        action(*args)
        while self._ending:
            await asyncio.wait({self._ending.pop()})
        # A socket is closed in the round of the loop after its task ended.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _listen(self, listener: socket.socket) -> None:
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._welcome)

    def _welcome(self) -> None:
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # gone again
        link = Link(self._lanes["up"], self._lanes["down"], client)
        task = asyncio.create_task(link.run(*self._target))
        self._links[task] = link
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._links.pop(task).forget()

    def _set(self, direction: Direction, mode: Mode) -> None:
        for lane in self._chosen(direction):
            lane.set(mode)

    def _throttle(self, direction: Direction, rate: float) -> None:
        for lane in self._chosen(direction):
            lane.rate = rate

    def _chosen(self, direction: Direction) -> list[Lane]:
        if direction == "both":
            return list(self._lanes.values())
        return [self._lanes[direction]]

    def _refuse(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
        self._listener = None

    def _cut(self) -> None:
        for task in self._links:
            self._end(task)

    def _shut(self) -> None:
        self._refuse()
        self._cut()

    def _restore(self) -> None:
        for task, link in self._links.items():
            if link.lost:
                self._end(task)
        for lane in self._lanes.values():
            lane.restore()
        if self._listener is None:
            self._listen(_listener(self.port))

    def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        self._ending.add(task)


def _listener(port: int) -> socket.socket:
    listener = socket.create_server((HOST, port), backlog=128)
    listener.setblocking(False)
    return listener

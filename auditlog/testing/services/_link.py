"""
What a proxy does with one connection: its two directions and their faults.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import attrs


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_CHUNK_BYTES = 65_536


@attrs.define(eq=False)
class Watch:
    """
    What to do when some bytes come by.
    """

    pattern: bytes
    then: Callable[[], None]
    seen: threading.Event = attrs.field(factory=threading.Event)

    def fire(self) -> None:
        self.then()
        self.seen.set()


@attrs.define(eq=False)
class Lane:
    """
    One direction, of all connections.
    """

    lossy: bool = False
    rate: float | None = None
    watches: list[Watch] = attrs.field(factory=list)
    # Unset while data, and while ends of connections, are held back.
    flowing: asyncio.Event = attrs.field(factory=asyncio.Event)
    ending: asyncio.Event = attrs.field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self.set("open")

    def set(self, mode: Literal["open", "stalled", "lossy"]) -> None:
        self.lossy = mode == "lossy"
        _switch(self.flowing, on=mode != "stalled")
        _switch(self.ending, on=mode == "open")

    def restore(self) -> None:
        self.rate = None
        self.watches.clear()
        self.set("open")

    def inspect(self, data: bytes) -> None:
        for watch in [each for each in self.watches if each.pattern in data]:
            self.watches.remove(watch)
            watch.fire()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        size = max(1, int(self.rate / 10)) if self.rate else len(data)
        return (data[at : at + size] for at in range(0, len(data), size))


def _switch(event: asyncio.Event, *, on: bool) -> None:
    if on:
        event.set()
    else:
        event.clear()


class Link:
    """
    A client's connection and the one to the server that belongs to it.
    """

    def __init__(self, up: Lane, down: Lane, client: socket.socket) -> None:
        self._up, self._down = up, down
        self._client = client
        _linger(client, on=False)
        self._writers: list[asyncio.StreamWriter] = []
        self.lost = False

    async def run(self, host: str, port: int) -> None:
        """
        Carry bytes until both sides are done; reset both on any trouble.
        """
        done = False
        try:
            near, to_client = await self._open(sock=self._client)
            far, to_server = await self._open(host=host, port=port)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(self._up, near, to_server))
                pumps.create_task(self._pump(self._down, far, to_client))
            done = True
        except* OSError:
            pass  # one side is gone, and soon so is the other
        finally:
            for writer in self._writers:
                _end(writer, tidily=done)

    def forget(self) -> None:
        """
        Close what is left when :meth:`run` was cancelled before it began.
        """
        if not self._writers:
            self._client.close()

    async def _open(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        sock: socket.socket | None = None,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, port, sock=sock)
        self._writers.append(writer)
        _linger(writer.get_extra_info("socket"), on=False)
        return reader, writer

    async def _pump(
        self,
        lane: Lane,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                lane.inspect(data)
                for piece in lane.pieces(data):
                    await self._pass(lane, piece, writer)
        except OSError:
            await lane.ending.wait()
            raise
        await lane.ending.wait()
        with suppress(OSError):
            writer.write_eof()

    async def _pass(
        self, lane: Lane, piece: bytes, writer: asyncio.StreamWriter
    ) -> None:
        await lane.flowing.wait()
        if lane.lossy:
            self.lost = True
            return
        # That the receiver is gone travels the other way, through its pump.
        with suppress(OSError):
            writer.write(piece)
            await writer.drain()
        if lane.rate:
            await asyncio.sleep(len(piece) / lane.rate)


def _end(writer: asyncio.StreamWriter, *, tidily: bool) -> None:
    if tidily:
        _linger(writer.get_extra_info("socket"), on=True)
        writer.close()
    else:
        writer.transport.abort()


def _linger(sock: socket.socket, *, on: bool) -> None:
    # A socket that does not linger is reset when it is closed, by whomever.
    option = struct.pack("ii", 0 if on else 1, 0)
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)

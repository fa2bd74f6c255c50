"""
A pooler that lends connections to PostgreSQL for a transaction each.

As pgbouncer does with ``pool_mode = transaction``, without the program: what
a session keeps stays with the server's connection, and is met by whoever
borrows it next. Everybody may come, and no setting is taken from a client's
startup but those that each of them gives alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct

from concurrent.futures import Future
from threading import Thread

import attrs

from auditlog.testing.services import free_port


HOST = "127.0.0.1"
STARTUP, CANCEL = 196608, 80877102
ENCRYPTION = {80877103, 80877104}  # TLS and GSSAPI: not here
# Those that pgbouncer knows; it refuses others, such as `options`.
KNOWN = {
    *("user", "database", "client_encoding", "application_name"),
    *("datestyle", "timezone", "standard_conforming_strings"),
}
# After each of these a server says that it is ready.
ASKS = {b"Q", b"S", b"F"}
TERMINATE, READY = b"X", b"Z"


@attrs.define(eq=False)
class Server:
    """
    A connection to PostgreSQL, and what it said when it began.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes = b""
    asked: int = 0
    is_open: bool = False  # in the midst of an extended query


class Pooler:
    """
    Transaction pooling between clients and one PostgreSQL.

    Args:
        size: Connections to the server, for each user and database.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, host, port, *, size=4):
        self.port = free_port()
        self._target, self._size = (host, port), size
        self._pools, self._places = {}, {}
        self._tasks, self._keys = set(), itertools.count(1)

    def __enter__(self):
        ready = Future()
        self._thread = Thread(
            target=lambda: asyncio.run(self._run(ready)), daemon=True
        )
        self._thread.start()
        ready.result(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join(10)

    def cut(self):
        """
        Reset the connections of all clients, and of what was lent to them.
        """

        def cancel():
            for each in self._tasks:
                each.cancel()

        self._loop.call_soon_threadsafe(cancel)

    async def _run(self, ready):
        self._loop, self._closed = asyncio.get_running_loop(), asyncio.Event()
        listener = await asyncio.start_server(self._welcome, HOST, self.port)
        ready.set_result(None)
        await self._closed.wait()
        listener.close()
        tasks = [*self._tasks]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pool in self._pools.values():
            for server in pool:
                server.writer.transport.abort()

    async def _welcome(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            with contextlib.suppress(
                OSError, asyncio.IncompleteReadError, asyncio.CancelledError
            ):
                await self._greet(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _greet(self, reader, writer):
        code, rest = await _startup(reader)
        while code in ENCRYPTION:
            writer.write(b"N")
            code, rest = await _startup(reader)
        if code != STARTUP:  # a wish to cancel; nobody here has to grant it
            return
        fields = rest.rstrip(b"\0").decode().split("\0")
        given = dict(zip(fields[::2], fields[1::2], strict=True))
        if unknown := {name.lower() for name in given} - KNOWN:
            writer.write(_refusal(f"unsupported startup parameter: {unknown}"))
            await writer.drain()
            return
        await Client(self, given, reader, writer).run(next(self._keys))

    async def borrow(self, given):
        """
        A connection that is idle, or a new one, once there is a place.
        """
        key = (given["user"], given.get("database", given["user"]))
        places = self._places.setdefault(key, asyncio.Semaphore(self._size))
        await places.acquire()
        try:
            idle = self._pools.setdefault(key, [])
            while idle:
                server = idle.pop(0)
                if not server.reader.at_eof():
                    return server
                server.writer.transport.abort()
            return await self._connect(*key)
        except BaseException:
            places.release()
            raise

    def give_back(self, given, server, *, fit):
        key = (given["user"], given.get("database", given["user"]))
        self._places[key].release()
        if fit:
            self._pools[key].append(server)
        else:
            server.writer.transport.abort()

    async def _connect(self, user, database):
        server = Server(*await asyncio.open_connection(*self._target))
        text = f"user\0{user}\0database\0{database}\0\0".encode()
        head = struct.pack("!ii", len(text) + 8, STARTUP)
        server.writer.write(head + text)
        try:
            await _until_ready(server)
        except BaseException:
            server.writer.transport.abort()
            raise
        return server


class Client:
    """
    One client, which has a server's connection while it needs one.
    """

    def __init__(self, pooler, given, reader, writer):
        self._pooler, self._given = pooler, given
        self._reader, self._writer = reader, writer
        self._server = self._answers = None

    async def run(self, key):
        await self._lend()
        self._writer.write(self._server.greeting)
        self._writer.write(_message(b"K", struct.pack("!ii", key, key)))
        self._writer.write(_message(READY, b"I"))
        self._release(fit=True)
        try:
            while (found := await _read(self._reader))[0] != TERMINATE:
                await self._ask(*found)
        finally:
            # In the midst of a transaction, nobody else can use it.
            self._release(fit=False)

    async def _ask(self, kind, body):
        if self._server is None:
            await self._lend()
            self._answers = asyncio.create_task(self._answer(self._server))
        server = self._server
        server.asked += kind in ASKS
        server.is_open = kind not in ASKS
        server.writer.write(_message(kind, body))
        await server.writer.drain()

    async def _answer(self, server):
        """
        Pass on what the server says, until its transaction has ended.
        """
        try:
            while True:
                kind, body = await _read(server.reader)
                server.asked -= kind == READY
                ended = kind == READY and body == b"I" and not server.asked
                if ended and not server.is_open:
                    self._answers = None
                    self._release(fit=True)
                self._writer.write(_message(kind, body))
                if self._server is not server:
                    return
                await self._writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self._writer.transport.abort()

    async def _lend(self):
        self._server = await self._pooler.borrow(self._given)

    def _release(self, *, fit):
        server, self._server = self._server, None
        if self._answers is not None:
            self._answers.cancel()
            self._answers = None
        if server is not None:
            self._pooler.give_back(self._given, server, fit=fit)


async def _startup(reader):
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    body = await reader.readexactly(length - 4)
    return struct.unpack("!i", body[:4])[0], body[4:]


async def _read(reader):
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!i", head[1:])
    return head[:1], await reader.readexactly(length - 4)


def _message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def _refusal(text):
    fields = {"S": "FATAL", "V": "FATAL", "C": "08P01", "M": text}
    body = b"".join(f"{k}{v}\0".encode() for k, v in fields.items())
    return _message(b"E", body + b"\0")


async def _until_ready(server):
    """
    Keep what every client has to be told; the login is by trust.
    """
    while (found := await _read(server.reader))[0] != READY:
        kind, body = found
        if kind == b"E":
            raise ConnectionError(body.decode("utf-8", "replace"))
        if kind != b"K":
            server.greeting += _message(kind, body)

"""
``publish()`` by one caller and by many, beside plain INSERT and COMMIT.
"""

from __future__ import annotations

import asyncio
import threading
import time

from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import psycopg

from harness import P50, P99, RATE, Contender, Run, Stopwatch, compare
from peers import invite
from peers.psycopg_by_hand import stored
from samples import make_events, make_records

from auditlog.postgres import PostgresSink, schema_sql
from auditlog.postgres.columns import row
from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from harness import Row
    from setting import Setting


INSERT = b"""
INSERT INTO raw.event (id, occurred_at, event_type, actor, resource, outcome,
                       tenant, body)
VALUES (%b, %b::timestamptz, %b, %b, %b, %b, %b, %b)
"""
EACH = 200  # events of one caller
MOST = 3_200  # events of all callers
TASKS = 1_000
POOL = 16

# Our callers, connections by hand beside them, and the least ratios of both.
CONTESTS: Mapping[int, Mapping[int, Mapping[str, float]]] = {
    1: {1: {"p50": 1 / 1.35}},
    4: {1: {}, 4: {}},
    16: {1: {"": 3.5}, 16: {"": 1.7}},
    64: {1: {}, 64: {}},
}


def rows(setting: Setting) -> Iterator[Row]:
    """
    One caller and more, beside one connection and as many; then tasks.
    """
    with ExitStack() as stack:
        arena = Arena(setting, setting.database(), stack)
        for callers, others in CONTESTS.items():
            yield from compare(
                f"publish() by {_count(callers, 'caller')}",
                arena.ours(callers),
                *(arena.by_hand(n, least) for n, least in others.items()),
                *(arena.peers() if callers == 1 else ()),
                rounds=setting.rounds,
                measures=(RATE, P50, P99),
            )
        yield from compare(
            f"publish_async() by {TASKS:,} tasks",
            arena.our_tasks(),
            arena.tasks_by_hand(),
            rounds=setting.rounds,
            measures=(RATE, P50, P99),
        )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number > 1 else ''}"


@attrs.define
class Arena:
    """
    A publisher and connections to one database.
    """

    setting: Setting
    url: str
    stack: ExitStack
    connections: list[psycopg.Connection] = attrs.field(init=False)
    publisher: AuditLogPublisher = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.connections = [
            self.stack.enter_context(
                psycopg.connect(self.url, autocommit=True)
            )
            for _ in range(max(CONTESTS))
        ]
        for schema in ("audit", "raw"):
            self.connections[0].execute(schema_sql(schema).encode())
        self.publisher = self.stack.enter_context(
            AuditLogPublisher(PostgresSink(self.url))
        )

    def ours(self, callers: int) -> Contender:
        """
        As many threads that share the publisher.
        """
        return Contender(
            name="auditlog",
            run=partial(self._publish, callers),
            settings="publish() in threads, one publisher with its defaults",
        )

    def by_hand(self, number: int, least: Mapping[str, float]) -> Contender:
        """
        As many threads with a connection each.
        """
        return Contender(
            name=_count(number, "connection"),
            run=partial(self._insert, number),
            settings="psycopg: INSERT and COMMIT of ready values each",
            targets=least,
        )

    def peers(self) -> Iterator[Contender]:
        """
        Those that store an event before they return.
        """
        number = self.setting.events(EACH)
        for module in ("firm", "sqlalchemy_trail"):
            yield invite(self.stack, module, "OneByOne", number, self.url)
        yield invite(
            self.stack, "auditx", "IntoPostgres", max(number // 4, 1), self.url
        )

    def our_tasks(self) -> Contender:
        """
        As many tasks in one loop.
        """
        return Contender(
            name="auditlog",
            run=self._publish_tasks,
            settings="publish_async() in tasks, one publisher",
        )

    def tasks_by_hand(self) -> Contender:
        """
        As many tasks that share connections.
        """
        return Contender(
            name=f"{POOL} async connections",
            run=self._insert_tasks,
            settings="psycopg: tasks take turns at the connections",
        )

    def _publish(self, callers: int) -> Run:
        events = make_events(self._number(callers))
        publish = partial(self.publisher.publish, timeout=60)
        return self._run("audit", [publish] * callers, events)

    def _insert(self, callers: int) -> Run:
        ready = list(map(row, make_records(self._number(callers))))
        calls: list[Callable[[Any], Any]] = [
            partial(connection.execute, INSERT)
            for connection in self.connections[:callers]
        ]
        return self._run("raw", calls, ready)

    def _number(self, callers: int) -> int:
        return self.setting.events(min(EACH * callers, MOST))

    def _run(
        self, schema: str, calls: list[Callable[[Any], Any]], things: list[Any]
    ) -> Run:
        before = stored(self.connections[0], schema)
        run = _by_threads(calls, things)
        arrived = stored(self.connections[0], schema) - before
        return attrs.evolve(run, arrived=arrived)

    def _publish_tasks(self) -> Run:
        events = make_events(self.setting.events(TASKS))

        async def main() -> Run:
            publish = partial(self.publisher.publish_async, timeout=60)
            return await _by_tasks(publish, events)

        before = stored(self.connections[0], "audit")
        run = asyncio.run(main())
        arrived = stored(self.connections[0], "audit") - before
        return attrs.evolve(run, arrived=arrived)

    def _insert_tasks(self) -> Run:
        ready = list(map(row, make_records(self.setting.events(TASKS))))

        async def main() -> Run:
            async with AsyncExitStack() as stack:
                free = await _pool(stack, self.url)

                async def insert(values: Any) -> None:
                    connection = await free.get()
                    await connection.execute(INSERT, values)
                    free.put_nowait(connection)

                return await _by_tasks(insert, ready)

        before = stored(self.connections[0], "raw")
        run = asyncio.run(main())
        arrived = stored(self.connections[0], "raw") - before
        return attrs.evolve(run, arrived=arrived)


async def _pool(stack: AsyncExitStack, url: str) -> asyncio.Queue[Any]:
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(POOL):
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True
        )
        free.put_nowait(await stack.enter_async_context(connection))
    return free


async def _by_tasks(
    call: Callable[[Any], Awaitable[object]], things: list[Any]
) -> Run:
    latencies: list[float] = []

    async def timed(thing: Any) -> None:
        start = time.perf_counter()
        await call(thing)
        latencies.append(time.perf_counter() - start)

    watch = Stopwatch()
    with watch():
        await asyncio.gather(*map(timed, things))
    return attrs.evolve(watch.run(len(things), 0), latencies=latencies)


def _by_threads(calls: list[Callable[[Any], Any]], things: list[Any]) -> Run:
    latencies: list[float] = []
    threads = [
        threading.Thread(
            target=_timed, args=(call, things[n :: len(calls)], latencies)
        )
        for n, call in enumerate(calls)
    ]
    watch = Stopwatch()
    with watch():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return attrs.evolve(watch.run(len(things), 0), latencies=latencies)


def _timed(
    call: Callable[[Any], Any], things: list[Any], latencies: list[float]
) -> None:
    clock = time.perf_counter
    for thing in things:
        start = clock()
        call(thing)
        latencies.append(clock() - start)

"""
``publish()`` by one caller and by many, beside plain INSERT and COMMIT.
"""

from __future__ import annotations

import threading

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import psycopg

from harness import Run, Stopwatch, duel
from into_postgres import stored
from samples import make_events, make_records

from auditlog.postgres import PostgresSink, schema_sql
from auditlog.postgres.columns import row
from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness import Row
    from setting import Setting


INSERT = b"""
INSERT INTO raw.event (id, occurred_at, event_type, actor, resource, outcome,
                       tenant, body)
VALUES (%b, %b::timestamptz, %b, %b, %b, %b, %b, %b)
"""
CALLERS = 16
# Our callers, theirs, and the least ratio of their rates.
CONTESTS = (
    (1, 1, 1 / 1.35),
    (CALLERS, 1, 3.5),
    (CALLERS, CALLERS, 1.7),
)


def rows(setting: Setting) -> Iterator[Row]:
    """
    One caller; sixteen beside one, and beside sixteen with a connection each.
    """
    url = setting.database()
    with (
        Connections(url, CALLERS) as connections,
        AuditLogPublisher(PostgresSink(url)) as publisher,
    ):
        for schema in ("audit", "raw"):
            connections[0].execute(schema_sql(schema).encode())
        for callers, theirs, target in CONTESTS:
            number, fewer = (
                setting.events(500 * n) for n in (callers, theirs)
            )
            yield duel(
                f"publish() by {callers}, INSERT and COMMIT by {theirs}",
                partial(_publish, publisher, connections[0], callers, number),
                partial(_insert, connections[:theirs], fewer),
                rounds=setting.rounds,
                target=target,
            )


class Connections(list[psycopg.Connection]):
    """
    Open connections that commit each statement; a context manager.
    """

    def __init__(self, url: str, number: int) -> None:
        super().__init__(
            psycopg.connect(url, autocommit=True) for _ in range(number)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for connection in self:
            connection.close()


def _publish(
    publisher: AuditLogPublisher,
    connection: psycopg.Connection,
    callers: int,
    number: int,
) -> Run:
    shares = _shares(make_events(number), callers)
    before = stored(connection, "audit")
    seconds = _at_once(
        [partial(_each, publisher.publish, share) for share in shares]
    )
    return Run(seconds, number, stored(connection, "audit") - before)


def _insert(connections: Sequence[psycopg.Connection], number: int) -> Run:
    ready = [row(record) for record in make_records(number)]
    shares = _shares(ready, len(connections))
    before = stored(connections[0], "raw")

    seconds = _at_once(
        [
            partial(_each, partial(connection.execute, INSERT), share)
            for connection, share in zip(connections, shares, strict=True)
        ]
    )
    return Run(seconds, number, stored(connections[0], "raw") - before)


def _each(call: Callable[[Any], object], things: list[Any]) -> None:
    for thing in things:
        call(thing)


def _shares(things: list[Any], parts: int) -> list[list[Any]]:
    return [things[start::parts] for start in range(parts)]


def _at_once(calls: Sequence[Callable[[], None]]) -> float:
    threads = [threading.Thread(target=call) for call in calls]
    watch = Stopwatch()
    with watch():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return watch.seconds

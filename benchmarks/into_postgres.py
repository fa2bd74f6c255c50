"""
Publisher to PostgreSQL, beside psycopg by hand and what others offer.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from harness import CPU, RATE, Contender, Run, Stopwatch, compare
from peers import invite
from peers.psycopg_by_hand import stored
from samples import make_events

from auditlog.postgres import PostgresSink, schema_sql
from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Row
    from setting import Setting


def rows(setting: Setting) -> Iterator[Row]:
    """
    The contest.
    """
    url = setting.database()
    number = setting.events(30_000)
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        connection.execute(schema_sql("audit").encode())
        publisher = stack.enter_context(AuditLogPublisher(PostgresSink(url)))

        def peer(
            module: str, kind: str, part: int, least: float | None = None
        ) -> Contender:
            # Who needs a round trip for each event gets fewer of them.
            fewer = max(number // part, 1)
            targets = {} if least is None else {"": least}
            return invite(stack, module, kind, fewer, url, targets=targets)

        yield from compare(
            "publisher into PostgreSQL",
            Contender(
                name="auditlog",
                run=partial(_publish, publisher, connection, number),
                settings="enqueue() of ready events and flush(), defaults",
            ),
            peer("psycopg_by_hand", "Unnest", 1, 0.9),
            peer("psycopg_by_hand", "Copy", 1),
            peer("queue_handler", "IntoPostgres", 2),
            peer("otel", "IntoPostgres", 2),
            peer("firm", "OneByOne", 50),
            peer("firm", "ByTransaction", 15),
            peer("sqlalchemy_trail", "OneByOne", 100),
            peer("sqlalchemy_trail", "ByTransaction", 60),
            peer("auditx", "IntoPostgres", 100, 50),
            rounds=setting.rounds,
            measures=(RATE, CPU),
        )


def _publish(
    publisher: AuditLogPublisher, connection: psycopg.Connection, number: int
) -> Run:
    events = make_events(number)
    before = stored(connection, "audit")
    watch = Stopwatch()
    with watch():
        for event in events:
            publisher.enqueue(event)
        publisher.flush()
    return watch.run(number, stored(connection, "audit") - before)

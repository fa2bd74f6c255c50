"""
Publisher to PostgreSQL, beside a loop of plain psycopg with ready values.

The loop inserts 500 rows a statement, as binary arrays, into a table that is
the same with all indexes, triggers and generated columns, and commits each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from harness import Run, Stopwatch, duel
from samples import make_events, make_records

from auditlog.postgres import PostgresSink, schema_sql
from auditlog.postgres.columns import COLUMNS, row
from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Row
    from setting import Setting

    from auditlog.postgres.columns import Row as Values


SIZE = 500

INSERT = """
INSERT INTO raw.event (id, occurred_at, event_type, actor, resource, outcome,
                       tenant, body)
SELECT * FROM unnest(%(id)b::uuid[], %(occurred_at)b::timestamptz[],
                     %(event_type)b::text[], %(actor)b::text[],
                     %(resource)b::text[], %(outcome)b::text[],
                     %(tenant)b::text[], %(body)b::bytea[])
    ON CONFLICT DO NOTHING
"""


def rows(setting: Setting) -> Iterator[Row]:
    """
    The contest.
    """
    url = setting.database()
    number = setting.events(30_000)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(schema_sql("audit").encode())
        connection.execute(schema_sql("raw").encode())
        with AuditLogPublisher(PostgresSink(url)) as publisher:
            yield duel(
                "publisher into PostgreSQL, psycopg by the 500",
                lambda: _publish(publisher, connection, number),
                lambda: _insert(connection, number),
                rounds=setting.rounds,
                target=0.9,
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
    return Run(watch.seconds, number, stored(connection, "audit") - before)


def _insert(connection: psycopg.Connection, number: int) -> Run:
    ready = [row(record) for record in make_records(number)]
    batches = [
        _by_column(ready[start : start + SIZE])
        for start in range(0, number, SIZE)
    ]
    before = stored(connection, "raw")
    watch = Stopwatch()
    with watch():
        for batch in batches:
            connection.execute(INSERT, batch, binary=True)
    return Run(watch.seconds, number, stored(connection, "raw") - before)


def _by_column(some: list[Values]) -> dict[str, list[Any]]:
    columns = map(list, zip(*some, strict=True))
    return dict(zip(COLUMNS, columns, strict=True))


def stored(connection: psycopg.Connection, schema: str) -> int:
    found: Any = connection.execute(
        f"SELECT coalesce(count(*), 0) FROM {schema}.event".encode()
    ).fetchone()
    return int(found[0])

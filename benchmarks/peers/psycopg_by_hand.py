"""
psycopg by hand: ready values by the 500, as arrays or with ``COPY``.

Rows go into a table that is the same as ours, with all indexes, triggers and
generated columns, and each 500 are committed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import psycopg

from harness import Run, Stopwatch
from samples import make_records

from auditlog.postgres import schema_sql
from auditlog.postgres.columns import COLUMNS, row


if TYPE_CHECKING:
    from auditlog.postgres.columns import Row as Values


SIZE = 500
TYPES = ("uuid", "timestamptz", *["text"] * 5, "bytea")

INSERT = """
INSERT INTO {schema}.event (id, occurred_at, event_type, actor, resource,
                            outcome, tenant, body)
SELECT * FROM unnest(%(id)b::uuid[], %(occurred_at)b::timestamptz[],
                     %(event_type)b::text[], %(actor)b::text[],
                     %(resource)b::text[], %(outcome)b::text[],
                     %(tenant)b::text[], %(body)b::bytea[])
    ON CONFLICT DO NOTHING
"""

COPY = """
COPY {schema}.event (id, occurred_at, event_type, actor, resource, outcome,
                     tenant, body) FROM STDIN (FORMAT binary)
"""


class ByHand:
    """
    Batches of ready values into a table of its own; a context manager.
    """

    schema = ""
    name = ""
    settings = ""
    unfair = ""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(schema_sql(self.schema).encode())

    def store(self, number: int, /) -> Run:
        """
        Store as many ready values.
        """
        ready = [row(record) for record in make_records(number)]
        batches = [
            self.batch(ready[start : start + SIZE])
            for start in range(0, number, SIZE)
        ]
        before = stored(self.connection, self.schema)
        watch = Stopwatch()
        with watch():
            for batch in batches:
                self.write(batch)
        arrived = stored(self.connection, self.schema) - before
        return watch.run(number, arrived)

    def batch(self, some: list[Values]) -> Any:
        """
        What :meth:`write` takes, which isn't measured.
        """
        raise NotImplementedError

    def write(self, batch: Any) -> None:
        """
        Store a batch, in a transaction.
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.connection.close()


class Unnest(ByHand):
    """
    One statement a batch, with a binary array for each column.
    """

    schema = "by_array"
    name = "psycopg, unnest"
    settings = "ready values, 500 rows a statement, binary arrays, autocommit"

    def batch(self, some: list[Values]) -> dict[str, list[Any]]:
        """
        The values by column.
        """
        columns = map(list, zip(*some, strict=True))
        return dict(zip(COLUMNS, columns, strict=True))

    def write(self, batch: dict[str, list[Any]]) -> None:
        """
        Insert them.
        """
        statement = INSERT.format(schema=self.schema).encode()
        self.connection.execute(statement, batch, binary=True)


class Copy(ByHand):
    """
    One ``COPY`` a batch.
    """

    schema = "by_copy"
    name = "psycopg, COPY"
    settings = "ready values, 500 rows a COPY, binary, autocommit"
    unfair = "COPY knows no ON CONFLICT: an event that comes twice is an error"

    def batch(self, some: list[Values]) -> list[Any]:
        """
        The values as they are, but for the time: binary wants no text.
        """
        return [
            (each[0], datetime.fromisoformat(each[1]), *each[2:])
            for each in some
        ]

    def write(self, batch: list[Any]) -> None:
        """
        Copy them.
        """
        statement = COPY.format(schema=self.schema).encode()
        with self.connection.cursor().copy(statement) as copy:
            copy.set_types(TYPES)
            for values in batch:
                copy.write_row(values)


def stored(connection: psycopg.Connection, schema: str) -> int:
    """
    How many events a schema holds.
    """
    found: Any = connection.execute(
        f"SELECT count(*) FROM {schema}.event".encode()
    ).fetchone()
    return int(found[0])

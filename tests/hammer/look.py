"""
What is in the database and in the topic once all is over.
"""

from __future__ import annotations

import attrs
import psycopg

from auditlog.postgres import init_schema
from tests.hammer.notes import sha256
from tests.kafka_tools import consume


@attrs.frozen
class Message:
    """
    A record of the topic.
    """

    partition: int
    offset: int
    index: int | None
    event_id: str
    sha: str
    is_placeholder: bool


@attrs.define
class Seen:
    """
    What there is.

    Attributes:
        stored: SHA-256 of each event in the table, by its id.

        entries: Index and id of each event in the order, by index.

        orders: The ids of the writers' own rows.

        dead: Indexes of dead letters.

        messages: The topic, each partition in its order.

        retreats: Each move of the relay's position backwards, from and to.
    """

    stored: dict[str, str] = attrs.field(factory=dict)
    entries: list[tuple[int, str]] = attrs.field(factory=list)
    orders: set[str] = attrs.field(factory=set)
    dead: set[int] = attrs.field(factory=set)
    messages: list[Message] = attrs.field(factory=list)
    retreats: list[tuple[int, int]] = attrs.field(factory=list)


# The writers' own rows, and a note of each step back, however short.
OWN_TABLES = """
CREATE TABLE orders (id text PRIMARY KEY);
CREATE TABLE retreat (was bigint, became bigint);
CREATE FUNCTION note_retreat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO retreat VALUES (old.position, new.position);
    RETURN NULL;
END $$;
CREATE TRIGGER note_retreat AFTER UPDATE ON audit.delivery FOR EACH ROW
    WHEN (new.position < old.position) EXECUTE FUNCTION note_retreat();
"""


def prepare(url):
    """
    Make our tables and those of a round.
    """
    init_schema(url)
    with psycopg.connect(url) as connection:
        connection.execute(OWN_TABLES)


def look(url, address, topic):
    """
    Read everything, past all proxies.
    """
    with psycopg.connect(url) as connection:

        def rows(query):
            return connection.execute(query).fetchall()

        def values(query):
            return {value for (value,) in rows(query)}

        stored = rows("SELECT id::text, body FROM audit.event")
        return Seen(
            stored={event_id: sha256(body) for event_id, body in stored},
            entries=rows(
                "SELECT idx, event_id::text FROM audit.entry ORDER BY idx"
            ),
            orders=values("SELECT id FROM orders"),
            dead={
                each for (each,) in rows("SELECT idx FROM audit.dead_letter")
            },
            retreats=rows("SELECT was, became FROM retreat"),
            messages=[*map(message, consume(address, topic))],
        )


def message(found):
    """
    What counts of a record as kafka-python gives it.
    """
    headers = dict(found.headers)
    index = headers.get("audit-index")
    return Message(
        partition=found.partition,
        offset=found.offset,
        index=None if index is None else int(index),
        event_id=headers["ce_id"].decode(),
        sha=sha256(found.value),
        is_placeholder="audit-placeholder" in headers,
    )

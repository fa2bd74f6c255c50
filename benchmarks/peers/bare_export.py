"""
Exports by hand: bare loops of the drivers that write what is stored.

Each writes to an open file and returns how many lines of it are headings.
"""

from __future__ import annotations

import csv
import io

from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from kafka import KafkaConsumer, TopicPartition


if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from topics import Topic


SIZE = 1_000

PAGE = b"""
SELECT body, seq FROM audit.event WHERE seq > %s ORDER BY seq LIMIT %s
"""

# What a cell is found under: in the body, or in its data.
COLUMNS = {
    "occurred_at": ("time",),
    "event_id": ("id",),
    "event_type": ("type",),
    "outcome": ("data", "outcome"),
    "actor_type": ("data", "actor", "type"),
    "actor_id": ("data", "actor", "id"),
    "actor_name": ("data", "actor", "name"),
    "actor_email": ("data", "actor", "email"),
    "actor_on_behalf_of": ("data", "actor", "onBehalfOf"),
    "resource_type": ("data", "resource", "type"),
    "resource_id": ("data", "resource", "id"),
    "resource_name": ("data", "resource", "name"),
    "resource_parent": ("data", "resource", "parent"),
    "code": ("data", "code"),
    "reason": ("data", "reason"),
    "tenant": ("tenant",),
    "severity": ("severity",),
    "request_id": ("data", "request", "id"),
    "request_source_ip": ("data", "request", "sourceIp"),
    "request_user_agent": ("data", "request", "userAgent"),
    "request_method": ("data", "request", "method"),
    "request_url": ("data", "request", "url"),
    "request_session_id": ("data", "request", "sessionId"),
    "correlation_id": ("correlationid",),
    "causation_id": ("causationid",),
    "traceparent": ("traceparent",),
    "changes": ("data", "changes"),
    "metadata": ("data", "metadata"),
    "truncated": ("data", "truncated"),
    "replaced": ("data", "replaced"),
}


def json_lines(url: str, file: BinaryIO) -> int:
    """
    The stored bytes, a line each.
    """
    file.writelines(
        b"".join(body + b"\n" for body, _ in page) for page in _pages(url)
    )
    return 0


def csv_lines(url: str, file: BinaryIO) -> int:
    """
    The same columns as `CSVExporter`'s, with a line of headings.
    """
    text = io.TextIOWrapper(file, newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    decode = msgspec.json.Decoder().decode
    for page in _pages(url):
        writer.writerows([_cells(decode(body)) for body, _ in page])
    text.flush()
    text.detach()
    return 1


def _pages(url: str) -> Iterator[list[tuple[Any, ...]]]:
    with psycopg.connect(url, autocommit=True) as connection:
        place = 0
        while page := connection.execute(
            PAGE, (place, SIZE), binary=True
        ).fetchall():
            yield page
            place = page[-1][1]


def _cells(body: dict[str, Any]) -> list[Any]:
    data = body["data"]
    parts = {
        "actor": data.get("actor") or {},
        "resource": data.get("resource") or {},
        "request": data.get("request") or {},
    }
    return [_cell(body, data, parts, path) for path in COLUMNS.values()]


def _cell(
    body: dict[str, Any],
    data: dict[str, Any],
    parts: dict[str, Any],
    path: tuple[str, ...],
) -> Any:
    if len(path) == 1:
        value = body.get(path[0])
    elif len(path) == 2:
        value = data.get(path[1])
    else:
        value = parts[path[1]].get(path[2])
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return value


def polled_lines(topic: Topic, number: int, file: BinaryIO) -> int:
    """
    The values of a topic, a line each.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=topic.servers,
        group_id=None,
        auto_offset_reset="earliest",
    )
    place = TopicPartition(topic.name, 0)
    consumer.assign([place])
    left = number
    while left:
        records = consumer.poll(1000).get(place, ())
        file.write(b"".join(each.value + b"\n" for each in records))
        left -= len(records)
    consumer.close()
    return 0

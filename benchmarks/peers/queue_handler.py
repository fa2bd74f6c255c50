"""
``logging`` with a queue: ``QueueHandler`` and ``QueueListener``.
"""

from __future__ import annotations

import json
import logging
import queue

from contextlib import contextmanager
from functools import partial
from logging.handlers import BufferingHandler, QueueHandler, QueueListener
from typing import TYPE_CHECKING, Any, Self

import psycopg

from harness import Run, Stopwatch
from samples import make_parts


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SIZE = 500


class CallingHandler(BufferingHandler):
    """
    Gives each *size* records to a function and counts.
    """

    def __init__(
        self, call: Callable[[list[logging.LogRecord]], object], size: int
    ) -> None:
        super().__init__(size)
        self.arrived = 0
        self._call = call

    def flush(self) -> None:
        """
        Hand on what is held back.
        """
        if self.buffer:
            self._call(self.buffer)
            self.arrived += len(self.buffer)
            self.buffer = []


@contextmanager
def listening(handler: logging.Handler) -> Iterator[logging.Logger]:
    """
    A logger whose records *handler* gets in a thread of its own.
    """
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = QueueListener(waiting, handler)
    logger = logging.getLogger("benchmarks")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [QueueHandler(waiting)]
    listener.start()
    try:
        yield logger
    finally:
        listener.stop()
        handler.flush()


def log(logger: logging.Logger, parts: dict[str, Any]) -> None:
    """
    Log an event with its data beside the message.
    """
    logger.info("%s", parts["event_type"], extra={"audit": parts})


class Handing:
    """
    ``info()`` of a logger.
    """

    name = "logging with a queue"
    settings = (
        "Logger.info() with the data in extra, QueueHandler and QueueListener "
        "on a SimpleQueue"
    )
    unfair = "its queue has no bound, and no answer says what was stored"

    def __init__(self) -> None:
        self.arrived = 0
        self.make = make_parts

    @contextmanager
    def open(
        self,
        wait: Callable[[], object],
        room: int,  # noqa: ARG002
    ) -> Iterator[Callable[[Any], object]]:
        """
        A logger and a listener of its own.
        """
        handler = CallingHandler(lambda _: wait(), SIZE)
        with listening(handler) as logger:
            yield partial(log, logger)
        self.arrived += handler.arrived


class IntoPostgres:
    """
    Logs into a table, through a handler made for it.
    """

    name = "logging with a queue"
    settings = (
        "info() with ready data in extra, QueueHandler and QueueListener on a "
        "SimpleQueue; a BufferingHandler of our own, 500 rows an executemany()"
    )
    unfair = "a handler that fails loses its rows: logging never raises"

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        self._connection.execute(
            "CREATE TABLE logged (time float8, name text, data jsonb)"
        )
        self._connection.commit()

    def store(self, number: int, /) -> Run:
        """
        Log as many ready events, and end the listener.
        """
        events = [make_parts() for _ in range(number)]
        before = self._stored()
        watch = Stopwatch()
        with watch(), listening(CallingHandler(self._insert, SIZE)) as logger:
            for parts in events:
                log(logger, parts)
        return watch.run(number, self._stored() - before)

    def _insert(self, records: list[logging.LogRecord]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO logged VALUES (%s, %s, %s)",
                [
                    (each.created, each.getMessage(), _data(each))
                    for each in records
                ],
            )
        self._connection.commit()

    def _stored(self) -> int:
        found: Any = self._connection.execute(
            "SELECT count(*) FROM logged"
        ).fetchone()
        self._connection.commit()
        return int(found[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()


def _data(record: Any) -> str:
    return json.dumps(record.audit)

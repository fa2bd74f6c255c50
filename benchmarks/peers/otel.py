"""
OpenTelemetry's SDK: log records with the batch processor.
"""

from __future__ import annotations

import json
import time

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import psycopg

from harness import Run, Stopwatch
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
)
from opentelemetry.sdk.resources import Resource
from samples import make_attributes


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord


NAME = "Kafka.Topic.Create"


class CallingExporter(LogRecordExporter):
    """
    Gives each batch to a function and counts.
    """

    def __init__(self, call: Callable[[Sequence[Any]], object]) -> None:
        self.arrived = 0
        self._call = call

    def export(
        self, batch: Sequence[ReadableLogRecord]
    ) -> LogRecordExportResult:
        """
        Hand on *batch*.
        """
        self._call(batch)
        self.arrived += len(batch)
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """
        Nothing to release.
        """

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """
        Nothing is held back.
        """
        return True


@contextmanager
def provider(
    exporter: LogRecordExporter, **options: Any
) -> Iterator[LoggerProvider]:
    """
    A provider with a batch processor; its options are given.
    """
    made = LoggerProvider(
        resource=Resource.create({"service.name": "benchmarks"})
    )
    made.add_log_record_processor(BatchLogRecordProcessor(exporter, **options))
    yield made
    made.force_flush()
    made.shutdown()


def make_log_record() -> LogRecord:
    """
    The sample event as OpenTelemetry would log it.
    """
    return LogRecord(
        timestamp=time.time_ns(),
        severity_number=SeverityNumber.INFO,
        event_name=NAME,
        attributes=make_attributes(),
    )


class Handing:
    """
    ``emit()``, with room for all.
    """

    name = "OpenTelemetry logs"
    settings = "Logger.emit(), BatchLogRecordProcessor with room for all"
    unfair = ""

    def __init__(self) -> None:
        self.arrived = 0
        self.make = make_log_record

    @contextmanager
    def open(
        self, wait: Callable[[], object], room: int
    ) -> Iterator[Callable[[Any], object]]:
        """
        A provider of its own.
        """
        exporter = CallingExporter(lambda _: wait())
        with provider(exporter, **self.options(room)) as made:
            yield made.get_logger("benchmarks").emit
        self.arrived += exporter.arrived

    def options(self, room: int) -> dict[str, int]:
        """
        The options of the processor.
        """
        return {"max_queue_size": room + 2048}


class DroppingHanding(Handing):
    """
    ``emit()`` with defaults.
    """

    name = "OpenTelemetry logs, defaults"
    settings = "Logger.emit(), BatchLogRecordProcessor with a queue of 2,048"
    unfair = "what its queue cannot take is dropped, which is cheap"

    def options(self, room: int) -> dict[str, int]:  # noqa: ARG002
        """
        None.
        """
        return {}


class IntoPostgres:
    """
    Emits into a table, through an exporter made for it.
    """

    name = "OpenTelemetry logs"
    settings = (
        "emit() of ready records, BatchLogRecordProcessor with its default "
        "queue of 2,048; an exporter of our own, one executemany() a batch"
    )
    unfair = (
        "it ships no exporter to a database, its documentation sends to a "
        "collector; what its queue cannot take is dropped"
    )

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        self._connection.execute(
            "CREATE TABLE otel (time bigint, name text, attributes jsonb)"
        )
        self._connection.commit()

    def store(self, number: int, /) -> Run:
        """
        Emit as many ready records, and flush.
        """
        records = [make_log_record() for _ in range(number)]
        before = self._stored()
        watch = Stopwatch()
        with provider(CallingExporter(self._insert)) as made:
            logger = made.get_logger("benchmarks")
            with watch():
                for record in records:
                    logger.emit(record)
                made.force_flush()
        return watch.run(number, self._stored() - before)

    def _insert(self, batch: Sequence[Any]) -> None:
        records = [each.log_record for each in batch]
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO otel VALUES (%s, %s, %s)",
                [
                    (
                        each.timestamp,
                        each.event_name,
                        json.dumps(dict(each.attributes)),
                    )
                    for each in records
                ],
            )
        self._connection.commit()

    def _stored(self) -> int:
        found: Any = self._connection.execute(
            "SELECT count(*) FROM otel"
        ).fetchone()
        self._connection.commit()
        return int(found[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()

"""
What a caller pays to hand over an event, beside OpenTelemetry's log records.

Both sides hand over to a worker thread that writes to nowhere, with a buffer
that holds all. Measured is the CPU time of the calling thread.
"""

from __future__ import annotations

import time

from typing import TYPE_CHECKING

from harness import Run, Stopwatch, duel
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
)
from opentelemetry.sdk.resources import Resource
from samples import (
    NullSink,
    make_attributes,
    make_event,
    make_events,
)

from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness import Row
    from opentelemetry.sdk._logs import ReadableLogRecord
    from setting import Setting

    from auditlog.event import AuditEvent


def rows(setting: Setting) -> Iterator[Row]:
    """
    Both contests.
    """
    number = setting.events(5_000)
    yield duel(
        "enqueue ready events, OpenTelemetry emit() ready records",
        lambda: _enqueue(make_events(number)),
        lambda: _emit([make_log_record() for _ in range(number)]),
        rounds=2 * setting.rounds,
        target=3.0,
    )
    yield duel(
        "build and enqueue, OpenTelemetry build and emit()",
        lambda: _build_and_enqueue(number),
        lambda: _build_and_emit(number),
        rounds=2 * setting.rounds,
        target=1.5,
    )


def _enqueue(events: list[AuditEvent]) -> Run:
    def enqueue(publisher: AuditLogPublisher) -> None:
        for event in events:
            publisher.enqueue(event)

    return _with_publisher(enqueue, len(events))


def _build_and_enqueue(number: int) -> Run:
    def enqueue(publisher: AuditLogPublisher) -> None:
        for _ in range(number):
            publisher.enqueue(make_event())

    return _with_publisher(enqueue, number)


def _with_publisher(
    work: Callable[[AuditLogPublisher], None], number: int
) -> Run:
    sink = NullSink()
    watch = Stopwatch(time.thread_time)
    with AuditLogPublisher(
        sink, max_events=number, max_bytes=number * 65_535
    ) as publisher:
        with watch():
            work(publisher)
        publisher.flush()
    return Run(watch.seconds, number, sink.arrived)


class NullExporter(LogRecordExporter):
    """
    Exports to nowhere and counts.
    """

    def __init__(self) -> None:
        self.arrived = 0

    def export(
        self, batch: Sequence[ReadableLogRecord]
    ) -> LogRecordExportResult:
        """
        Count *batch*.
        """
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


def make_log_record() -> LogRecord:
    """
    The sample event as OpenTelemetry would log it.
    """
    return LogRecord(
        timestamp=time.time_ns(),
        severity_number=SeverityNumber.INFO,
        event_name="Kafka.Topic.Create",
        attributes=make_attributes(),
    )


def _emit(records: list[LogRecord]) -> Run:
    def emit(provider: LoggerProvider) -> None:
        logger = provider.get_logger("benchmarks")
        for record in records:
            logger.emit(record)

    return _with_provider(emit, len(records))


def _build_and_emit(number: int) -> Run:
    def emit(provider: LoggerProvider) -> None:
        logger = provider.get_logger("benchmarks")
        for _ in range(number):
            logger.emit(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                event_name="Kafka.Topic.Create",
                attributes=make_attributes(),
            )

    return _with_provider(emit, number)


def _with_provider(work: Callable[[LoggerProvider], None], number: int) -> Run:
    exporter = NullExporter()
    provider = LoggerProvider(
        resource=Resource.create({"service.name": "benchmarks"})
    )
    provider.add_log_record_processor(
        # Its default queue of 2,048 alone would drop most of them.
        BatchLogRecordProcessor(exporter, max_queue_size=number + 2048)
    )
    watch = Stopwatch(time.thread_time)
    with watch():
        work(provider)
    provider.force_flush()
    provider.shutdown()
    return Run(watch.seconds, number, exporter.arrived)

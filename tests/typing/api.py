"""
What callers of the public API get, checked by mypy and never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

import attrs

from matplotlib.figure import Figure

from auditlog import (
    Actor,
    AuditEvent,
    AuditLogConfig,
    AuditLogPublisher,
    Change,
    ClusterConfig,
    ClusterRegistry,
    CSVExporter,
    CSVReader,
    DatabaseConfig,
    EventQuery,
    ExportReport,
    InMemoryReader,
    InMemorySink,
    JSONExporter,
    JSONLinesReader,
    KafkaReader,
    KafkaSink,
    LinesExporter,
    Outcome,
    ParquetExporter,
    ParquetReader,
    PendingReceipt,
    PostgresReader,
    PostgresSink,
    Receipt,
    Record,
    Relay,
    RequestContext,
    Resource,
    Secret,
    SpoolReader,
    SpoolSink,
    context,
    event_type,
)
from auditlog.abc import (
    Events,
    Exporter,
    Journal,
    Lease,
    Reader,
    ReportingJournal,
    Sink,
    Skipped,
    select,
)
from auditlog.activity import EventCounts
from auditlog.exporters import read_csv, read_parquet
from auditlog.kafka import ConsumerGroup
from auditlog.live import LiveEvents
from auditlog.profiles import CEF, OCSF, Line, Profile, profile_named
from auditlog.query import yesterday
from auditlog.stats import PublisherStats, RelayStats
from auditlog.status import HeldBack, JournalStatus, RelayStatus


# Events: what is converted takes what people write.

event = AuditEvent(
    event_type="Billing.Invoice.Approve",
    actor=Actor(id="alice", type="service"),
    resource=Resource(type="invoice", id="7", parent=None),
    outcome="denied",
    changes=[Change(path="amount", old=1, new=None)],
    request=RequestContext(source_ip="10.0.0.1"),
    metadata={"lines": [1, 2]},
)
assert_type(event.outcome, Outcome)
assert_type(event.actor, Actor | None)
assert_type(event.changes, tuple[Change, ...])
assert_type(attrs.evolve(event, reason="late"), AuditEvent)


@event_type("Billing.Invoice.Pay")
@attrs.frozen
class Payment:
    """
    A payload of an application's own.
    """

    amount: int


payment = AuditEvent.of(
    Payment(amount=3), resource=Resource(type="invoice", id="7")
)
assert_type(payment, AuditEvent)
assert_type(payment.payload_as(Payment), Payment)

with context.bind(actor=Actor(id="alice"), tenant=None) as bound:
    assert_type(bound.tenant, str | None)


# A custom sink needs no base class.


class PrintSink:
    """
    A whole sink.
    """

    def write(self, records: Sequence[Record], /) -> None:
        """
        Print *records*.
        """
        for record in records:
            assert_type(record.event, AuditEvent)
            assert_type(record.index, int | None)


sinks: list[Sink] = [PrintSink(), KafkaSink("x", "y")]
journals: list[Journal] = [InMemorySink(), PostgresSink("x")]
for journal in journals:
    assert_type(journal.size(timeout=1.0), int)
    assert_type(journal.lease("x"), Lease | None)

reporting: list[ReportingJournal] = [
    InMemorySink(),
    PostgresSink("x"),
    SpoolSink("x"),
]
for each in reporting:
    status = each.status(relays=["x"])
    assert_type(status, JournalStatus)
    assert_type(status.relays, tuple[RelayStatus, ...])
    assert_type(status.held_back, HeldBack | None)
    assert_type(status.oldest_age, float | None)


# Publishing

config = AuditLogConfig.from_env({})
assert_type(config, AuditLogConfig)
assert_type(AuditLogConfig.from_file(Path("audit.toml")), AuditLogConfig)
assert_type(config.database, DatabaseConfig | None)
assert_type(config.cluster("x"), ClusterConfig)
if config.database:
    assert_type(config.database.url, Secret | None)
    assert_type(config.database.parameters(), dict[str, str])

with AuditLogPublisher.from_config(
    config, sinks={"print": PrintSink()}, clusters=ClusterRegistry()
) as publisher:
    assert_type(publisher, AuditLogPublisher)
    assert_type(publisher.publish(event, timeout=1), Receipt)
    assert_type(publisher.enqueue(event), PendingReceipt)
    assert_type(publisher.relays, dict[str, Relay])
    assert_type(publisher.stats(), PublisherStats)
    assert_type(publisher.stats().relays, tuple[RelayStats, ...])
    assert_type(publisher.stats().last_error, str | None)


AuditLogPublisher(PrintSink(), fallback=SpoolSink("spool"))
AuditLogPublisher(PrintSink(), fallback=PrintSink())  # type: ignore[arg-type]


async def publish() -> None:
    """
    The same in an event loop.
    """
    async with AuditLogPublisher(PrintSink()) as publisher:
        assert_type(publisher, AuditLogPublisher)
        assert_type(await publisher.publish_async(event), Receipt)
        assert_type(await publisher.enqueue(event), Receipt)


# Reading and exporting: readers, results and lists go wherever events go.

query = EventQuery(event_types="Kafka.*", outcomes=["denied"], limit=3)
EventQuery(**yesterday("Europe/Berlin"), exclude=query, last=3)
EventQuery(since=1_767_610_800_000, until=timedelta(hours=1))
EventQuery(where={"data.metadata.n": [1, 2.5, "x", None], "data.x": True})
assert_type(query.since, datetime | None)
assert_type(query.actors, tuple[str, ...] | None)
cluster = ClusterConfig(id="x", bootstrap_servers="x:9092")
readers: list[Reader] = [
    CSVReader("audit.csv"),
    InMemoryReader(InMemorySink()),
    JSONLinesReader("audit.jsonl"),
    ParquetReader("audit.parquet"),
    KafkaReader(cluster, "x", start=ConsumerGroup("x")),
    PostgresReader("x"),
    SpoolReader("audit-spool"),
]
for reader in readers:
    assert_type(reader.read(query), Events)
    assert_type(reader.read().events_per("hour", by="actor"), EventCounts)
    assert_type(reader.read().plot_activity(tz="Europe/Berlin"), Figure)
    assert_type(iter(reader), Iterator[Record])
    assert_type(reader.scan(query), Iterator[Record | Skipped])
    assert_type(reader.follow(query), LiveEvents)
    assert_type(next(reader.follow()), Record)
    assert_type(JSONExporter().export(reader, "x"), ExportReport)
    assert_type(CSVExporter().export(reader.read(), Path("x")), ExportReport)
assert_type(JSONExporter().dumps([event]), str)
assert_type(select([], query), Iterator[Record | Skipped])
assert_type(read_csv("audit.csv"), Events)
assert_type(read_parquet("audit.parquet").head().tail(3), Events)
assert_type(read_csv("audit.csv").count(), int)
exporters: list[Exporter] = [
    CSVExporter(),
    JSONExporter(framing="array"),
    LinesExporter(profile="leef"),
    ParquetExporter(layout="records"),
]

# Shapes of SIEMs: by name, or with settings of one's own.

profiles: list[Profile] = [CEF(vendor="ACME"), profile_named("ecs")]
for profile in profiles:
    assert_type(profile.convert(event), dict[str, Any] | None)
    assert_type(profile.line(b"{}"), bytes | None)
    assert_type(profile.render(event), Line)
    assert_type(LinesExporter(profile=profile).dumps([event]), str)
assert_type(OCSF(keep_body=True, max_line_bytes=None), OCSF)


# What the type checker refuses

publisher.publish("text")  # type: ignore[arg-type]
AuditLogPublisher(object())  # type: ignore[arg-type]
AuditLogPublisher(PrintSink(), overflow="lose")  # type: ignore[arg-type]
AuditEvent(event_type="A.B.C")  # type: ignore[call-arg]
LinesExporter()  # type: ignore[call-arg]
EventQuery(since="2026-01-05")  # type: ignore[arg-type]
EventQuery(order="random")  # type: ignore[arg-type]
context.bind(user="alice")  # type: ignore[call-arg]

"""
The main job on real services, told in a terminal.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from auditlog.abc import EventQuery
from auditlog.cli.day import make_day
from auditlog.config import AuditLogConfig, ClusterConfig, ClusterRegistry
from auditlog.event import Outcome
from auditlog.exporters import CSVExporter, JSONExporter, JSONLinesReader
from auditlog.kafka import KafkaReader
from auditlog.postgres import PostgresReader
from auditlog.publisher import AuditLogPublisher
from auditlog.testing.services import KafkaServer, PostgresServer


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

    from auditlog.abc import Record
    from auditlog.event import AuditEvent
    from auditlog.exporters import ExportReport


CLUSTER = "my-kafka-cluster"
TOPIC = "_conduktor_console_audit_log"
PATIENCE = 60.0


def run_demo(console: Console, output: Path) -> None:
    """
    Tell the whole story; files stay in *output*, all else is gone after.

    Raises:
        AuditLogError: If a step fails.

        OSError: If *output* can't be written to.
    """
    began = time.monotonic()
    with _services(console) as (database, kafka):
        config = AuditLogConfig.from_mapping(
            {
                "database": {"url": database},
                "audit_log_publisher": {
                    "cluster": CLUSTER,
                    "topicName": TOPIC,
                },
            }
        )
        cluster = ClusterConfig(id=CLUSTER, bootstrap_servers=kafka)
        _publish(console, config, cluster)
        reports = _export(console, cluster, output)
        _compare(console, config, cluster, output / "audit.jsonl")
        _show_trouble(console, config)
        _show_last(console, config)
    _show_files(console, output, reports)
    console.print(
        f"Everything was stopped and removed, after "
        f"{time.monotonic() - began:.0f} s in all."
    )


@contextlib.contextmanager
def _services(console: Console) -> Iterator[tuple[str, str]]:
    """
    The addresses of a database and of a broker, both new.
    """
    with (
        contextlib.ExitStack() as stack,
        console.status("Starting PostgreSQL and Apache Kafka …"),
        ThreadPoolExecutor(2) as pool,
    ):
        postgres = pool.submit(stack.enter_context, PostgresServer())
        kafka = pool.submit(stack.enter_context, KafkaServer())
        addresses = postgres.result().url, kafka.result().bootstrap_servers
        running = stack.pop_all()
    with running:
        console.print("PostgreSQL and Apache Kafka are running.\n")
        yield addresses


def _publish(
    console: Console, config: AuditLogConfig, cluster: ClusterConfig
) -> None:
    events = make_day()
    clusters = ClusterRegistry()
    said = _listen(console)
    with (
        AuditLogPublisher.from_config(config, clusters=clusters) as publisher,
        _progress(console) as progress,
    ):
        watcher = _Watcher(publisher, progress, len(events))
        console.print(
            f"Publishing {len(events)} events; cluster {CLUSTER!r} is not "
            "registered yet:",
        )
        for event in events:
            publisher.enqueue(event)
        publisher.flush()
        said.wait(PATIENCE)
        watcher.wait_stored()
        console.print(
            "All events are safe in the table. Registering the cluster:"
        )
        clusters.add(cluster)
        publisher.wait_delivered(PATIENCE)
        watcher.finish()
    console.print()


def _listen(console: Console) -> threading.Event:
    """
    Show what the library logs; set once it has said that it fails.
    """
    handler = _Teller(console)
    logger = logging.getLogger("auditlog")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler.said


class _Teller(logging.Handler):
    """
    Prints each line whole, so that it can be searched for.
    """

    COLOURS: ClassVar = {"ERROR": "red", "WARNING": "yellow"}

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.said = threading.Event()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """
        Print the level, the logger's name and the message.
        """
        line = f"  {record.levelname} {record.name}  {record.getMessage()}"
        colour = self.COLOURS.get(record.levelname, "green")
        self._console.print(Text(line, colour), soft_wrap=True)
        if record.levelno == logging.WARNING:
            self.said.set()


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


class _Watcher:
    """
    Keeps two bars at what the table and the topic really hold.
    """

    def __init__(
        self, publisher: AuditLogPublisher, progress: Progress, total: int
    ) -> None:
        self._publisher = publisher
        self._progress = progress
        self._total = total
        self._table = progress.add_task("in the table", total=total)
        self._topic = progress.add_task("in the topic", total=total)
        self._stored = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def wait_stored(self) -> None:
        """
        Wait until the table holds everything.
        """
        self._stored.wait(PATIENCE)

    def finish(self) -> None:
        """
        Show the last state and end.
        """
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self._look()
        self._look()

    def _look(self) -> None:
        (relay,) = self._publisher.relays.values()
        stored = relay.journal.size()
        self._progress.update(self._table, completed=stored)
        self._progress.update(
            self._topic, completed=relay.journal.position(relay.name)
        )
        if stored >= self._total:
            self._stored.set()


def _export(
    console: Console, cluster: ClusterConfig, output: Path
) -> dict[str, ExportReport]:
    output.mkdir(parents=True, exist_ok=True)
    events = KafkaReader(cluster, TOPIC).read()
    with console.status("Exporting the topic …"):
        return {
            "audit.jsonl": JSONExporter().export(
                events, output / "audit.jsonl", progress=False
            ),
            "audit.csv": CSVExporter().export(
                events, output / "audit.csv", progress=False
            ),
            "records.csv": CSVExporter(layout="records").export(
                events, output / "records.csv", progress=False
            ),
        }


def _compare(
    console: Console,
    config: AuditLogConfig,
    cluster: ClusterConfig,
    file: Path,
) -> None:
    """
    Show one hash over the bodies in the table, the topic and the file.
    """
    assert config.database is not None
    readers: dict[str, Iterable[Record]] = {
        "table": PostgresReader(config.database),
        "topic": KafkaReader(cluster, TOPIC),
        "file": JSONLinesReader(file),
    }
    # The hash fits into a line of 80, so that it can be copied.
    table = Table("where", "events", "SHA-256 over all bodies", box=None)
    table.padding = (0, 0, 0, 1)
    found = set()
    for place, reader in readers.items():
        count, digest = _digest(reader)
        found.add((count, digest))
        table.add_row(place, str(count), digest)
    console.print(table)
    if len(found) != 1:
        raise AssertionError("the bytes differ")
    console.print("The bytes are the same in all three.\n")


def _digest(records: Iterable[Record]) -> tuple[int, str]:
    digest = hashlib.sha256()
    count = 0
    for record in records:
        digest.update(record.body + b"\n")
        count += 1
    return count, digest.hexdigest()


def _show_trouble(console: Console, config: AuditLogConfig) -> None:
    """
    What did not succeed, and what was to be changed.
    """
    assert config.database is not None
    query = EventQuery(outcomes=[Outcome.DENIED, Outcome.FAILURE])
    console.print("What did not succeed, from the table:")
    for record in PostgresReader(config.database).read(query):
        event = record.event
        _, actor, event_type, resource, outcome = _row(event)
        lines = [f"{actor}: {event_type} of {resource}, {outcome}"]
        lines += [f"  because {event.reason}"]
        lines += [
            f"  {change.path}: {change.old!r} -> {change.new!r}"
            for change in event.changes
        ]
        for line in lines:
            console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print()


def _show_last(console: Console, config: AuditLogConfig) -> None:
    assert config.database is not None
    query = EventQuery(order="newest", limit=8)
    table = Table(
        "UTC",
        "actor",
        "event type",
        "resource",
        "outcome",
        title="The last events in the table",
        title_justify="left",
    )
    for record in PostgresReader(config.database).read(query):
        table.add_row(*map(escape, _row(record.event)))
    console.print(table)


def _row(event: AuditEvent) -> tuple[str, ...]:
    return (
        f"{event.occurred_at:%H:%M:%S}",
        event.actor.id if event.actor else "",
        event.event_type,
        f"{event.resource.type}/{event.resource.id}",
        event.outcome,
    )


def _show_files(
    console: Console, output: Path, reports: dict[str, ExportReport]
) -> None:
    console.print("\nThe exported files:")
    for name, report in reports.items():
        console.print(
            f"  {output / name}  {report.rows} rows, {report.bytes} bytes",
            markup=False,
        )

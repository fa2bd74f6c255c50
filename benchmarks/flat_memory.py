"""
The largest memory of a process that handles few events, and very many.

Each measurement is made in a new process, so that none sees what another left.
"""

from __future__ import annotations

import multiprocessing
import re
import tempfile

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from harness import Row, count
from samples import NullSink, make_event, make_records

from auditlog.abc import Record
from auditlog.config import ClusterConfig
from auditlog.exporters import CSVExporter, JSONExporter
from auditlog.kafka import KafkaSink
from auditlog.postgres import PostgresSink
from auditlog.publisher import AuditLogPublisher
from auditlog.relay import Relay


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from setting import Setting


# MiB that many events may take more than few.
MARGIN = 16


def rows(setting: Setting) -> Iterator[Row]:
    """
    Enqueue, export and relay.
    """
    few, many = setting.events(10_000), setting.events(1_000_000)
    yield _row("enqueue and flush", _enqueue, few, many)
    yield _row("export to JSON Lines", _export, few, many, "json")
    yield _row("export to CSV", _export, few, many, "csv")
    if not setting.quick:  # so that a quick run needs no services
        many //= 10
        # Configs keep their secrets to their process, so by address.
        servers = setting.cluster().bootstrap_servers
        urls = {n: _journal(setting.database(), n) for n in (few, many)}
        yield _row("relay", _relay, few, many, urls, servers)


def _row(
    what: str, work: Callable[..., int], few: int, many: int, *args: Any
) -> Row:
    small, arrived_small = _in_child(work, few, *args)
    large, arrived_large = _in_child(work, many, *args)
    return Row(
        what=f"memory: {what}, {many:,} events, {few:,} events",
        unit="MiB",
        ours=large,
        theirs=small,
        ratio=(small + MARGIN) / large,
        target=1.0,
        lost=few - arrived_small + many - arrived_large,
    )


def _in_child(work: Callable[..., int], *args: Any) -> tuple[float, int]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measured, (work, *args))


def _measured(work: Callable[..., int], *args: Any) -> tuple[float, int]:
    arrived = work(*args)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024, arrived


def _enqueue(number: int) -> int:
    sink = NullSink()
    with AuditLogPublisher(sink, overflow_timeout=30) as publisher:
        for _ in range(number):
            publisher.enqueue(make_event())
    return sink.arrived


def _export(number: int, form: str) -> int:
    (sample,) = make_records(1)
    records = (
        Record(event_id=sample.event_id, body=sample.body, index=index)
        for index in range(number)
    )
    exporter = JSONExporter() if form == "json" else CSVExporter()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "events")
        exporter.export(records, target)
        lines = count(target.open("rb"))
    return lines if form == "json" else lines - 1


def _journal(url: str, number: int) -> str:
    """
    Store as many events for a relay to find; the same URL.
    """
    sink = PostgresSink(url)
    for _ in range(0, number, 1000):
        sink.write(make_records(1000))
    sink.close()
    return url


def _relay(
    number: int, urls: dict[int, str], bootstrap_servers: tuple[str, ...]
) -> int:
    cluster = ClusterConfig(id="memory", bootstrap_servers=bootstrap_servers)
    journal = PostgresSink(urls[number])
    sink = KafkaSink(cluster, f"bench-{uuid4().hex}")
    relay = Relay(journal, sink, name="memory")
    relay.start()
    relay.stop(600)
    sink.close()
    journal.close()
    return relay.delivered

"""
The largest memory of a process that handles few events, and very many.

Each measurement is made in a new process, so that none sees what another left.
"""

from __future__ import annotations

import multiprocessing
import re
import tempfile

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from harness import Contender, Measure, Run, compare, count
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

    from harness import Row
    from setting import Setting


MEMORY = Measure(
    name="", unit="MiB at most", of=lambda run: run.figure, less=True
)

# MiB that many events may take more than few.
MARGIN = 16


def rows(setting: Setting) -> Iterator[Row]:
    """
    Enqueue, export and relay.
    """
    few, many = setting.events(10_000), setting.many
    rounds = min(setting.rounds, 5)
    yield from _contest("enqueue and flush", rounds, _enqueue, few, many)
    for form in ("json", "csv"):
        yield from _contest(
            f"export to {form.upper()}", rounds, _export, few, many, form
        )
    if not setting.quick:  # so that a quick run needs no services
        many //= 5
        # Configs keep their secrets to their process, so by address.
        servers = setting.cluster().bootstrap_servers
        urls = {n: _journal(setting.database(), n) for n in (few, many)}
        yield from _contest("relay", rounds, _relay, few, many, urls, servers)


def _contest(
    what: str,
    rounds: int,
    work: Callable[..., int],
    few: int,
    many: int,
    *args: Any,
) -> Iterator[Row]:
    """
    Many events beside few: at most a margin more, whatever their number.
    """
    yield from compare(
        f"memory of a process: {what}",
        Contender(
            name=f"{many:,} events", run=partial(_in_child, work, many, *args)
        ),
        Contender(
            name=f"{few:,} events and {MARGIN} MiB",
            run=partial(_in_child, work, few, *args, margin=MARGIN),
            targets={"": 1.0},
        ),
        rounds=rounds,
        measures=(MEMORY,),
    )


def _in_child(
    work: Callable[..., int], number: int, *args: Any, margin: float = 0.0
) -> Run:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        peak, arrived = pool.apply(_measured, (work, number, *args))
    return Run(0.0, number, arrived, figure=peak + margin)


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
    relay = Relay(journal, sink, name=f"memory-{uuid4().hex}")
    relay.start()
    relay.stop(600)
    sink.close()
    journal.close()
    return relay.delivered

"""
Stored events to files of every format, beside bare loops of the drivers.
"""

from __future__ import annotations

import os
import tempfile

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from harness import CPU, RATE, Contender, Run, Stopwatch, compare, count
from peers.bare_export import csv_lines, json_lines, polled_lines
from samples import make_records
from topics import Topic

from auditlog.exporters import (
    CSVExporter,
    JSONExporter,
    LinesExporter,
    ParquetExporter,
)
from auditlog.kafka import KafkaReader, KafkaSink
from auditlog.postgres import PostgresReader, PostgresSink


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from harness import Row
    from setting import Setting


# Records that are stored in one transaction.
PART = 10_000


def rows(setting: Setting) -> Iterator[Row]:
    """
    From a database and from a topic; in a thorough run, ten times as many.
    """
    for number in sorted({setting.events(100_000), setting.many}):
        rounds = min(setting.rounds, 5)
        with ExitStack() as stack:
            stored = Stored(setting, number, stack)
            for contest, contenders in stored.contests().items():
                yield from compare(
                    f"export {number:,} events, {contest}",
                    *contenders,
                    rounds=rounds,
                    measures=(RATE, CPU),
                )
            for contest, contenders in stored.shared().items():
                yield from compare(
                    f"export {number:,} events, {contest}",
                    *contenders,
                    rounds=rounds,
                )
        # Formats take so long that an hour would go by with very many.
        fewer = number if setting.full else number // 10
        with ExitStack() as stack:
            stored = Stored(setting, fewer, stack)
            yield from compare(
                f"export {fewer:,} events, PostgreSQL to each format",
                *stored.formats(),
                rounds=2 if setting.full else rounds,
            )


@attrs.define
class Stored:
    """
    The same events in a database and in a topic.
    """

    setting: Setting
    number: int
    stack: ExitStack
    url: str = attrs.field(init=False)
    topic: Topic = attrs.field(init=False)
    folder: Path = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.folder = Path(folder)
        self.url = self.setting.database()
        cluster = self.setting.cluster()
        self.topic = Topic(cluster)
        self.stack.callback(self.topic.close)
        sinks = PostgresSink(self.url), KafkaSink(cluster, self.topic.name)
        for start in range(0, self.number, PART):
            records = make_records(min(PART, self.number - start))
            for sink in sinks:
                sink.write(records)
        for sink in sinks:
            sink.close()
        self.setting.settle(self.url)

    def contests(self) -> dict[str, list[Contender]]:
        """
        Each with its contenders.
        """
        postgres = partial(PostgresReader, self.url)
        cluster, topic = self.setting.cluster(), self.topic.name
        return {
            "PostgreSQL to JSON Lines": [
                self._ours(JSONExporter(), "a.jsonl", postgres),
                self._by_hand(
                    "psycopg by hand",
                    partial(json_lines, self.url),
                    "pages of 1,000 by key, binary; written and synced",
                ),
            ],
            "PostgreSQL to CSV": [
                self._ours(CSVExporter(), "a.csv", postgres),
                self._by_hand(
                    "psycopg and csv by hand",
                    partial(csv_lines, self.url),
                    "the same pages, msgspec.json.decode() and csv.writer(), "
                    "the same columns; no cell is guarded",
                ),
            ],
            "Kafka to JSON Lines": [
                self._ours(
                    JSONExporter(),
                    "a.jsonl",
                    partial(KafkaReader, cluster, topic),
                ),
                self._by_hand(
                    "kafka-python by hand",
                    partial(polled_lines, self.topic, self.number),
                    "poll() with its defaults; the bytes are written",
                ),
            ],
        }

    def shared(self) -> dict[str, list[Contender]]:
        """
        Two processes beside one, where there is something to render.
        """
        postgres = partial(PostgresReader, self.url)
        kafka = partial(KafkaReader, self.setting.cluster(), self.topic.name)
        works: dict[str, tuple[Any, Callable[[], Any]]] = {
            "PostgreSQL to CSV": (CSVExporter(), postgres),
            "PostgreSQL to ecs": (JSONExporter(profile="ecs"), postgres),
            "PostgreSQL to Parquet": (ParquetExporter(), postgres),
            "Kafka to CSV": (CSVExporter(), kafka),
        }
        return {
            f"{name}, workers=2": [
                self._ours(exporter, "shared", reader, workers=2),
                attrs.evolve(
                    self._ours(exporter, "alone", reader),
                    name="workers=1",
                    targets={"": 1.6},
                ),
            ]
            for name, (exporter, reader) in works.items()
        }

    def formats(self) -> Iterator[Contender]:
        """
        Every format, from the database.
        """
        for name, exporter in _formats().items():
            yield attrs.evolve(
                self._ours(exporter, name, partial(PostgresReader, self.url)),
                name=f"to {name}",
            )

    def _ours(
        self,
        exporter: Any,
        name: str,
        reader: Callable[[], Any],
        **options: Any,
    ) -> Contender:
        path = self.folder / name

        def run() -> Run:
            watch = Stopwatch()
            with watch():
                report = exporter.export(reader(), path, **options)
            return watch.run(self.number, report.rows)

        return Contender(
            name="auditlog",
            run=run,
            settings=f"{type(exporter).__name__}, its defaults",
        )

    def _by_hand(
        self, name: str, work: Callable[[BinaryIO], int], settings: str
    ) -> Contender:
        path = self.folder / "by_hand"

        def run() -> Run:
            watch = Stopwatch()
            with watch(), path.open("wb") as file:
                headings = work(file)
                # Ours is on the disk when it returns.
                file.flush()
                os.fsync(file.fileno())
            with path.open("rb") as file:
                lines = count(file)
            return watch.run(self.number, lines - headings)

        return Contender(
            name=name, run=run, settings=settings, targets={"": 0.8}
        )


def _formats() -> dict[str, Any]:
    formats: dict[str, Any] = {
        "JSON Lines": JSONExporter(),
        "a JSON array": JSONExporter(framing="array"),
        "JSON Lines, gzip": JSONExporter(compression="gzip"),
        "CSV": CSVExporter(),
        "CSV, gzip": CSVExporter(compression="gzip"),
        "Parquet": ParquetExporter(),
    }
    for profile in ("ocsf", "ecs", "splunk-hec", "asim", "gelf"):
        formats[profile] = JSONExporter(profile=profile)
    for profile in ("cef", "leef"):
        formats[profile] = LinesExporter(profile=profile)
    return formats

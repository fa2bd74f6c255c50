"""
Exports of a real database and a real topic by several processes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys

import pytest

from kafka import KafkaProducer

from auditlog import _progress
from auditlog.abc import EventQuery
from auditlog.config import DatabaseConfig, Secret
from auditlog.errors import ConfigError, ExportError, ReadError
from auditlog.exporters import (
    CSVExporter,
    JSONExporter,
    LinesExporter,
    ParquetExporter,
    _output,
    _parallel,
)
from auditlog.exporters._worker import Job
from auditlog.kafka import KafkaReader, stretches
from auditlog.memory import InMemoryReader, InMemorySink
from auditlog.postgres import PostgresReader, PostgresSink
from auditlog.postgres import reader as reader_module
from auditlog.profiles import CEF
from auditlog.testing.contracts import make_record
from tests.kafka_tools import cluster_at, create
from tests.process_tools import DEADLINE, ROOT


COUNT = 1500
NEWEST = EventQuery(order="newest", since=dt.timedelta(days=1))


@pytest.fixture(autouse=True)
def _in_small_pieces(monkeypatch):
    monkeypatch.setattr(reader_module, "_PART", 170)
    monkeypatch.setattr(stretches, "SIZE", 170)
    monkeypatch.setattr(_output, "MEMBER", 20_000)
    # Ours here, so that stretches are waited for.
    monkeypatch.setattr(_parallel, "AHEAD", 60_000)


@pytest.fixture(name="reader")
def _reader(database_url):
    records = [
        make_record(
            event_type=f"Kafka.Topic.Try{n}",
            metadata={"n": n, "formula": "=1+1"},
        )
        for n in range(COUNT)
    ]
    with contextlib.closing(PostgresSink(database_url)) as sink:
        sink.write(records)
    return PostgresReader(database_url, page_size=100)


def send(address, topic, messages):
    """
    Send *messages*, each the arguments of ``send()``, all at once.
    """
    producer = KafkaProducer(bootstrap_servers=address, client_id="tests")
    with contextlib.closing(producer):
        for message in messages:
            producer.send(topic, **message)
        producer.flush()


@pytest.fixture(name="topic_reader")
def _topic_reader(bootstrap_servers, topic):
    """
    Three partitions with equal times, rubbish, and bodies that nobody reads.
    """
    create(bootstrap_servers, topic, partitions=3)
    body = make_record().body
    unreadable = body.replace(b'"metadata":{}', b'"metadata":7')
    values = {7: b"rubbish", 11: None, 13: unreadable, 700: b"{}"}
    assert unreadable != body
    send(
        bootstrap_servers,
        topic,
        (
            {
                "key": b"k",
                "value": values.get(n % 1000, make_record().body),
                "partition": n % 7 % 3,
                "timestamp_ms": 1_700_000_000_000 + n // 5 - n % 3,
            }
            for n in range(COUNT)
        ),
    )
    return KafkaReader(cluster_at(bootstrap_servers), topic)


def exported(exporter, source, path, **options):
    """
    The bytes, and all of the report that may not differ.
    """
    report = exporter.export(source, path, **options)
    told = (
        report.rows,
        report.sha256,
        report.cut,
        report.first,
        report.last,
        dict(report.skipped),
        {*report.skipped_first},
        report.warnings,
        [(part.rows, part.sha256) for part in report.parts],
    )
    files = sorted(path.parent.glob(f"{path.stem}*"))
    return [file.read_bytes() for file in files], told


@pytest.mark.parametrize(
    ("exporter", "query"),
    [
        (JSONExporter(compression="gzip"), EventQuery()),
        (CSVExporter(compression="gzip"), NEWEST),
        (CSVExporter(columns=("index", "event_id")), EventQuery(text="7")),
        (LinesExporter(profile=CEF(product="a")), EventQuery(text="none")),
        (JSONExporter(max_file_bytes=90_000), EventQuery()),
        (JSONExporter(framing="array", compression="gzip"), EventQuery()),
        (ParquetExporter(row_group_rows=200), EventQuery()),
        (ParquetExporter(max_file_bytes=90_000, body=True), NEWEST),
    ],
    ids=[
        "bodies",
        "newest",
        "some",
        "nothing",
        "parts",
        "array",
        "Parquet",
        "Parquet parts",
    ],
)
def test_a_table_gives_the_same_file(reader, exporter, query, tmp_path):
    """
    Three processes write what one does, and report the same.
    """
    events = reader.read(query)
    (tmp_path / "1").mkdir()
    (tmp_path / "3").mkdir()

    one = exported(exporter, events, tmp_path / "1/audit.log")
    three = exported(exporter, events, tmp_path / "3/audit.log", workers=3)

    assert one == three


@pytest.mark.parametrize(
    "exporter",
    [
        JSONExporter(framing="array"),
        CSVExporter(compression="gzip"),
        ParquetExporter(row_group_rows=300),
        ParquetExporter(layout="records"),
    ],
    ids=["array", "CSV", "Parquet", "records"],
)
@pytest.mark.parametrize("partitions", [None, {1}], ids=["all", "one"])
def test_a_topic_gives_the_same_file(
    topic_reader, exporter, partitions, tmp_path
):
    """
    Whatever lies in it, in the order of times over all partitions.
    """
    reader = KafkaReader(
        topic_reader.cluster, topic_reader.topic, partitions=partitions
    )

    one, told = exported(exporter, reader, tmp_path / "1")
    two = exported(exporter, reader, tmp_path / "2", workers=2)

    assert two == (one, told)
    assert told[5]
    if isinstance(exporter, CSVExporter) and partitions is None:
        assert told[0] == COUNT - 7


def test_what_is_no_event_can_be_refused(topic_reader, tmp_path):
    """
    The first is told, whichever process finds it, and no file appears.
    """
    told = []
    for workers in (1, 2):
        with pytest.raises(ExportError, match="no value") as error:
            JSONExporter().export(
                topic_reader,
                tmp_path / "audit.jsonl",
                errors="raise",
                workers=workers,
            )
        told.append(str(error.value))

    assert told[0] == told[1]
    assert not [*tmp_path.iterdir()]


def test_times_that_go_back_before_the_start_are_told(
    bootstrap_servers, topic, tmp_path
):
    """
    A cut by time is not believed where the order could be another.
    """
    create(bootstrap_servers, topic, partitions=2)
    times = {0: [1_000_000, *range(10, 400)], 1: range(15, 800)}
    messages = [
        {
            "value": make_record().body,
            "partition": number,
            "timestamp_ms": 1_700_000_000_000 + moment,
        }
        for number, moments in times.items()
        for moment in moments
    ]
    send(bootstrap_servers, topic, messages)
    reader = KafkaReader(cluster_at(bootstrap_servers), topic, start={0: 1})

    with pytest.raises(ReadError, match=r"go back; use one worker"):
        JSONExporter().export(reader, tmp_path / "audit.jsonl", workers=2)


def hired(monkeypatch):
    """
    The processes that work for exports.
    """
    found = []

    def hire(real=_parallel._hired):
        found.append(real())
        return found[-1]

    monkeypatch.setattr(_parallel, "_hired", hire)
    return found


@pytest.mark.parametrize("how", ["worker", "caller"])
def test_no_half_file_is_left(reader, tmp_path, monkeypatch, how):
    """
    A process that is killed, or an interruption, leaves the old file alone.
    """
    monkeypatch.setattr(_progress, "TOLD_EVERY", 0.0)
    workers = hired(monkeypatch)
    path = tmp_path / "audit.jsonl"
    path.write_text("old")

    def told(done, total, unit):
        if how == "caller":
            raise KeyboardInterrupt
        for worker in workers:
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()

    wanted = ExportError if how == "worker" else KeyboardInterrupt
    with pytest.raises(wanted) as error:
        JSONExporter().export(reader, path, workers=2, progress=told)

    if how == "worker":
        assert "ended by signal 9; export again" in str(error.value)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]
    assert workers
    assert all(each.process.returncode for each in workers)


def test_a_script_needs_no_guard(reader, database_url, tmp_path):
    """
    Its main module isn't run again by the processes.
    """
    path = tmp_path / "audit.jsonl"
    script = tmp_path / "script.py"
    script.write_text(
        "from auditlog.exporters import JSONExporter\n"
        "from auditlog.postgres import PostgresReader\n"
        f"reader = PostgresReader({database_url!r})\n"
        "print('once')\n"
        f"JSONExporter().export(reader, {str(path)!r}, workers=2)\n"
    )

    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("once\n", "")
    assert path.read_bytes().count(b"\n") == COUNT


def test_what_can_not_be_divided_is_exported_by_one(
    reader, tmp_path, monkeypatch
):
    """
    A list, a limit, a reader of memory: the same file, and no process.
    """
    workers = hired(monkeypatch)
    records = [make_record() for _ in range(5)]
    sink = InMemorySink()
    sink.write(records)

    for number, (events, count) in enumerate(
        [
            (records, 5),
            (InMemoryReader(sink), 5),
            (reader.read(EventQuery(limit=7)), 7),
            (reader.read(EventQuery(last=7)), 7),
        ]
    ):
        path = tmp_path / str(number)

        report = JSONExporter().export(events, path, workers=2)

        assert report.rows == count
    assert not workers


class Local(CEF):
    """
    Can't be found by its name.
    """

    __qualname__ = "nowhere.Local"


def test_what_can_not_be_sent_is_told(reader, tmp_path):
    """
    Before a process is started, with the way out.
    """
    exporter = LinesExporter(profile=Local())

    with pytest.raises(ExportError, match=r"leave out workers"):
        exporter.export(reader, tmp_path / "audit.log", workers=2)


def test_a_database_that_can_not_be_reached_is_told(tmp_path):
    """
    As by one process.
    """
    reader = PostgresReader("postgresql://nobody@127.0.0.1:9/none")

    with pytest.raises(ReadError, match="Connection refused"):
        JSONExporter().export(reader, tmp_path / "audit.jsonl", workers=2)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_number_of_workers_is_checked(workers, tmp_path):
    """
    Anything but a whole number from 1 is a mistake.
    """
    with pytest.raises(ConfigError, match="'workers' must be at least 1"):
        JSONExporter().export([], tmp_path / "a", workers=workers)


def test_workers_and_resume_exclude_each_other(reader, tmp_path):
    """
    Nobody could say where each has been.
    """
    with pytest.raises(ConfigError, match="with resume or follow"):
        JSONExporter().export(reader, tmp_path / "a", workers=2, resume=True)


def test_secrets_go_along():
    """
    A password that stays behind in any other pickle reaches the processes.
    """
    database = DatabaseConfig(url=Secret("postgresql://u:hush@h/d"))
    reader = PostgresReader(database)

    data = _parallel._pickled(
        Job(JSONExporter(), reader, EventQuery(), "report")
    )

    assert b"hush" in data

"""
Exports of a real database and a real topic that are killed, cut and resumed.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading

import pytest

from auditlog import _progress
from auditlog.abc import EventQuery
from auditlog.config import TopicConfig
from auditlog.errors import ExportError, ReadError
from auditlog.exporters import (
    JSONExporter,
    ParquetExporter,
    _output,
    _resumed,
)
from auditlog.kafka import KafkaReader, KafkaSink
from auditlog.postgres import PostgresReader, PostgresSink
from auditlog.postgres import reader as reader_module
from auditlog.testing.contracts import make_record
from tests.kafka_tools import admin, cluster_at, delete
from tests.postgres_tools import execute, opened
from tests.process_tools import DEADLINE, ROOT


COUNT = 3000


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(_output, "MEMBER", 50_000)
    monkeypatch.setattr(_resumed, "SAVED_EVERY", 0.0)
    monkeypatch.setattr(_progress, "TOLD_EVERY", 0.0)


def records(count=COUNT):
    return [make_record(metadata={"n": n}) for n in range(count)]


def bodies(batch):
    return [record.body for record in batch]


@pytest.fixture(name="stored")
def _stored(database_url):
    with contextlib.closing(PostgresSink(database_url)) as sink:
        sink.write(records())


@pytest.fixture(name="cluster")
def _cluster(bootstrap_servers):
    return cluster_at(bootstrap_servers)


def write(cluster, topic, batch):
    config = TopicConfig(partition=3)
    sink = KafkaSink(cluster, topic, topic_config=config)
    sink.write(batch)
    sink.close()


KILLED = """
import sys, time
from auditlog import _progress
from auditlog.exporters import JSONExporter, ParquetExporter, _output, _resumed
from auditlog.kafka import KafkaReader
from auditlog.postgres import PostgresReader
from tests.kafka_tools import cluster_at

_output.MEMBER, _resumed.SAVED_EVERY = 50_000, 0.0
_progress.TOLD_EVERY = 0.0

def told(done, total, unit):
    if done > 1000:
        print(done, flush=True)
        time.sleep(600)

source, address, topic, target = sys.argv[1:]
reader = (
    PostgresReader(address, page_size=100) if source == "postgres"
    else KafkaReader(cluster_at(address), topic)
)
exporter = (
    ParquetExporter(row_group_rows=300) if target.endswith(".parquet")
    else JSONExporter()
)
exporter.export(reader, target, resume=True, progress=told)
"""


def kill_in_the_middle(*arguments):
    """
    A process that exports, killed when it has written a third.
    """
    command = [sys.executable, "-c", KILLED, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        guard = threading.Timer(DEADLINE, child.kill)
        guard.start()
        done = child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        guard.cancel()
    assert done


class CountingReader(PostgresReader):
    """
    Knows how many rows it got.
    """

    rows = 0

    def _ask(self, statement, **params):
        found = super()._ask(statement, **params)
        self.rows += len(found)
        return found


@pytest.mark.parametrize(
    ("exporter", "suffix"),
    [
        (JSONExporter(), ".gz"),
        (ParquetExporter(row_group_rows=300), ".parquet"),
    ],
    ids=["lines", "table"],
)
def test_a_killed_export_of_a_table_goes_on(
    stored, database_url, tmp_path, exporter, suffix
):
    """
    The same bytes as without the kill, and only the rest is read; what is
    stored meanwhile isn't in it.
    """
    whole, broken = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    exporter.export(PostgresReader(database_url), whole)
    kill_in_the_middle("postgres", database_url, "", broken)
    with contextlib.closing(PostgresSink(database_url)) as sink:
        sink.write(records(3))

    reader = CountingReader(database_url)
    report = exporter.export(reader, broken, resume=True)

    assert COUNT == report.rows
    assert reader.rows < COUNT - 800
    assert whole.read_bytes() == broken.read_bytes()


def test_a_killed_export_of_a_topic_goes_on(cluster, topic, tmp_path):
    """
    The same bytes as without the kill, over three partitions.
    """
    write(cluster, topic, records())
    JSONExporter().export(KafkaReader(cluster, topic), tmp_path / "a.gz")
    address = ",".join(cluster.bootstrap_servers)
    kill_in_the_middle("kafka", address, topic, tmp_path / "b.gz")
    write(cluster, topic, records(3))

    reader = KafkaReader(cluster, topic)
    report = JSONExporter().export(reader, tmp_path / "b.gz", resume=True)

    assert COUNT == report.rows
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_a_database_that_goes_away_is_told_with_the_way_on(
    stored, database_url, database_proxy, proxied_database_url, tmp_path, order
):
    """
    The error says that and from where the export goes on; then it does.
    """
    query = EventQuery(order=order, limit=COUNT - 1)
    reader = PostgresReader(proxied_database_url, page_size=200, timeout=2)
    events = reader.read(query)
    whole = PostgresReader(database_url).read(query)
    JSONExporter().export(whole, tmp_path / "a")

    def told(done, *_):
        if done > 1000:
            database_proxy.refuse()
            database_proxy.cut()

    with pytest.raises(ReadError, match=r"kept, resume=True goes on behind"):
        JSONExporter().export(
            events, tmp_path / "b", resume=True, progress=told
        )
    database_proxy.restore()
    JSONExporter().export(events, tmp_path / "b", resume=True)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_tables_are_told(stored, database_url, tmp_path):
    """
    A database that was made anew has another event at the place.
    """
    reader = PostgresReader(database_url)
    scan = reader.begin_scan(EventQuery())
    next(scan.items)
    place = scan.place()
    execute(
        database_url,
        "BEGIN; SET LOCAL session_replication_role = replica; "
        "UPDATE audit.event SET id = gen_random_uuid() WHERE seq = 1; COMMIT",
    )

    with pytest.raises(ReadError, match="is not where it was; these are oth"):
        reader.resume_scan(EventQuery(), place)


def test_nothing_is_passed_over_when_a_table_is_followed(
    database_url, tmp_path, monkeypatch
):
    """
    What an open transaction will store before events that are there already
    is waited for by all that comes behind it.
    """
    monkeypatch.setattr(reader_module, "_PATIENCE", 0.1)
    target = tmp_path / "a.jsonl"

    def run():
        reader = PostgresReader(database_url)
        return JSONExporter().export(reader, target, follow=True).rows

    with contextlib.closing(PostgresSink(database_url)) as sink:
        sink.write(records(2))
        assert 2 == run()
        late = make_record()
        with opened(
            database_url,
            "INSERT INTO audit.event "
            "(id, occurred_at, event_type, outcome, resource, body) "
            "VALUES (%s, now(), 'A.B.C', 'success', 'a/b', %s)",
            late.event_id,
            late.body,
        ) as connection:
            sink.write(records(2))
            assert 0 == run()
            connection.commit()
        assert 3 == run()
    assert 0 == run()
    read = b"".join(
        path.read_bytes() for path in sorted(tmp_path.glob("a-*.jsonl"))
    )
    assert bodies(PostgresReader(database_url)) == read.splitlines()


def test_a_topic_is_followed(cluster, topic, bootstrap_servers, tmp_path):
    """
    Each event is in one file; a partition that is added is read from its
    beginning, and what retention took is told.
    """
    target = tmp_path / "a.jsonl"

    def run():
        reader = KafkaReader(cluster, topic)
        return JSONExporter().export(reader, target, follow=True)

    write(cluster, topic, records(20))
    assert 20 == run().rows
    assert 0 == run().rows
    with admin(bootstrap_servers) as client:
        client.create_partitions({topic: 6})
    write(cluster, topic, records(40))
    assert 40 == run().rows

    write(cluster, topic, records(40))
    with admin(bootstrap_servers) as client:
        ends = KafkaReader(cluster, topic).begin_scan(EventQuery()).place()
        _delete_all(client, topic, ends["partitions"])
    write(cluster, topic, records(10))
    report = run()

    assert 10 == report.rows
    assert 0 < report.skipped["deleted by the cluster before it was read"]


def _delete_all(client, topic, partitions):
    from kafka import TopicPartition  # noqa: PLC0415

    ends = {
        TopicPartition(topic, int(number)): end
        for number, (_, end) in partitions.items()
    }
    client.delete_records(ends)


def test_a_topic_that_was_created_anew_is_refused(
    cluster, topic, bootstrap_servers, tmp_path
):
    """
    Its offsets mean other records, however many it has.
    """
    write(cluster, topic, records(20))
    target = tmp_path / "a"
    JSONExporter().export(KafkaReader(cluster, topic), target, follow=True)
    delete(bootstrap_servers, topic)
    write(cluster, topic, records(90))

    with pytest.raises(ExportError, match="the source differs: topic's id"):
        JSONExporter().export(KafkaReader(cluster, topic), target, follow=True)

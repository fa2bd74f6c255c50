"""
``auditlog export``, ``tail``, ``show`` and ``stats`` on a table and a topic.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from uuid import uuid4

import pytest

from auditlog import AuditLogConfig, AuditLogPublisher
from auditlog.cli.day import make_day
from auditlog.codec import encode
from auditlog.exporters import ParquetReader, _parallel
from tests.cli_tools import CLUSTER, bare, invoke
from tests.kafka_tools import make_event, produce
from tests.process_tools import DEADLINE, started


@pytest.fixture(scope="module")
def settings(postgres_variables, bootstrap_servers):
    return {
        **postgres_variables,
        "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": f"cli-{uuid4().hex}",
        "CDK_CLUSTERS_0_ID": CLUSTER,
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": bootstrap_servers,
    }


@pytest.fixture(scope="module")
def publisher(settings):
    config = AuditLogConfig.from_env(settings)
    with AuditLogPublisher.from_config(config) as publisher:
        yield publisher


@pytest.fixture(scope="module")
def day(publisher):
    """
    Events that are in the table and in the topic.
    """
    day = make_day(40)
    for event in day:
        publisher.enqueue(event)
    publisher.wait_delivered(60)
    return day


@pytest.fixture
def run(settings, day):
    return lambda *arguments: invoke(*map(str, arguments), **settings)


def sources(settings):
    """
    All names of the table and of the topic.
    """
    topic = settings["CDK_AUDITLOGPUBLISHER_TOPICNAME"]
    address = settings["CDK_CLUSTERS_0_BOOTSTRAPSERVERS"]
    return [
        "database",
        settings["CDK_DATABASE_URL"],
        "topic",
        f"topic:{topic}",
        f"topic:{CLUSTER}/{topic}",
        f"kafka://{address}/{topic}",
    ]


def test_every_name_of_a_source_gives_the_stored_bodies(run, settings, day):
    """
    Table and topic, by the settings or by name, export the same bytes; the
    table is what is meant if nothing is named.
    """
    bodies = [encode(event) for event in day]

    exported = [run("export", source) for source in sources(settings)]
    default = run("export")

    for result in (*exported, default):
        assert result.exit_code == 0, result.stderr
        assert bodies == result.stdout_bytes.splitlines()
        assert result.stderr == ""


@pytest.mark.parametrize("source", ["database", "topic"])
def test_last_and_shown_and_counted(run, day, source):
    """
    Each command reads the table and the topic alike.
    """
    (update,) = (e for e in day if e.outcome == "failure")

    tailed = run("tail", source, "--json", "-n", "3")
    shown = run("show", update.event_id, source, "--json")
    told = run("show", update.event_id, source)
    filtered = run("show", update.event_id, source, "--outcome", "success")
    counted = run("stats", source, "--json", "--by", "outcome")

    bodies = [encode(event) for event in day]
    assert bodies[-3:] == tailed.stdout_bytes.splitlines()
    assert encode(update) + b"\n" == shown.stdout_bytes
    assert "✗ failure Kafka.Topic.Update" in told.stdout
    assert f"no event {update.event_id} in " in filtered.stderr
    assert filtered.exit_code == 1
    assert {"value": "failure", "events": 1} in (
        json.loads(counted.stdout)["by"]["outcome"]["groups"]
    )


def test_where_to_begin_in_a_topic(run, settings, day):
    """
    By offset, by a record's time, and in chosen partitions.
    """
    for options, count in (
        ("--start 0:30", 10),
        ("--start beginning --partition 0", 40),
        ("--start 1h", 40),
        ("--start now --until 2100-01-01", 0),
    ):
        result = run("export", "topic", *options.split())
        found = len(result.stdout.splitlines())
        assert (count, "") == (found, result.stderr), options
    absent = run("export", "topic", "--partition", "7")
    nobody = run("export", "topic", "--start", "group:nobody")
    assert "has no partition 7" in absent.stderr
    assert (nobody.exit_code, nobody.stdout) == (1, "")


def test_records_of_a_topic_as_a_table(run, day):
    """
    A topic's records have a layout of their own; others' are counted.
    """
    result = run("export", "topic", "--format", "csv", "--layout", "records")

    header, *rows = result.stdout.splitlines()
    assert header == "timestamp,partition,offset,key,value"
    assert len(rows) == len(day)


def test_others_records_are_passed_over(run, settings, bootstrap_servers):
    """
    What is no audit event is told with its place, apart from the events.
    """
    topic = f"cli-{uuid4().hex}"
    body = encode(make_event())
    produce(
        bootstrap_servers,
        topic,
        {"value": b"no audit event"},
        {"value": body},
        {"value": None, "key": b"k"},
    )

    for command in ("tail", "stats", "export"):
        result = run(command, f"topic:{topic}")
        assert result.exit_code == 0
        assert f", first at {topic}[0]@0" in result.stderr
        assert f", first at {topic}[0]@2" in result.stderr


@pytest.mark.parametrize("source", ["database", "topic"])
def test_export_goes_on(run, publisher, day, tmp_path, source):
    """
    Resumed it is whole; followed, each run has what is new, if anything is.
    """
    whole, new = tmp_path / "whole.jsonl", tmp_path / "new.jsonl"
    follow = ["export", source, "-o", new, "--follow"]

    run("export", source, "-o", whole, "--resume")
    first, none = run(*follow), run(*follow)
    publisher.publish(event := make_event())
    publisher.wait_delivered(60)
    second = run(*follow)

    names = sorted(each.name for each in tmp_path.glob("new-*"))
    assert [0] * 3 == [each.exit_code for each in (first, none, second)]
    assert ["new-00000001.jsonl", "new-00000002.jsonl"] == names
    assert (tmp_path / names[0]).read_bytes() == whole.read_bytes()
    assert (tmp_path / names[1]).read_bytes() == encode(event) + b"\n"


def test_a_table_goes_on(run, publisher, day, tmp_path):
    """
    Parquet is resumed and followed, too.
    """
    whole, new = tmp_path / "whole.parquet", tmp_path / "new.parquet"

    run("export", "database", "-o", whole, "--resume")
    run("export", "database", "-o", new, "--follow")
    publisher.publish(event := make_event())
    publisher.wait_delivered(60)
    run("export", "database", "-o", new, "--follow")

    first, second = sorted(tmp_path.glob("new-*"))
    assert first.read_bytes() == whole.read_bytes()
    assert [event] == [record.event for record in ParquetReader(second)]


@pytest.mark.parametrize("source", ["database", "topic"])
def test_export_by_several_processes(run, tmp_path, monkeypatch, source):
    """
    The file is that of one process.
    """
    hired = []

    def hire(real=_parallel._hired):
        hired.append(real())
        return hired[-1]

    monkeypatch.setattr(_parallel, "_hired", hire)
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"

    run("export", source, "-o", one)
    result = run("export", source, "-o", two, "--workers", "2")

    assert result.exit_code == 0
    assert two.read_bytes() == one.read_bytes()
    assert hired


@pytest.mark.parametrize("source", ["database", "topic"])
def test_tail_follows(settings, publisher, day, source):
    """
    What is stored while it runs is printed, each event once and in order,
    until Ctrl-C, which ends it quietly with 130.
    """
    command = [sys.executable, "-m", "auditlog", "tail", source]
    command += ["-f", "--json", "-n", "2", "--color", "never"]
    inherited = {k: v for k, v in os.environ.items() if k not in bare()}

    with started(
        command,
        env={**inherited, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=False,
    ) as running:
        alarm = signal.signal(signal.SIGALRM, _hangs)
        signal.alarm(DEADLINE)
        try:
            before = [running.stdout.readline() for _ in range(2)]
            new = [make_event(n) for n in range(5)]
            for event in new:
                publisher.publish(event)
            after = [running.stdout.readline() for _ in new]
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, alarm)
        running.send_signal(signal.SIGINT)
        rest, said = running.communicate(timeout=DEADLINE)

    assert len({*before}) == 2
    assert [encode(event) + b"\n" for event in new] == after
    assert (running.returncode, rest, said) == (130, b"", b"")


def _hangs(number, frame):
    pytest.fail("tail -f printed nothing")


def test_database_that_is_away(settings):
    """
    What can't be reached is told, and no traceback.
    """
    away = {**settings, "CDK_DATABASE_URL": "postgresql://me:c4n4ry@:1/db"}

    for command in ("tail", "stats", "export"):
        result = invoke(command, **away)
        assert result.exit_code == 1
        assert "can't read audit events" in result.stderr
        assert "c4n4ry" not in result.output

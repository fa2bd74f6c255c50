from __future__ import annotations

import csv
import os

from pathlib import Path

import pytest

from auditlog import PostgresReader
from auditlog._engine import process


# Word for word what users were promised; see README.md for the prose.
CONTRACT = """
from auditlog import (
    Actor, AuditEvent, AuditLogConfig, AuditLogPublisher, Change, CSVExporter, EventQuery,
    InMemorySink, JSONExporter, KafkaReader, KafkaSink, Outcome, PostgresReader, PostgresSink, Resource,
)

config = AuditLogConfig.from_env()                    # also from_file("audit.yaml" | "audit.toml"), from_mapping({...})
with AuditLogPublisher.from_config(config) as publisher:
    publisher.publish(AuditEvent(
        event_type="Kafka.Topic.Create",
        actor=Actor(id="alice", type="user", email="alice@example.com"),
        resource=Resource(type="topic", id="website-orders", parent=Resource(type="kafkacluster", id="production")),
        outcome=Outcome.SUCCESS,
        metadata={"name": "website-orders", "cluster": "production", "partitions": 3},
    ))
    publisher.flush()                                  # in the sink
    publisher.wait_delivered(timeout=30)               # and through every relay

JSONExporter().export(PostgresReader(config.database), "audit.jsonl")
events = KafkaReader(config.cluster("my-kafka-cluster"), "_conduktor_console_audit_log").read(EventQuery(event_types=["Kafka.Topic.*"]))
CSVExporter().export(events, "audit.csv")
CSVExporter(layout="records").export(events, "records.csv")          # a second pass over the same events reads again

sink = InMemorySink()
AuditLogPublisher(sink).publish(AuditEvent(event_type="App.Invoice.Approve", resource=Resource(type="invoice", id="7")))
assert sink.events[0].resource.id == "7"

class PrintSink:                                       # a custom sink, whole
    def write(self, records):
        for record in records:
            print(record.event.event_type, record.body)

AuditLogPublisher.from_config(config, sinks={"print": PrintSink()})
"""  # noqa: E501

VARIABLES = {
    "CDK_AUDITLOGPUBLISHER_CLUSTER": "my-kafka-cluster",
    "CDK_AUDITLOGPUBLISHER_TOPICNAME": "_conduktor_console_audit_log",
    "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION": "1",
    "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_REPLICATIONFACTOR": "1",
    "CDK_CLUSTERS_0_ID": "my-kafka-cluster",
    "CDK_CLUSTERS_0_NAME": "My Kafka cluster",
}

YAML = """
audit_log_publisher:
  cluster: my-kafka-cluster
  topicName: _conduktor_console_audit_log
  topicConfig:
    partition: 1
    replicationFactor: 1
clusters:
  - id: my-kafka-cluster
    name: My Kafka cluster
    bootstrapServers: {bootstrap_servers}
database:
  url: {database_url}
"""

TOML = """
[audit_log_publisher]
cluster = "my-kafka-cluster"
topicName = "_conduktor_console_audit_log"
topicConfig = {{ partition = 1, replicationFactor = 1 }}

[[clusters]]
id = "my-kafka-cluster"
name = "My Kafka cluster"
bootstrapServers = "{bootstrap_servers}"

[database]
url = "{database_url}"
"""


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """
    An empty folder, and none of our settings in the environment.
    """
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("CDK_", "AUDITLOG_")):
            monkeypatch.delenv(name)
    return tmp_path


def run(code):
    """
    Run *code* as a script; its publishers are closed like at the exit.
    """
    names = {"__name__": "__main__"}
    exec(compile(code, "contract.py", "exec"), names)
    return names


@pytest.fixture
def end_publishers():
    """
    Close what the contract leaves open, as the end of the process would.
    """
    before = set(process._exitables)
    yield
    for publisher in set(process._exitables) - before:
        publisher.close()


def check(workplace, database_url):
    """
    The one event is in every file, with the same bytes.
    """
    (record,) = PostgresReader(database_url)
    assert Path("audit.jsonl").read_bytes() == record.body + b"\n"
    with Path("audit.csv").open(newline="") as file:
        rows = {row["event_id"]: row for row in csv.DictReader(file)}
    assert rows[str(record.event_id)]["resource_id"] == "website-orders"
    with Path("records.csv").open(newline="") as file:
        values = [row["value"] for row in csv.DictReader(file)]
    assert record.body.decode() in values


@pytest.mark.usefixtures("end_publishers")
def test_contract_with_variables(
    workplace, database_url, bootstrap_servers, monkeypatch
):
    """
    The code that users were promised runs word for word.
    """
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CDK_CLUSTERS_0_BOOTSTRAPSERVERS", bootstrap_servers)
    monkeypatch.setenv("CDK_DATABASE_URL", database_url)

    run(CONTRACT)

    check(workplace, database_url)


@pytest.mark.parametrize(("suffix", "form"), [("yaml", YAML), ("toml", TOML)])
@pytest.mark.usefixtures("end_publishers")
def test_contract_with_a_file(
    workplace, database_url, bootstrap_servers, suffix, form
):
    """
    The same from a file.
    """
    file = workplace / f"audit.{suffix}"
    file.write_text(
        form.format(
            database_url=database_url, bootstrap_servers=bootstrap_servers
        )
    )

    run(CONTRACT.replace("from_env()", f'from_file("{file.name}")'))

    check(workplace, database_url)

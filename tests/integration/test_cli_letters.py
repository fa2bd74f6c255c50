"""
``auditlog dead-letters``: what the topic refused, and what became of it.
"""

from __future__ import annotations

import json
import os

import pytest

from click.testing import CliRunner

from auditlog import AuditLogConfig, AuditLogPublisher, KafkaReader
from auditlog.cli.commands import auditlog
from tests.fix_pages import is_setting
from tests.kafka_tools import (
    CLUSTER,
    consume,
    create,
    let_in,
    make_event,
    noise,
)
from tests.postgres_tools import execute


@pytest.fixture
def variables(database_url, bootstrap_servers, topic):
    return {
        "CDK_DATABASE_URL": database_url,
        "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": topic,
        "CDK_CLUSTERS_0_ID": CLUSTER,
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": bootstrap_servers,
    }


@pytest.fixture
def run(variables, monkeypatch):
    for name in filter(is_setting, list(os.environ)):
        monkeypatch.delenv(name)

    def run(*arguments, **environ):
        return CliRunner().invoke(
            auditlog,
            ["dead-letters", *arguments],
            env={"COLUMNS": "200", **variables, **environ},
        )

    return run


@pytest.fixture
def events(variables, bootstrap_servers, topic):
    """
    Three events, of which the topic refused the second and the third.
    """
    create(bootstrap_servers, topic, max_message_bytes=4_000)
    config = AuditLogConfig.from_env(variables)
    events = [
        make_event(1),
        make_event(2, metadata={"noise": noise(20_000)}),
        make_event(3, metadata={"noise": noise(20_000)}),
    ]
    with AuditLogPublisher.from_config(config) as publisher:
        for event in events:
            publisher.publish(event)
        publisher.wait_delivered(60)
    return events


def test_listed_and_sent_again(
    run, events, variables, bootstrap_servers, topic, database_url
):
    """
    Refused as long as the topic refuses them; then each comes once, with its
    old index and a mark, and is kept in the database as delivered.
    """
    listed = json.loads(run("list", "--json").stdout)
    refused = run("retry")
    let_in(bootstrap_servers, topic)
    one = run("retry", "3")
    rest = run("retry")
    after = run("list")

    assert [(e["index"], e["event_id"]) for e in listed] == [
        (n, str(events[n - 1].event_id)) for n in (2, 3)
    ]
    assert "max.message.bytes" in listed[0]["reason"]
    assert listed[0]["event_type"] == "Kafka.Topic.Create"
    assert refused.exit_code == 1
    assert refused.stdout == "0 delivered, 2 refused again.\n"
    assert (one.exit_code, one.stdout) == (
        0,
        "1 delivered, 0 refused again.\n",
    )
    assert rest.stdout == "1 delivered, 0 refused again.\n"
    assert (after.stdout.strip(), after.stderr) == ("", "No dead letters.\n")

    marks = [
        (headers.get("audit-index"), headers.get("audit-redrive"))
        for headers in (
            dict(m.headers) for m in consume(bootstrap_servers, topic)
        )
        if "audit-placeholder" not in headers
    ]
    assert marks == [(b"1", None), (b"3", b"1"), (b"2", b"1")]
    cluster = AuditLogConfig.from_env(variables).clusters[0]
    found = {r.event_id: r.event for r in KafkaReader(cluster, topic)}
    assert found == {each.event_id: each for each in events}
    kept = execute(
        database_url,
        "SELECT idx, attempts, redriven_at IS NOT NULL FROM audit.dead_letter "
        "ORDER BY idx",
    )
    assert kept == [(2, 2, True), (3, 2, True)]


def test_unknown_index(run, events):
    """
    Is named, and nothing is sent.
    """
    result = run("retry", "2", "99")

    assert result.exit_code == 1
    assert result.stderr == "no dead letter has the index 99\n"
    assert len(json.loads(run("list", "--json").stdout)) == 2


def test_content_is_not_shown(run, events):
    """
    A list for an operator holds no content of events.
    """
    assert events[1].metadata["noise"][:20] not in run("list").stdout


def test_nothing_is_relayed(run):
    """
    Without a topic there are no relays, and so no dead letters.
    """
    result = run(
        "list",
        CDK_AUDITLOGPUBLISHER_CLUSTER="",
        CDK_AUDITLOGPUBLISHER_TOPICNAME="",
    )

    assert result.exit_code == 1
    assert "nothing is relayed" in result.stderr

"""
``auditlog clusters`` and ``auditlog topics``.
"""

from __future__ import annotations

import json

import pytest

from auditlog.testing.services import free_port
from tests.cli_tools import invoke, kafka_settings
from tests.kafka_tools import create


@pytest.fixture
def away():
    """
    The settings of a second cluster, which is away.
    """
    return {
        "CDK_CLUSTERS_1_ID": "away",
        "CDK_CLUSTERS_1_NAME": "Gone [/] fishing",
        "CDK_CLUSTERS_1_BOOTSTRAPSERVERS": f"127.0.0.1:{free_port()}",
    }


def test_clusters(secured_kafka, topic, away):
    """
    Each with what is wrong with it; one that can't be used is exit code 1.
    """
    settings = kafka_settings(secured_kafka, topic)

    one = invoke("clusters", **settings)
    both = invoke("clusters", **settings, **away)

    servers = settings["CDK_CLUSTERS_0_BOOTSTRAPSERVERS"]
    told = " ".join(one.stdout.split())
    assert one.exit_code == 0
    assert told == (
        f"state cluster what was found ok prod {servers}, SASL_SSL with "
        "SCRAM-SHA-512; events are published here"
    )
    told = " ".join(both.stdout.split())
    gone = away["CDK_CLUSTERS_1_BOOTSTRAPSERVERS"]
    assert both.exit_code == 1
    assert f"failed away Unreachable. {gone} refuses connections" in told
    assert "→ start the broker, or correct host and port" in told
    assert one.stderr == both.stderr == ""


def test_clusters_as_json(secured_kafka, topic, away):
    """
    All that is known of each, and no secret.
    """
    settings = kafka_settings(secured_kafka, topic, password="hunter2")

    result = invoke("clusters", "--json", **settings, **away)

    servers = settings["CDK_CLUSTERS_0_BOOTSTRAPSERVERS"]
    gone = away["CDK_CLUSTERS_1_BOOTSTRAPSERVERS"]
    assert result.exit_code == 1
    assert "hunter2" not in result.output
    assert json.loads(result.stdout) == [
        {
            "id": "prod",
            "name": "prod",
            "servers": servers,
            "security": "SASL_SSL with SCRAM-SHA-512",
            "used": True,
            "trouble": (
                f"Not authenticated. {servers} refuses the login with "
                "SCRAM-SHA-512"
            ),
            "way_out": "correct username and password in sasl.jaas.config",
        },
        {
            "id": "away",
            "name": "Gone [/] fishing",
            "servers": gone,
            "security": "PLAINTEXT",
            "used": False,
            "trouble": f"Unreachable. {gone} refuses connections",
            "way_out": "start the broker, or correct host and port",
        },
    ]


def test_properties_of_the_publisher(secured_kafka, topic):
    """
    Count for the cluster where events are published.
    """
    right = kafka_settings(secured_kafka, topic)["CDK_CLUSTERS_0_PROPERTIES"]
    settings = kafka_settings(secured_kafka, topic, password="hunter2")

    result = invoke(
        "clusters", **settings, AUDITLOG_PUBLISHER_PROPERTIES=right
    )

    assert result.exit_code == 0


def test_no_clusters():
    """
    What to set is told, and that is no failure.
    """
    result, listed = invoke("clusters"), invoke("clusters", "--json")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "CDK_CLUSTERS_0_BOOTSTRAPSERVERS" in result.stderr
    assert json.loads(listed.stdout) == []


def test_topics(secured_kafka, topic):
    """
    Those that may be seen, and which of them is ours.
    """
    secured_kafka.grant("alice", "topic", f"{topic}*", "All")
    address = secured_kafka.bootstrap_servers
    try:
        before = invoke("topics", **kafka_settings(secured_kafka, topic))
        create(address, topic, partitions=2, retention_ms=-1)
        create(address, f"{topic}-b", cleanup_policy="compact")
        result = invoke(
            "topics", "--json", **kafka_settings(secured_kafka, topic)
        )
        table = invoke("topics", **kafka_settings(secured_kafka, topic))
    finally:
        secured_kafka.revoke("alice", "topic", f"{topic}*")

    assert (before.exit_code, before.stdout) == (0, "")
    assert before.stderr == "There is no topic that this login may see.\n"
    ours, other = json.loads(result.stdout)
    assert ours == {
        "topic": topic,
        "partitions": 2,
        "replicas": 1,
        "cleanup_policy": "delete",
        "retention_ms": -1,
        "used": True,
    }
    assert (other["topic"], other["used"]) == (f"{topic}-b", False)
    assert other["cleanup_policy"] == "compact"
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert table.stdout.split()[:2] == ["topic", "partitions"]


def test_topics_of_another_cluster(secured_kafka, topic, away):
    """
    Is what the argument is for.
    """
    settings = kafka_settings(secured_kafka, topic)

    result = invoke("topics", "away", **settings, **away)

    gone = away["CDK_CLUSTERS_1_BOOTSTRAPSERVERS"]
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Unreachable. {gone} refuses connections; start the broker, or "
        "correct host and port\n"
    )


def test_topics_of_no_cluster(secured_kafka, topic):
    """
    Those that are known are named.
    """
    unknown = invoke("topics", "prd", **kafka_settings(secured_kafka, topic))
    none = invoke("topics")

    assert (unknown.exit_code, none.exit_code) == (1, 1)
    assert unknown.stderr == (
        "Not found. Could not find cluster prd; known cluster IDs: 'prod'\n"
    )
    assert "CDK_AUDITLOGPUBLISHER_CLUSTER" in none.stderr

"""
``auditlog relay run``: a process that relays, and ends when it is told to.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from auditlog import (
    AuditLogConfig,
    AuditLogPublisher,
    KafkaReader,
    PostgresReader,
)
from auditlog.cli import relay
from auditlog.errors import ConfigError
from tests.fix_pages import is_setting
from tests.kafka_tools import CLUSTER, make_event


@pytest.fixture
def variables(database_url, bootstrap_servers, topic):
    """
    What the application and the relay are told alike.
    """
    return {
        "CDK_DATABASE_URL": database_url,
        "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": topic,
        "CDK_CLUSTERS_0_ID": CLUSTER,
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": bootstrap_servers,
        "AUDITLOG_RELAY_RUN": "false",
    }


@pytest.fixture
def start(variables):
    """
    Starts relays, and kills those that are left.
    """
    inherited = {k: v for k, v in os.environ.items() if not is_setting(k)}
    with contextlib.ExitStack() as stack:

        def start(*options):
            command = [sys.executable, "-m", "auditlog", "relay", "run"]
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, *options],
                    env={**inherited, **variables},
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def publisher(variables):
    config = AuditLogConfig.from_env(variables)
    with AuditLogPublisher.from_config(config) as publisher:
        yield publisher


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_relays_until_it_is_told_to_end(
    start, publisher, variables, topic, number
):
    """
    What workers only write arrives in the topic; the process ends cleanly,
    and what came until then is delivered.
    """
    process = start()
    for n in range(20):
        publisher.publish(make_event(n))
    publisher.wait_delivered(60)
    code, said = end(process, number)

    config = AuditLogConfig.from_env(variables)
    assert code == 0
    assert "delivered 20 events, 0 dead" in said
    assert [r.body for r in KafkaReader(config.clusters[0], topic)] == [
        r.body for r in PostgresReader(config.database)
    ]


def test_the_other_takes_over(start, publisher, variables, topic):
    """
    Of two one ships; when it is killed the other goes on, and nothing is
    missing.
    """
    first, second = start(), start()
    publisher.publish(make_event(0))
    publisher.wait_delivered(60)
    first.kill()
    for n in range(1, 10):
        publisher.publish(make_event(n))
    publisher.wait_delivered(60)
    code, _ = end(second)

    config = AuditLogConfig.from_env(variables)
    found = [r.event_id for r in KafkaReader(config.clusters[0], topic)]
    stored = [r.event_id for r in PostgresReader(config.database)]
    assert code == 0
    assert list(dict.fromkeys(found)) == stored
    assert len(stored) == 10


def test_workers_do_not_relay(publisher, variables):
    """
    With ``relay.run`` switched off nothing leaves the database.
    """
    publisher.publish(make_event())

    assert [relay.running for relay in publisher.relays.values()] == [False]


def test_ends_though_the_cluster_is_away(start, variables):
    """
    A relay that can do nothing ends as soon as it is told to.
    """
    variables["CDK_CLUSTERS_0_BOOTSTRAPSERVERS"] = "127.0.0.1:1"
    config = AuditLogConfig.from_env(variables)
    with AuditLogPublisher.from_config(config) as publisher:
        publisher.publish(make_event())
    process = start("--shutdown-timeout", "1")
    for line in process.stderr:
        if "Failed to publish audit log event" in line:
            break
    code, _ = end(process)

    assert code == 0


@pytest.mark.parametrize("absent", ["DATABASE_URL", "AUDITLOGPUBLISHER"])
def test_nothing_to_relay(variables, absent):
    """
    Without a database, or a topic, it says what to set.
    """
    left = {k: v for k, v in variables.items() if absent not in k}

    with pytest.raises(ConfigError, match="there is nothing to relay; set"):
        relay.run(AuditLogConfig.from_env(left), shutdown_timeout=1)

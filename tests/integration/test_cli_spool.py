"""
``auditlog dead-letters`` and ``doctor``, where a spool keeps the events.
"""

from __future__ import annotations

import json
import os

import pytest

from auditlog import AuditLogConfig, AuditLogPublisher, KafkaReader
from auditlog.redrive import Redriven, redrive
from auditlog.wiring import wire
from tests.cli_tools import diagnose, invoke
from tests.kafka_tools import (
    CLUSTER,
    consume,
    create,
    let_in,
    make_event,
    noise,
)


@pytest.fixture
def variables(tmp_path, bootstrap_servers, topic):
    return {
        "AUDITLOG_SPOOL_PATH": str(tmp_path / "spool"),
        "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": topic,
        "CDK_CLUSTERS_0_ID": CLUSTER,
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": bootstrap_servers,
    }


@pytest.fixture
def config(variables):
    return AuditLogConfig.from_env(variables)


@pytest.fixture
def run(variables):
    def run(*arguments):
        return invoke("dead-letters", *arguments, **variables)

    return run


@pytest.fixture
def events(bootstrap_servers, topic):
    """
    Three events, of which the topic refuses the second and the third.
    """
    create(bootstrap_servers, topic, max_message_bytes=4_000)
    return [
        make_event(1),
        make_event(2, metadata={"noise": noise(20_000)}),
        make_event(3, metadata={"noise": noise(20_000)}),
    ]


def publish(publisher, events):
    for event in events:
        publisher.publish(event)
    publisher.wait_delivered(60)


def test_letters_of_a_process_that_has_ended(
    run, config, events, bootstrap_servers, topic, tmp_path
):
    """
    Listed, refused as long as the topic refuses them, then each sent once,
    with a mark and without an index; the folder stays as it is.
    """
    with AuditLogPublisher.from_config(config) as publisher:
        publish(publisher, events)
    listed = json.loads(run("list", "--json").stdout)
    refused = run("retry")
    let_in(bootstrap_servers, topic)
    one = run("retry", "3")
    unknown = run("retry", "3")
    rest = run("retry")
    after = run("list")

    assert [(e["index"], e["event_id"]) for e in listed] == [
        (n, str(events[n - 1].event_id)) for n in (2, 3)
    ]
    assert "max.message.bytes" in listed[0]["reason"]
    assert refused.stdout == "0 delivered, 2 refused again.\n"
    assert one.stdout == "1 delivered, 0 refused again.\n"
    assert unknown.stderr == "no dead letter has the index 3\n"
    assert rest.stdout == "1 delivered, 0 refused again.\n"
    assert after.stderr == "No dead letters.\n"
    assert len([*(tmp_path / "spool").iterdir()]) == 1
    headers = [dict(m.headers) for m in consume(bootstrap_servers, topic)]
    again = [each for each in headers if "audit-redrive" in each]
    assert [each["ce_id"].decode() for each in again] == [
        str(events[2].event_id),
        str(events[1].event_id),
    ]
    assert not any("audit-index" in each for each in headers)
    found = {
        r.event_id: r.event for r in KafkaReader(config.clusters[0], topic)
    }
    assert found == {each.event_id: each for each in events}


def test_letters_of_a_living_process(
    run, config, events, bootstrap_servers, topic
):
    """
    Listed by anybody; sent again by the process itself only, and whoever
    tries is told which.
    """
    with AuditLogPublisher.from_config(config) as publisher:
        publish(publisher, events)
        listed = json.loads(run("list", "--json").stdout)
        refused = run("retry")
        let_in(bootstrap_servers, topic)
        ((name, sink),) = wire(config, sinks={}, clusters=None).relays.items()
        found = redrive(publisher.sink, sink, relay=name)
        sink.close()
        after = run("list")

    assert [each["index"] for each in listed] == [2, 3]
    assert refused.exit_code == 1
    assert f"in use by process {os.getpid()}; stop that" in refused.stderr
    assert found == Redriven(2, 0)
    assert after.stderr == "No dead letters.\n"


def test_doctor_looks_at_the_spool(variables, config, events, tmp_path):
    """
    Along with the topic; a database is not asked for.
    """
    path = tmp_path / "spool"
    with AuditLogPublisher.from_config(config) as publisher:
        publish(publisher, events)
        found = diagnose(**variables)
    missing = diagnose(**variables, AUDITLOG_SPOOL_MAXBYTES=str(2**50))
    broken = diagnose(**{**variables, "AUDITLOG_SPOOL_PATH": __file__})

    assert str(path) in found["spool.folder"]["detail"]
    assert str(os.getpid()) in found["spool.processes"]["detail"]
    assert found["spool.dead_letters"]["state"] == "warning"
    assert "2 events" in found["spool.dead_letters"]["detail"]
    assert found["kafka.topic"]["state"] != "failed"
    assert missing["spool.disk"]["state"] == "warning"
    assert broken["spool.folder"]["state"] == "failed"


def test_doctor_without_a_spool(variables):
    """
    Says nothing of what is not used.
    """
    del variables["AUDITLOG_SPOOL_PATH"]

    assert not [name for name in diagnose(**variables) if "spool" in name]

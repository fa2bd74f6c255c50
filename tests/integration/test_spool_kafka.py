"""
From a spool to a real topic.
"""

from __future__ import annotations

import os
import subprocess
import sys

from auditlog import AuditLogPublisher, KafkaSink, SpoolSink
from auditlog.config import AuditLogConfig, ClusterRegistry
from tests.kafka_tools import CLUSTER, cluster_at, consume, make_event


def sink_for(address, topic):
    registry = ClusterRegistry([cluster_at(address, CLUSTER)])
    return KafkaSink(CLUSTER, topic, clusters=registry)


def ids_in(address, topic):
    return [
        dict(message.headers)["ce_id"].decode()
        for message in consume(address, topic)
    ]


def test_events_reach_the_topic(tmp_path, bootstrap_servers, topic):
    """
    In order, each once, with their bytes and without an index, which would
    count in one folder only.
    """
    events = [make_event(n) for n in range(300)]
    spool = SpoolSink(tmp_path, segment_bytes=16 * 1024)
    sink = sink_for(bootstrap_servers, topic)
    with AuditLogPublisher(spool, relays={"topic": sink}) as publisher:
        for event in events:
            publisher.enqueue(event)
        publisher.wait_delivered(60)
        assert 1 == len([*spool.folder.glob("*.log")])

    found = consume(bootstrap_servers, topic)
    assert [str(each.event_id) for each in events] == ids_in(
        bootstrap_servers, topic
    )
    assert not any("audit-index" in dict(m.headers) for m in found)


WORKER = """
import os, sys
from auditlog import AuditLogPublisher, SpoolSink
from tests.kafka_tools import make_event
publisher = AuditLogPublisher(SpoolSink(sys.argv[1]))
events = [make_event(n) for n in range(20)]
for event in events:
    publisher.publish(event)
print(*[event.event_id for event in events], flush=True)
sys.stdin.read()
"""


def test_events_of_killed_workers_reach_the_topic(
    tmp_path, bootstrap_servers, topic, monkeypatch
):
    """
    Two workers die before anything was relayed; a third one's relay delivers
    for all of them, through the same topic.
    """
    monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, tmp_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(2)
    ]
    written = [worker.stdout.readline().split() for worker in workers]
    for worker in workers:
        worker.kill()
        worker.communicate()

    sink = sink_for(bootstrap_servers, topic)
    with AuditLogPublisher(
        SpoolSink(tmp_path), relays={"topic": sink}
    ) as publisher:
        publisher.publish(event := make_event())
        publisher.wait_delivered(60)
    wanted = {str(event.event_id), *written[0], *written[1]}

    found = ids_in(bootstrap_servers, topic)
    assert sorted(wanted) == sorted(found)
    for ids in written:
        assert ids == [one for one in found if one in ids]
    assert 1 == len([*tmp_path.iterdir()])


def test_configured_spool_carries_to_the_topic(
    tmp_path, bootstrap_servers, topic
):
    """
    What ``publish()`` returned for is on the disk; a relay takes it to the
    topic.
    """
    config = AuditLogConfig.from_env(
        {
            "AUDITLOG_SPOOL_PATH": str(tmp_path / "spool"),
            "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
            "CDK_AUDITLOGPUBLISHER_TOPICNAME": topic,
            "CDK_CLUSTERS_0_ID": CLUSTER,
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": bootstrap_servers,
        }
    )
    with AuditLogPublisher.from_config(config) as publisher:
        publisher.publish(event := make_event())
        publisher.wait_delivered(60)

    assert [str(event.event_id)] == ids_in(bootstrap_servers, topic)

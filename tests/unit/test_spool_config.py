"""
What becomes of the settings of a spool.
"""

from __future__ import annotations

import pytest

from auditlog import codec
from auditlog.config import (
    AuditLogConfig,
    ClusterConfig,
    ClusterRegistry,
    DatabaseConfig,
    PublisherConfig,
    RelayConfig,
    SpoolConfig,
)
from auditlog.errors import ConfigError
from auditlog.kafka import KafkaSink
from auditlog.memory import InMemorySink
from auditlog.postgres import PostgresSink
from auditlog.publisher import AuditLogPublisher
from auditlog.spool import SpoolSink
from auditlog.wiring import wire


TOPIC = {
    "clusters": (ClusterConfig(id="a", bootstrap_servers="localhost:1"),),
    "publisher": PublisherConfig(cluster="a", topic_name="t"),
}


def wired(*, sinks=None, **settings):
    config = AuditLogConfig(**settings)
    return wire(config, sinks=sinks or {}, clusters=None)


def test_variables_and_files_spell_it_alike():
    """
    It is a setting of ours, in both spellings.
    """
    expected = SpoolConfig(path="/var/spool/audit", max_bytes=2**20)

    for found in (
        AuditLogConfig.from_env(
            {
                "AUDITLOG_SPOOL_PATH": "/var/spool/audit",
                "AUDITLOG_SPOOL_MAX_BYTES": str(2**20),
            }
        ),
        AuditLogConfig.from_mapping(
            {"spool": {"path": "/var/spool/audit", "maxBytes": 2**20}}
        ),
    ):
        assert expected == found.spool


@pytest.mark.parametrize(
    ("variables", "mistake"),
    [
        ({"AUDITLOG_SPOOL_MAXBYTES": "200000"}, "must be set @ spool.path"),
        (
            {"AUDITLOG_SPOOL_PATH": "a", "AUDITLOG_SPOOL_MAXBYTES": "9"},
            r"must be 131072 to \d+ \(got 9\) @ spool.max_bytes",
        ),
        ({"AUDITLOG_SPOOL_PAHT": "a"}, "did you mean AUDITLOG_SPOOL_PATH?"),
    ],
)
def test_mistakes_are_said(variables, mistake):
    """
    With the name of the setting.
    """
    with pytest.raises(ConfigError, match=mistake):
        AuditLogConfig.from_env(variables)


def test_spool_alone_is_the_sink(tmp_path):
    """
    Nothing is relayed, and nothing is made yet.
    """
    wires = wired(spool=SpoolConfig(path=str(tmp_path / "spool")))

    assert isinstance(wires.sink, SpoolSink)
    assert {} == wires.relays
    assert [] == [*tmp_path.iterdir()]


def test_spool_carries_to_the_topic_and_further_sinks(tmp_path):
    """
    The topic's relay has its name as with a database.
    """
    more = InMemorySink()

    wires = wired(
        spool=SpoolConfig(path=str(tmp_path)), sinks={"more": more}, **TOPIC
    )

    assert isinstance(wires.sink, SpoolSink)
    assert ["a/t", "more"] == list(wires.relays)
    assert isinstance(wires.relays["a/t"], KafkaSink)


def test_spool_takes_the_place_of_a_database(tmp_path):
    """
    With both, events are kept in the spool while the database is away.
    """
    wires = wired(
        spool=SpoolConfig(path=str(tmp_path)),
        database=DatabaseConfig(url="postgresql://u@localhost/x"),
        relay=RelayConfig(run=False),
        **TOPIC,
    )

    assert isinstance(wires.sink, PostgresSink)
    assert isinstance(wires.fallback, SpoolSink)
    assert ["a/t"] == list(wires.relays)


def test_publisher_gets_all_that_is_configured(tmp_path, monkeypatch):
    """
    A cluster that is added later hurries it, until it is closed.
    """
    hurried = []
    monkeypatch.setattr(
        AuditLogPublisher, "hurry", lambda self: hurried.append(self.name)
    )
    clusters = ClusterRegistry()
    publisher = AuditLogPublisher.from_config(
        AuditLogConfig(
            spool=SpoolConfig(path=str(tmp_path)),
            database=DatabaseConfig(url="postgresql://u@localhost/x"),
            relay=RelayConfig(run=False),
            codec="conduktor",
            **TOPIC,
        ),
        sinks={"more": InMemorySink()},
        clusters=clusters,
        name="web",
        lifecycle_events=True,
    )
    clusters.add(ClusterConfig(id="b", bootstrap_servers="localhost:1"))
    publisher.close()
    clusters.add(ClusterConfig(id="c", bootstrap_servers="localhost:1"))

    assert isinstance(publisher.sink, PostgresSink)
    assert isinstance(publisher._fallback.journal, SpoolSink)
    assert ["a/t", "more"] == list(publisher.relays)
    assert not publisher._run_relays
    assert codec.codec_named("conduktor") is publisher._codec
    assert "web" == publisher._lifecycle("Start").resource.id
    assert ["web"] == hurried


def test_spool_has_to_be_relayed_here(tmp_path):
    """
    No other process can, so that events would wait for ever.
    """
    settings = {
        "spool": SpoolConfig(path=str(tmp_path)),
        "relay": RelayConfig(run=False),
    }
    with pytest.raises(ConfigError, match=r"leave relay\.run"):
        wired(**settings, **TOPIC)

    assert wired(**settings).sink

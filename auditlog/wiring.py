"""
Config to objects; the only module that names concrete backends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from auditlog.config import ClusterRegistry
from auditlog.errors import ConfigError
from auditlog.kafka import KafkaSink
from auditlog.postgres import PostgresSink
from auditlog.spool import SpoolSink


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.abc import Journal, Sink
    from auditlog.config import AuditLogConfig, SpoolConfig


NOTHING = (
    "nothing is configured that could store an event: set database.url "
    "(CDK_DATABASE_URL), or audit_log_publisher.cluster and .topicName "
    "(CDK_AUDITLOGPUBLISHER_CLUSTER and _TOPICNAME), or spool.path "
    "(AUDITLOG_SPOOL_PATH), or build "
    "AuditLogPublisher(InMemorySink()) for a test"
)

NO_JOURNAL = (
    "further sinks need a database or a spool, from which relays carry events "
    "to them: set database.url (CDK_DATABASE_URL) or spool.path "
    "(AUDITLOG_SPOOL_PATH)"
)

SPOOL_WITHOUT_RELAY = (
    "what is in a spool can be relayed by no other process: leave relay.run "
    "(AUDITLOG_RELAY_RUN) at true"
)


@attrs.frozen(kw_only=True)
class Wires:
    """
    What a publisher is built from.

    Attributes:
        sink: Where events are stored.

        relays: Where they are carried on to, by the relays' names.

        clusters: Where the topic's cluster is looked up.

        fallback: Where events are kept while *sink* is away, if anywhere.
    """

    sink: Sink
    relays: dict[str, Sink]
    clusters: ClusterRegistry
    fallback: Journal | None = None


def wire(
    config: AuditLogConfig,
    *,
    sinks: Mapping[str, Sink],
    clusters: ClusterRegistry | None,
) -> Wires:
    """
    Build the sinks that *config* describes; nothing connects yet.

    Raises:
        ConfigError: If nothing or too little is configured.

        MissingExtraError: If a driver isn't installed.
    """
    if clusters is None:
        clusters = ClusterRegistry(config.clusters)
    topic = _topic(config, clusters)
    journal, fallback = _journals(config)
    if journal is None:
        return Wires(sink=_only(topic, sinks), relays={}, clusters=clusters)
    relays = {**topic, **sinks}
    if clash := topic.keys() & sinks.keys():
        raise ConfigError([f"two relays would be named {clash.pop()!r}"])
    if relays and isinstance(journal, SpoolSink) and not config.relay.run:
        raise ConfigError([SPOOL_WITHOUT_RELAY])
    return Wires(
        sink=journal, relays=relays, clusters=clusters, fallback=fallback
    )


def _journals(
    config: AuditLogConfig,
) -> tuple[Journal | None, Journal | None]:
    """
    What keeps the events, and what keeps them while that one is away.
    """
    spool = _spool(config.spool)
    if config.database is not None:
        return PostgresSink(config.database), spool
    return spool, None


def _spool(config: SpoolConfig | None) -> SpoolSink | None:
    if config is None:
        return None
    return SpoolSink(config.path, max_bytes=config.max_bytes)


def _only(topic: Mapping[str, Sink], sinks: Mapping[str, Sink]) -> Sink:
    """
    The topic as the only sink.
    """
    if sinks:
        raise ConfigError([NO_JOURNAL])
    if not topic:
        raise ConfigError([NOTHING])

    (sink,) = topic.values()
    return sink


def _topic(
    config: AuditLogConfig, clusters: ClusterRegistry
) -> dict[str, Sink]:
    """
    The sink for the topic, if there is one, by the name of its relay.

    The name holds cluster and topic: the position belongs to the topic, and
    another topic gets the whole journal.
    """
    publisher = config.publisher
    if publisher.cluster is None or publisher.topic_name is None:
        return {}

    sink = KafkaSink(
        publisher.cluster,
        publisher.topic_name,
        clusters=clusters,
        topic_config=publisher.topic_config,
        properties=publisher.properties,
    )
    return {f"{publisher.cluster}/{publisher.topic_name}": sink}

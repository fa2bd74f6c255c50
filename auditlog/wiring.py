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


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.abc import Sink
    from auditlog.config import AuditLogConfig


NOTHING = (
    "nothing is configured that could store an event: set database.url "
    "(CDK_DATABASE_URL), or audit_log_publisher.cluster and .topicName "
    "(CDK_AUDITLOGPUBLISHER_CLUSTER and _TOPICNAME), or build "
    "AuditLogPublisher(InMemorySink()) for a test"
)

NO_JOURNAL = (
    "further sinks need a database, from which relays carry events to them: "
    "set database.url (CDK_DATABASE_URL)"
)


@attrs.frozen(kw_only=True)
class Wires:
    """
    What a publisher is built from.

    Attributes:
        sink: Where events are stored.

        relays: Where they are carried on to, by the relays' names.

        clusters: Where the topic's cluster is looked up.
    """

    sink: Sink
    relays: dict[str, Sink]
    clusters: ClusterRegistry


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
    if config.database is not None:
        relays = {**topic, **sinks}
        if clash := topic.keys() & sinks.keys():
            raise ConfigError([f"two relays would be named {clash.pop()!r}"])
        return Wires(
            sink=PostgresSink(config.database),
            relays=relays,
            clusters=clusters,
        )
    if sinks:
        raise ConfigError([NO_JOURNAL])
    if not topic:
        raise ConfigError([NOTHING])

    (sink,) = topic.values()
    return Wires(sink=sink, relays={}, clusters=clusters)


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

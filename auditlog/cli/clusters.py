"""
The clusters of a configuration, and the topics of one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs

from auditlog.errors import ConfigError
from auditlog.kafka.inspection import list_topics, why_unusable


if TYPE_CHECKING:
    from auditlog.config import AuditLogConfig, ClusterConfig


@attrs.frozen(kw_only=True)
class ClusterRow:
    """
    One cluster.

    Attributes:
        id: By which it is found.

        name: For people.

        servers: Where it begins.

        security: Protocol and mechanism, if they are understood.

        used: Whether events are published there.

        trouble: Why it can't be used, or null if it answers.
    """

    id: str
    name: str
    servers: str
    security: str | None
    used: bool
    trouble: str | None


@attrs.frozen(kw_only=True)
class TopicRow:
    """
    One topic.

    Attributes:
        used: Whether events are published there.
    """

    topic: str
    partitions: int
    replication_factor: int
    cleanup_policy: str | None
    retention_ms: str | None
    used: bool


def clusters(config: AuditLogConfig) -> list[ClusterRow]:
    """
    All clusters, each after an attempt to reach it.
    """
    with ThreadPoolExecutor() as pool:
        return list(
            pool.map(lambda each: _cluster(each, config), config.clusters)
        )


def _cluster(cluster: ClusterConfig, config: AuditLogConfig) -> ClusterRow:
    used = cluster.id == config.publisher.cluster
    if used:
        cluster = cluster.with_properties(config.publisher.properties)
    security, trouble = None, None
    try:
        client = cluster.client()
    except ConfigError as exc:
        trouble = "; ".join(exc.mistakes)
    else:
        login = f" {client.login.mechanism}" if client.login else ""
        security, trouble = f"{client.protocol}{login}", why_unusable(cluster)
    return ClusterRow(
        id=cluster.id,
        name=cluster.name,
        servers=",".join(cluster.bootstrap_servers),
        security=security,
        used=used,
        trouble=trouble,
    )


def topics(config: AuditLogConfig, cluster: str | None) -> list[TopicRow]:
    """
    The topics of *cluster*, by default of the one that is published to.

    Raises:
        ConfigError: If no cluster is named.

        ClusterNotFoundError: If there is none of that ID.

        SinkError: If it can't be used, with the reason.
    """
    wanted = cluster or config.publisher.cluster
    if wanted is None:
        raise ConfigError(
            ["name a cluster, or set audit_log_publisher.cluster"]
        )
    found = config.cluster(wanted)
    here = wanted == config.publisher.cluster
    if here:
        found = found.with_properties(config.publisher.properties)
    return [
        TopicRow(
            topic=name,
            partitions=len(state.partitions),
            replication_factor=state.replication_factor,
            cleanup_policy=state.config.get("cleanup.policy"),
            retention_ms=state.config.get("retention.ms"),
            used=here and name == config.publisher.topic_name,
        )
        for name, state in list_topics(found).items()
    ]

"""
The clusters of a configuration, and the topics of one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs

from auditlog.errors import ClusterNotFoundError, ConfigError
from auditlog.findings import Finding
from auditlog.kafka.inspection import list_topics, trouble_with
from auditlog.kafka.verdicts import described


if TYPE_CHECKING:
    from auditlog.config import AuditLogConfig, ClusterConfig
    from auditlog.kafka.driver import TopicState


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

        trouble: Why not all of it can be used, or null if it answers.

        way_out: What to do about that.
    """

    id: str
    name: str
    servers: str
    security: str | None
    used: bool
    trouble: str | None = None
    way_out: str | None = None


@attrs.frozen(kw_only=True)
class TopicRow:
    """
    One topic.

    Attributes:
        used: Whether events are published there.
    """

    topic: str
    partitions: int
    replicas: int
    cleanup_policy: str | None
    retention_ms: int | None
    used: bool


def clusters(config: AuditLogConfig) -> list[tuple[ClusterRow, Finding]]:
    """
    All clusters, each after an attempt to reach it.
    """
    with ThreadPoolExecutor() as pool:
        return list(
            pool.map(lambda each: _cluster(each, config), config.clusters)
        )


def _cluster(
    cluster: ClusterConfig, config: AuditLogConfig
) -> tuple[ClusterRow, Finding]:
    used = cluster.id == config.publisher.cluster
    if used:
        cluster = cluster.with_properties(config.publisher.properties)
    security, trouble = _looked_at(cluster)
    row = ClusterRow(
        id=cluster.id,
        name=cluster.name,
        servers=",".join(cluster.bootstrap_servers),
        security=security,
        used=used,
        trouble=trouble.detail if trouble else None,
        way_out=trouble.way_out if trouble else None,
    )
    return row, trouble or Finding(row.id, "ok", _summary(row))


def _looked_at(cluster: ClusterConfig) -> tuple[str | None, Finding | None]:
    """
    How one speaks to *cluster*, and what is wrong with it.
    """
    try:
        security = described(cluster.client())
    except ConfigError as exc:
        wrong = "; ".join(exc.mistakes)
        way_out = "correct the cluster's properties"
        return None, Finding(cluster.id, "failed", wrong, way_out)
    trouble = trouble_with(cluster)
    return security, trouble and attrs.evolve(trouble, check=cluster.id)


def _summary(row: ClusterRow) -> str:
    named = "" if row.name == row.id else f"{row.name}: "
    used = "; events are published here" if row.used else ""
    return f"{named}{row.servers}, {row.security}{used}"


def topics(config: AuditLogConfig, cluster: str | None) -> list[TopicRow]:
    """
    The topics of *cluster*, by default of the one that is published to.

    Raises:
        ConfigError: If no cluster is named, or it is unknown.

        SinkError: If it can't be used, with the reason.
    """
    found = cluster_of(config, cluster)
    used = config.publisher.cluster == found.id
    name = config.publisher.topic_name if used else None
    return [
        _row(topic, state, used=topic == name)
        for topic, state in list_topics(found).items()
    ]


def cluster_of(config: AuditLogConfig, cluster: str | None) -> ClusterConfig:
    """
    The cluster of that ID, by default the one that is published to.

    Raises:
        ConfigError: If no cluster is named, or it is unknown.
    """
    found = _wanted(config, cluster)
    if config.publisher.cluster == found.id:
        return found.with_properties(config.publisher.properties)
    return found


def _wanted(config: AuditLogConfig, cluster: str | None) -> ClusterConfig:
    wanted = cluster or config.publisher.cluster
    if wanted is None:
        mistake = (
            "no cluster is named; give the ID of one, or set "
            "audit_log_publisher.cluster (CDK_AUDITLOGPUBLISHER_CLUSTER)"
        )
        raise ConfigError([mistake])
    try:
        return config.cluster(wanted)
    except ClusterNotFoundError as exc:
        known = ", ".join(map(repr, exc.known)) or "none"
        raise ConfigError([f"{exc}; known cluster IDs: {known}"]) from None


def _row(topic: str, state: TopicState, *, used: bool) -> TopicRow:
    retention = state.config.get("retention.ms")
    return TopicRow(
        topic=topic,
        partitions=len(state.partitions),
        replicas=state.replication_factor,
        cleanup_policy=state.config.get("cleanup.policy"),
        retention_ms=None if retention is None else int(retention),
        used=used,
    )

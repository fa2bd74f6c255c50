"""
Makes sure that the topic is there, and says how it differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.errors import SinkError, SinkSetupError, SinkUnavailableError

from .errors import name_of


if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditlog.config import TopicConfig

    from .driver import Admin, TopicState


_WAYS_OUT = {
    "InvalidReplicationFactorError": (
        "start more brokers, or lower "
        "audit_log_publisher.topicConfig.replicationFactor"
    ),
    "TopicAuthorizationFailedError": (
        "grant the ACL Create on the topic, or create it beforehand"
    ),
    "ClusterAuthorizationFailedError": (
        "grant the ACL Create on the topic, or create it beforehand"
    ),
    "InvalidConfigurationError": (
        "correct audit_log_publisher.topicConfig.properties"
    ),
    "PolicyViolationError": (
        "ask who runs the cluster, or create it beforehand"
    ),
    "InvalidTopicError": (
        "a name is 1 to 249 of the characters a-z A-Z 0-9 . _ -"
    ),
}


def ensure(
    admin: Admin, topic: str, config: TopicConfig, *, cluster: str
) -> TopicState | None:
    """
    Create *topic* unless it exists.

    Returns:
        How the topic is, as far as that may be seen.

    Raises:
        SinkSetupError: If it can't be created, with the reason.

        SinkUnavailableError: If it can't be created at the moment.
    """
    state = admin.topic(topic)
    if state is not None:
        return state

    refused = refusal(admin, topic, config, cluster=cluster)
    if refused is not None:
        raise refused
    return admin.topic(topic)


def refusal(
    admin: Admin,
    topic: str,
    config: TopicConfig,
    *,
    cluster: str,
    only_ask: bool = False,
) -> SinkError | None:
    """
    Create *topic*, or *only_ask*; why it is refused, if it is.
    """
    refused = admin.create(
        topic,
        partitions=config.partition,
        replication_factor=config.replication_factor,
        config=config.settings(),
        only_ask=only_ask,
    )
    if refused is None or name_of(refused[0]) == "TOPIC_ALREADY_EXISTS":
        return None
    error = _not_created(topic, config, cluster, *refused)
    error.__cause__ = refused[0]
    return error


def _not_created(
    topic: str, config: TopicConfig, cluster: str, error: Exception, said: str
) -> SinkError:
    name = type(error).__name__
    text = (
        f"Wrong set-up. Could not create topic {topic!r} on cluster "
        f"{cluster!r} with {_number(config.partition, 'partition')} and "
        f"replication factor {_or_default(config.replication_factor)}: "
        f"{name_of(error)}"
    )
    if said:
        text += f", {said.rstrip('.')}"
    if getattr(error, "retriable", False):
        return SinkUnavailableError(
            text.replace("Wrong set-up", "Unreachable")
        )
    if name in _WAYS_OUT:
        text += f"; {_WAYS_OUT[name]}"
    return SinkSetupError(text)


def differences(state: TopicState, config: TopicConfig) -> Iterator[str]:
    """
    How an existing topic is not as configured, or not fit for an audit log.
    """
    wanted = config.partition
    if wanted not in {-1, len(state.partitions)}:
        yield f"{_number(len(state.partitions), 'partition')} and not {wanted}"
    wanted = config.replication_factor
    if wanted not in {-1, state.replication_factor}:
        yield f"replication factor {state.replication_factor} and not {wanted}"
    for name, value in config.settings().items():
        if state.config.get(name, value) != value:
            yield f"{name} {state.config[name]} and not {value}"
    if is_compacted(state):
        yield (
            "cleanup.policy "
            f"{state.config['cleanup.policy']}, which deletes older events "
            "of the same key"
        )
    needed = min_in_sync(state)
    if needed > state.replication_factor:
        yield (
            f"min.insync.replicas {needed} with replication factor "
            f"{state.replication_factor}, which brokers before Kafka 4 never "
            "satisfy"
        )


def is_compacted(state: TopicState | None) -> bool:
    """
    Whether the topic keeps only the last record of each key.
    """
    return state is not None and "compact" in state.config.get(
        "cleanup.policy", ""
    )


def max_message_bytes(state: TopicState | None) -> int | None:
    """
    The size from which on the topic refuses a batch, if it may be seen.
    """
    text = state and state.config.get("max.message.bytes")
    return int(text) if text else None


def min_in_sync(state: TopicState) -> int:
    """
    How many replicas have to store a record.
    """
    return int(state.config.get("min.insync.replicas") or 1)


def why_not_writable(state: TopicState | None, topic: str) -> SinkError | None:
    """
    What is wrong with a topic that doesn't acknowledge, if it can be seen.
    """
    if state is None:
        return SinkUnavailableError(
            f"Not found. Topic {topic!r} is not there any more; it is "
            "created again with the next attempt"
        )
    if state.allowed is not None and "WRITE" not in state.allowed:
        return SinkSetupError(
            f"Not authorized. Topic {topic!r} may not be written to; grant "
            "the ACL Write on the topic"
        )
    return why_broken(state, topic)


def why_broken(state: TopicState, topic: str) -> SinkError | None:
    """
    What keeps anybody from writing to a topic, if it can be seen.
    """
    if state.leaderless:
        return SinkUnavailableError(
            f"Unreachable. Partition {state.leaderless[0]} of topic {topic!r} "
            "has no leader: its brokers are away; start them"
        )
    needed = min_in_sync(state)
    if needed > state.replication_factor:
        return SinkSetupError(
            f"Wrong set-up. Topic {topic!r} has replication factor "
            f"{state.replication_factor} and min.insync.replicas {needed}, "
            "which brokers before Kafka 4 never satisfy; change one of them"
        )
    if needed > state.in_sync:
        return SinkUnavailableError(
            f"Unreachable. Topic {topic!r} has {state.in_sync} replicas in "
            f"sync and needs {needed} (min.insync.replicas); start the "
            "brokers that are away"
        )
    return None


def _number(count: int, noun: str) -> str:
    if count == -1:
        return f"the broker's default of {noun}s"
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _or_default(count: int) -> str:
    return "of the broker" if count == -1 else str(count)

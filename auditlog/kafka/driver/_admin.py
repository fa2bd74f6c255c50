"""
Looks at topics and creates them.
"""

from __future__ import annotations

import time

from typing import TYPE_CHECKING, Any, Self, TypeVar

import attrs
import kafka.errors

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource

from auditlog.kafka.quiet import ours

from ._client import MAX_BLOCK, connect


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from auditlog.config import ClusterConfig


T = TypeVar("T")

# Seconds between two questions for who coordinates a group.
_PAUSE = 0.1


@attrs.frozen(kw_only=True)
class TopicState:
    """
    A topic as its cluster describes it.

    Attributes:
        partitions: The numbers of its partitions.

        replication_factor: The smallest of its partitions.

        in_sync: The smallest number of replicas in sync.

        leaderless: Partitions without a leader.

        config: Its settings; empty if they may not be seen.

        allowed:
            What we may do with it, as in ``WRITE``; None if the broker does
            not say.
    """

    partitions: tuple[int, ...]
    replication_factor: int
    in_sync: int
    leaderless: tuple[int, ...]
    config: Mapping[str, str]
    allowed: frozenset[str] | None = None


@attrs.frozen(kw_only=True)
class BrokerDisk:
    """
    A volume on which a broker keeps topics, sizes in bytes.
    """

    broker: int
    path: str
    usable: int
    total: int


class Admin:
    """
    Looks at topics and creates them; a context manager.
    """

    def __init__(self, cluster: ClusterConfig, *, timeout: float) -> None:
        self._client, self._metadata = connect(
            cluster,
            KafkaAdminClient,
            None,
            bootstrap_timeout_ms=int(timeout * 1000),
            request_timeout_ms=int(timeout * 1000),
        )

    def __enter__(self) -> Self:
        """
        Itself.
        """
        return self

    def __exit__(self, *exc_info: object) -> None:
        """
        Close the connections.
        """
        with ours():
            self._client.close()

    def addresses(self) -> list[str]:
        """
        Where the brokers of the cluster say that they are.
        """
        brokers = self._metadata.brokers()
        return [f"{broker.host}:{broker.port}" for broker in brokers]

    def topic(self, name: str) -> TopicState | None:
        """
        How the topic is, or None if there is none.
        """
        (found,) = self._client.describe_topics([name])
        error = kafka.errors.for_code(found["error_code"])
        if error is kafka.errors.UnknownTopicOrPartitionError:
            return None
        # A topic that was created this moment may have no leader yet.
        if error not in {
            kafka.errors.NoError,
            kafka.errors.LeaderNotAvailableError,
        }:
            raise error()
        return _state(found, self._configs([name]).get(name, {}))

    def topics(self) -> dict[str, TopicState]:
        """
        All topics that we may see, by their names.
        """
        found = {each["name"]: each for each in self._client.describe_topics()}
        configs = self._configs(found)
        return {
            name: _state(found[name], configs.get(name, {}))
            for name in sorted(found)
        }

    def disks(self) -> list[BrokerDisk]:
        """
        The volumes of all brokers; none if they may not be seen.
        """
        return [
            BrokerDisk(
                broker=each["broker"],
                path=volume["log_dir"],
                usable=volume["usable_bytes"],
                total=volume["total_bytes"],
            )
            for each in self._client.describe_log_dirs(topic_partitions=[])
            for volume in each["log_dirs"]
            if volume.get("usable_bytes", -1) >= 0
        ]

    def committed(
        self, group: str, topic: str, partitions: Iterable[int]
    ) -> dict[int, int]:
        """
        The offsets that *group* has committed in *topic*.
        """
        places = [TopicPartition(topic, number) for number in partitions]
        found = self._of_coordinator(
            lambda: self._client.list_group_offsets({group: places})[group]
        )
        return {
            place.partition: each.offset
            for place, each in found.items()
            if each.offset >= 0
        }

    def _of_coordinator(self, question: Callable[[], T]) -> T:
        # A cluster on which no group ever committed has to find one first.
        deadline = time.monotonic() + MAX_BLOCK
        while True:
            try:
                return question()
            except (
                kafka.errors.CoordinatorNotAvailableError,
                kafka.errors.CoordinatorLoadInProgressError,
                kafka.errors.NotCoordinatorError,
            ):
                if time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)

    def _configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        wanted = [ConfigResource("topic", name) for name in names]
        if not wanted:
            return {}
        found = self._client.describe_configs(wanted, config_filter="all")
        return {
            name: {key: entry["value"] for key, entry in entries.items()}
            for name, entries in found.get("topic", {}).items()
        }

    def create(
        self,
        name: str,
        *,
        partitions: int,
        replication_factor: int,
        config: Mapping[str, str],
        only_ask: bool = False,
    ) -> tuple[Exception, str] | None:
        """
        Create a topic, with -1 for the broker's default, and wait for it.

        Args:
            only_ask: Whether to create nothing, and see what would happen.

        Returns:
            None, or the error and the broker's words on it.
        """
        topic = {
            "num_partitions": partitions,
            "replication_factor": replication_factor,
            "configs": dict(config),
        }
        answer = self._client.create_topics(
            {name: topic}, raise_errors=False, validate_only=only_ask
        )
        (result,) = answer["topics"]
        error = kafka.errors.for_code(result["error_code"])
        if error is kafka.errors.NoError and only_ask:
            return None
        if error is kafka.errors.NoError:
            self._client.wait_for_topics([name], timeout_ms=MAX_BLOCK * 1000)
            return None
        return error(), result.get("error_message") or ""


def _state(found: Mapping[str, Any], config: Mapping[str, str]) -> TopicState:
    partitions = found["partitions"]
    return TopicState(
        partitions=tuple(
            sorted(each["partition_index"] for each in partitions)
        ),
        replication_factor=_least(partitions, "replica_nodes"),
        in_sync=_least(partitions, "isr_nodes"),
        leaderless=tuple(
            each["partition_index"]
            for each in partitions
            if each["leader_id"] < 0
        ),
        config=config,
        # None at all is what a broker before 2.3 seems to say.
        allowed=frozenset(found.get("authorized_operations") or ()) or None,
    )


def _least(partitions: Sequence[Mapping[str, Any]], name: str) -> int:
    return min((len(each[name]) for each in partitions), default=0)

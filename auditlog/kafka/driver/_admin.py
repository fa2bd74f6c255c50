"""
Looks at topics and creates them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs
import kafka.errors

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from auditlog.kafka.quiet import ours

from ._client import MAX_BLOCK, connect


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditlog.config import ClusterConfig


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
    """

    partitions: tuple[int, ...]
    replication_factor: int
    in_sync: int
    leaderless: tuple[int, ...]
    config: Mapping[str, str]


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
        found = self._described(name)
        if found is None:
            return None

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
            config=self._config(name),
        )

    def _described(self, name: str) -> Any:
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
        return found

    def _config(self, name: str) -> dict[str, str]:
        found = self._client.describe_configs(
            [ConfigResource("topic", name)], config_filter="all"
        )
        entries = found.get("topic", {}).get(name, {})
        return {key: entry["value"] for key, entry in entries.items()}

    def create(
        self,
        name: str,
        *,
        partitions: int,
        replication_factor: int,
        config: Mapping[str, str],
    ) -> tuple[Exception, str] | None:
        """
        Create a topic, with -1 for the broker's default, and wait for it.

        Returns:
            None, or the error and the broker's words on it.
        """
        topic = {
            "num_partitions": partitions,
            "replication_factor": replication_factor,
            "configs": dict(config),
        }
        answer = self._client.create_topics({name: topic}, raise_errors=False)
        (result,) = answer["topics"]
        error = kafka.errors.for_code(result["error_code"])
        if error is kafka.errors.NoError:
            self._client.wait_for_topics([name], timeout_ms=MAX_BLOCK * 1000)
            return None
        return error(), result.get("error_message") or ""


def _least(partitions: Sequence[Mapping[str, Any]], name: str) -> int:
    return min((len(each[name]) for each in partitions), default=0)

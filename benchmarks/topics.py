"""
Topics whose records can be counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic


if TYPE_CHECKING:
    from auditlog.config import ClusterConfig


class Topic:
    """
    A new topic with one partition, whose records are counted by its end.

    Attributes:
        name: Its name.

        servers: Where the cluster is, as text.
    """

    def __init__(self, cluster: ClusterConfig) -> None:
        self.name = f"bench-{uuid4().hex}"
        self.servers = ",".join(cluster.bootstrap_servers)
        self._place = TopicPartition(self.name, 0)
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        admin.create_topics([NewTopic(self.name, 1, 1)])
        admin.close()
        self._consumer = KafkaConsumer(
            bootstrap_servers=self.servers, group_id=None
        )

    def size(self) -> int:
        """
        How many records it holds.
        """
        ends = self._consumer.end_offsets([self._place])
        return int(ends[self._place])

    def close(self) -> None:
        """
        Close the connection; the topic stays.
        """
        self._consumer.close()

"""
Reads spans of partitions.
"""

from __future__ import annotations

import contextlib
import os
import sys

from typing import TYPE_CHECKING, Any, Self

import kafka.errors

from kafka import KafkaConsumer, TopicPartition

from auditlog.kafka.errors import TruncatedError
from auditlog.kafka.quiet import ours

from ._client import REQUEST_TIMEOUT, connect


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from auditlog.config import ClusterConfig


# Seconds after which it asks again which partitions there are.
REFRESH = 30.0


class Consumer:
    """
    Reads spans of partitions, in no consumer group; a context manager.

    Never commits an offset and never leaves a span by itself.

    Args:
        isolation: ``read_committed`` or ``read_uncommitted``.
    """

    def __init__(
        self,
        cluster: ClusterConfig,
        topic: str,
        *,
        timeout: float,
        isolation: str,
        max_records: int = 2000,
    ) -> None:
        self._topic = topic
        self._process = os.getpid()
        self._timeout_ms = int(timeout * 1000)
        self._consumer, self._metadata = connect(
            cluster,
            KafkaConsumer,
            topic,
            bootstrap_timeout_ms=self._timeout_ms,
            request_timeout_ms=int(REQUEST_TIMEOUT * 1000),
            group_id=None,
            enable_auto_commit=False,
            # An offset that is gone raises; what then is ours to decide.
            auto_offset_reset="none",
            isolation_level=isolation,
            max_poll_records=max_records,
            metadata_max_age_ms=int(REFRESH * 1000),
            metrics_enabled=False,
        )
        self._topic_id = self._metadata.topic_id(topic)

    def __enter__(self) -> Self:
        """
        Itself.
        """
        return self

    def __exit__(self, *exc_info: object) -> None:
        """
        Close the connections.
        """
        if sys.is_finalizing() or os.getpid() != self._process:
            # The thread that close() would wait for, for ever, is no more.
            return
        with ours(), contextlib.suppress(kafka.errors.KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=1000)

    def partitions(self) -> set[int]:
        """
        The numbers of the topic's partitions; none if it does not exist.
        """
        return self._metadata.partitions_for_topic(self._topic) or set()

    @property
    def topic_id(self) -> str:
        """
        Another one if the topic was created anew.
        """
        return str(self._topic_id)

    def begins(self, partitions: Iterable[int]) -> dict[int, int]:
        """
        The first offset of each partition.
        """
        return self._by_number(
            self._consumer.beginning_offsets(
                self._all(partitions), timeout_ms=self._timeout_ms
            )
        )

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """
        The offset behind the last record of each that may be read.
        """
        return self._by_number(
            self._consumer.end_offsets(
                self._all(partitions), timeout_ms=self._timeout_ms
            )
        )

    def at(
        self, partitions: Iterable[int], milliseconds: int
    ) -> dict[int, int | None]:
        """
        The first offset with that timestamp or a later one, or None.
        """
        found = self._consumer.offsets_for_times(
            dict.fromkeys(self._all(partitions), milliseconds),
            timeout_ms=self._timeout_ms,
        )
        return {
            place.partition: None if hit is None else hit.offset
            for place, hit in found.items()
        }

    def seek(self, starts: Mapping[int, int]) -> None:
        """
        Read these partitions and no others, from these offsets on.
        """
        places = self._all(starts)
        self._consumer.assign(places)
        # One that was assigned before is still paused.
        self._consumer.resume(*places)
        for partition, offset in starts.items():
            self._consumer.seek(self._place(partition), offset)

    def move(self, partition: int, offset: int) -> None:
        """
        Go on from *offset* in one of the partitions.
        """
        self._consumer.seek(self._place(partition), offset)

    def poll(self, timeout: float) -> dict[int, list[Any]]:
        """
        The next records of some partitions, or nothing after *timeout*.

        Raises:
            OffsetOutOfRangeError: If retention took what comes next.

            TruncatedError: If the topic is not the same any more.
        """
        with ours():
            found = self._consumer.poll(timeout_ms=int(timeout * 1000))
        # A topic that was created anew may well be long enough to go on in.
        if self._metadata.topic_id(self._topic) not in {None, self._topic_id}:
            raise TruncatedError
        return self._by_number(found)

    def position(self, partition: int) -> int:
        """
        The offset that comes next, past whatever isn't a record.
        """
        found: int | None = self._consumer.position(
            self._place(partition), timeout_ms=self._timeout_ms
        )
        return -1 if found is None else found

    def pause(self, partition: int) -> None:
        """
        Fetch nothing from it for now.
        """
        self._consumer.pause(self._place(partition))

    def resume(self, partition: int) -> None:
        """
        Fetch from it again.
        """
        self._consumer.resume(self._place(partition))

    def _place(self, partition: int) -> Any:
        return TopicPartition(self._topic, partition)

    def _all(self, partitions: Iterable[int]) -> list[Any]:
        return [self._place(partition) for partition in partitions]

    @staticmethod
    def _by_number(found: Mapping[Any, Any]) -> dict[int, Any]:
        return {place.partition: value for place, value in found.items()}

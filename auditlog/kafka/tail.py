"""
Finds the highest journal index at the end of a topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contact import CONTACT, load_driver, reach
from .records import index_of
from .spans import Span, read_spans


if TYPE_CHECKING:
    from auditlog.config import ClusterConfig


# Records looked at in each partition. More than one batch, because a batch
# may have been sent again: then the last record has not the highest index.
_FIRST_LOOK = 4_000
_FARTHER = 8


def last_index(cluster: ClusterConfig, topic: str) -> int | None:
    """
    The highest index in the tail of *topic*, or None if there is none.

    Looks farther back while it finds only records without an index.
    """
    reach(cluster)
    driver = load_driver("last_index()")
    with driver.Consumer(
        cluster, topic, timeout=CONTACT, isolation="read_uncommitted"
    ) as consumer:
        partitions = consumer.partitions()
        if not partitions:
            return None

        begins, ends = consumer.begins(partitions), consumer.ends(partitions)
        look = _FIRST_LOOK
        while True:
            spans = [
                Span(p, max(begins[p], ends[p] - look), ends[p])
                for p in partitions
            ]
            indexes = [
                index_of(message.headers)
                for message in read_spans(consumer, spans)
            ]
            highest = max((i for i in indexes if i is not None), default=None)
            all_seen = all(
                span.start == begins[span.partition] for span in spans
            )
            if highest is not None or all_seen:
                return highest
            look *= _FARTHER

"""
Sends records, and knows of each whether it is stored.
"""

from __future__ import annotations

import contextlib
import functools
import time

from typing import TYPE_CHECKING, Any

import kafka.codec
import kafka.errors

from kafka import KafkaProducer
from kafka.partitioner.default import murmur2
from kafka.partitioner.sticky import StickyPartitioner

from auditlog.errors import ConfigError
from auditlog.kafka.errors import OverdueError, TopicGoneError
from auditlog.kafka.quiet import DISCARDED, ours

from ._client import MAX_BLOCK, REQUEST_TIMEOUT, connect


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from auditlog.config import ClusterConfig
    from auditlog.kafka.records import Message


BATCH_BYTES = 128 * 1024
LINGER = 0.010

# An event larger than this is refused without asking the broker.
_MAX_REQUEST_BYTES = 32 * 1024 * 1024

# Seconds between two looks at whether what is waited for can still come.
_SLICE = 0.5
_FLUSH = 0.05
_NAP = 0.005

# A producer's own deadline ends after ours: it gives up a batch and goes on
# with the next, which would put events out of order.
_LATER = 5.0


class Producer:
    """
    Sends records and knows for each whether the broker has it.

    Args:
        timeout: Longest wait for a first answer, in seconds.

        delivery_timeout: Longest time to a record's acknowledgement.

        linger: Seconds that a batch may wait for more, whatever else is said.

        largest_batch: The bytes of a batch that are not to be exceeded.
    """

    def __init__(
        self,
        cluster: ClusterConfig,
        topic: str,
        *,
        timeout: float,
        delivery_timeout: float,
        linger: float | None = None,
        largest_batch: int | None = None,
    ) -> None:
        self._topic = topic
        self._failure: Exception | None = None
        tuned = _tuned(cluster, linger, largest_batch)
        last = max(delivery_timeout, tuned["request_timeout_ms"] / 1000)
        self._producer, self._metadata = connect(
            cluster,
            KafkaProducer,
            topic,
            bootstrap_timeout_ms=int(timeout * 1000),
            # Explicit: implied, it is switched off by settings that conflict.
            enable_idempotence=True,
            acks="all",
            max_block_ms=int(MAX_BLOCK * 1000),
            partitioner=_Partitioner(),
            metrics_enabled=False,
            **{**tuned, "delivery_timeout_ms": int((last + _LATER) * 1000)},
        )
        _let_rest(self._producer._sender._client)  # noqa: SLF001

    def deliver(
        self, messages: Iterable[Message], deadline: float
    ) -> tuple[int, Exception | None]:
        """
        Send *messages* and wait until each is acknowledged.

        Returns:
            How many are stored, counted from the first on without a gap, and
            what happened to the next one, if anything did. More may be
            stored; only the acknowledged prefix is to be trusted.
        """
        with ours():
            futures, failure = self._send(messages)
            # Sends what lingers. It may raise although all is stored, and
            # may not although nothing is: the futures know.
            with contextlib.suppress(kafka.errors.KafkaError):
                self._producer.flush(timeout=_FLUSH)
            for acknowledged, future in enumerate(futures):
                error = self._outcome(future, deadline)
                if error is not None:
                    return acknowledged, self._failure or error
        return len(futures), failure

    def _send(
        self, messages: Iterable[Message]
    ) -> tuple[list[Any], Exception | None]:
        send, topic = self._producer.send, self._topic
        futures: list[Any] = []
        try:
            with _seldom(self._producer._sender):  # noqa: SLF001
                for message in messages:
                    future = send(
                        topic, message.value, message.key, message.headers
                    )
                    future.add_errback(self._stop)
                    futures.append(future)
        except (kafka.errors.KafkaError, ValueError) as exc:
            # A ValueError is a topic that went away between two looks at it.
            return futures, exc
        return futures, None

    def _stop(self, error: Exception) -> None:
        """
        Send nothing more, so that no event overtakes the one that failed.

        Called by the producer's own thread, before it goes on.
        """
        self._failure = self._failure or error
        self._producer._sender.force_close()  # noqa: SLF001

    def _outcome(self, future: Any, deadline: float) -> Exception | None:
        while not future.is_done:
            left = deadline - time.monotonic()
            if left <= 0:
                return OverdueError()
            with contextlib.suppress(kafka.errors.KafkaError):
                future.get(timeout=min(left, _SLICE))
            if not future.is_done and self._topic_is_gone():
                return TopicGoneError()
        error: Exception | None = future.exception
        return error

    def _topic_is_gone(self) -> bool:
        return self._metadata.partitions_for_topic(self._topic) is None

    def close(self, timeout: float) -> None:
        """
        Close it in good order; nothing may be under way.
        """
        with ours(), contextlib.suppress(kafka.errors.KafkaError):
            self._producer.close(timeout=timeout)
        self.discard()

    def discard(self) -> None:
        """
        Stop it at once, wherever it stands; never blocks.

        `close()` would drain first, and raise and leave its thread if it
        can't.
        """
        self.forget()
        sender = self._producer._sender  # noqa: SLF001
        sender.name = DISCARDED
        sender.force_close()

    def forget(self) -> None:
        """
        Make nothing happen at its collection nor at exit.

        In a forked child that is all that may be done with it.
        """
        self._producer._unregister_cleanup()  # noqa: SLF001
        self._producer._closed = True  # noqa: SLF001


def _tuned(
    cluster: ClusterConfig, linger: float | None, largest_batch: int | None
) -> dict[str, Any]:
    """
    What the cluster's properties may say otherwise.
    """
    wanted = cluster.client().producer
    found: dict[str, Any] = {
        "batch_size": BATCH_BYTES,
        "compression_type": "gzip",
        "linger_ms": int(LINGER * 1000),
        "max_in_flight_requests_per_connection": 5,
        "max_request_size": _MAX_REQUEST_BYTES,
        "request_timeout_ms": int(REQUEST_TIMEOUT * 1000),
        **{name.replace(".", "_"): each for name, each in wanted.items()},
    }
    if linger is not None:
        found["linger_ms"] = int(linger * 1000)
    if largest_batch is not None:
        found["batch_size"] = min(found["batch_size"], largest_batch)
    if found["compression_type"] == "none":
        found["compression_type"] = None
    _check_codec(found["compression_type"])
    return found


def _check_codec(name: str | None) -> None:
    found = getattr(kafka.codec, f"has_{name}", None)
    if found is not None and not found():
        mistake = (
            f"compression.type {name} needs a package; "
            f'pip install "kafka-python[{name}]", or use gzip'
        )
        raise ConfigError([mistake])


class _Partitioner(StickyPartitioner):  # type: ignore[misc]
    """
    Assigns partitions as the Java client does, without its price in Python.

    kafka-python hashes each key byte by byte, also for a single partition.
    """

    def partition(  # noqa: PLR0917 - kafka-python's
        self,
        topic: str,
        key: bytes | None,
        serialized_key: bytes | None,
        value: bytes,
        serialized_value: bytes,
        cluster: Any,
    ) -> int:
        partitions: set[int] = cluster.partitions_for_topic(topic) or set()
        if len(partitions) == 1:
            return partitions.pop()
        if serialized_key is None or not partitions:
            chosen: int = super().partition(
                topic, key, serialized_key, value, serialized_value, cluster
            )
            return chosen
        return sorted(partitions)[_hash(serialized_key) % len(partitions)]


@contextlib.contextmanager
def _seldom(sender: Any) -> Iterator[None]:
    """
    Wake *sender* at most once in `_NAP` seconds, and at the end.

    While more than one batch waits, kafka-python wakes its thread for every
    record: a fifth of the time that sending takes.
    """
    wakeup = sender.wakeup
    last = 0.0

    def wake() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _NAP:
            last = now
            wakeup()

    sender.wakeup = wake
    try:
        yield
    finally:
        vars(sender).pop("wakeup", None)
        wakeup()


def _let_rest(client: Any) -> None:
    """
    Let the producer's thread sleep for a moment where it would not at all.

    Once a request to a frozen broker is overdue, kafka-python asks again and
    again, without a pause, whether there is something to send: 70,000 times a
    second, on all of a core and the interpreter. What happens ends the sleep.
    """
    poll = client.poll

    def rest(timeout_ms: float | None = None, future: Any = None) -> Any:
        if timeout_ms is not None:
            timeout_ms = max(timeout_ms, _NAP * 1000)
        return poll(timeout_ms=timeout_ms, future=future)

    client.poll = rest


def _hash(key: bytes) -> int:
    if len(key) > _LONGEST_CACHED:
        return _uncached_hash(key)
    return _cached_hash(key)


_LONGEST_CACHED = 512


def _uncached_hash(key: bytes) -> int:
    hashed: int = murmur2(key) & 0x7FFFFFFF
    return hashed


_cached_hash = functools.lru_cache(maxsize=4096)(_uncached_hash)

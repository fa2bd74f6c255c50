"""
Stores audit events as records of a Kafka topic.
"""

from __future__ import annotations

import logging
import time

from typing import TYPE_CHECKING, ClassVar, Literal

from auditlog._engine.process import (
    come_first_at_exit,
    park,
    tell_after_fork,
)
from auditlog.config import ClusterConfig, ClusterRegistry, TopicConfig
from auditlog.errors import (
    ConfigError,
    EventRefusedError,
    PartialWriteError,
    SinkError,
    SinkSetupError,
    SinkTimeoutError,
    SinkUnavailableError,
)

from . import errors, topics
from .contact import CONTACT, ask, load_driver
from .records import Writer
from .tail import last_index


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from auditlog.abc import DeadLetter, Record
    from auditlog.config import Secret

    from .driver import Producer, TopicState
    from .records import Message


# What kafka-python holds at a time at most: it has no bound of its own.
MAX_RECORDS = 2_000
MAX_BYTES = 8 * 1024 * 1024

# Enough where all is well; nothing is lost where it isn't.
CLOSING = 1.0
DELIVERY = 30.0


class KafkaSink:
    """
    Stores audit events in a topic, each with all replicas in sync.

    A record's value is the event's body, byte for byte. Its headers are
    ``content-type``, ``ce_id``, ``ce_type``, ``ce_source`` and ``ce_time``,
    and ``audit-index`` if the event has an index; its timestamp is the time
    of sending.

    Neither the constructor nor the other processes of a fork connect: a
    producer is built by the first :meth:`write` of each process. The topic is
    created if it does not exist, and looked at once with each producer; one
    that exists is used as it is, with a warning on logger ``auditlog.kafka``
    that names each difference. A topic that is deleted meanwhile is created
    again.

    An event may be stored twice, with the same bytes: if its acknowledgement
    was lost. In each partition the first appearances keep the order in which
    events were written.

    Args:
        cluster:
            The cluster, or its ID in *clusters*, which is looked up at each
            write, so that a cluster that appears or moves is found.

        topic: Name of the topic.

        clusters: The clusters that are known, if *cluster* is an ID.

        topic_config: How to create the topic.

        key:
            What becomes the key, and so decides on the partition: the URI of
            the ``resource``, the ``event_id``, the ``actor``'s id, the
            ``tenant``, None, or what a callable makes of the
            :class:`auditlog.abc.Record`.

        properties:
            Java client properties that win over the cluster's, such as a
            login of its own.

        delivery_timeout:
            Longest wait for the acknowledgement of a batch, in seconds; by
            default what the properties say, or else 30.

    Raises:
        MissingExtraError: If kafka-python is not installed.

        ConfigError:
            If *cluster* is an ID and *clusters* isn't given, or is one whose
            properties can't be used.

        ValueError: If *key* is none of these.

    .. versionadded:: 0.1.0
    """

    logger: ClassVar[logging.Logger] = logging.getLogger("auditlog.kafka")

    def __init__(
        self,
        cluster: ClusterConfig | str,
        topic: str,
        *,
        clusters: ClusterRegistry | None = None,
        topic_config: TopicConfig | None = None,
        key: Literal["resource", "event_id", "actor", "tenant"]
        | Callable[[Record], bytes | None]
        | None = "resource",
        properties: Secret | None = None,
        delivery_timeout: float | None = None,
    ) -> None:
        self._driver = load_driver("KafkaSink")
        if isinstance(cluster, ClusterConfig):
            cluster.with_properties(properties).client()
        elif clusters is None:
            raise ConfigError(
                [f"cluster {cluster!r} is an ID; give the registry 'clusters'"]
            )
        self.topic = topic
        self._cluster = cluster
        self._clusters = clusters
        self._topic_config = topic_config or TopicConfig()
        self._writer = Writer(key)
        self._properties = properties
        self._delivery_timeout = delivery_timeout
        self._timeout = delivery_timeout or DELIVERY
        self._producer: Producer | None = None
        self._built_for: ClusterConfig | None = None
        self._sending = False
        self._state: TopicState | None = None
        self._warned: list[str] = []
        self._is_blind = False
        tell_after_fork(self)

    @property
    def cluster_id(self) -> str:
        """
        ID of the cluster.
        """
        cluster = self._cluster
        return cluster if isinstance(cluster, str) else cluster.id

    def __repr__(self) -> str:
        """
        Topic, cluster and state.
        """
        return (
            f"<KafkaSink {self.topic!r} on {self.cluster_id!r} "
            f"connected={self._producer is not None}>"
        )

    # What the engine calls

    def write(self, records: Sequence[Record], /) -> None:
        """
        Store *records*: all are acknowledged by all replicas in sync.

        Raises:
            ClusterNotFoundError: If the cluster's ID is not known.

            SinkSetupError:
                If the topic can't be created or written to before somebody
                changes something.

            SinkUnavailableError: If the cluster can't be reached or used.

            SinkTimeoutError: If it did not acknowledge in time.

            PartialWriteError:
                If the broker refuses an event by itself, with that event and
                those stored before it; or, without any refused, if a part
                was stored before one of the above, which is its cause.
        """
        stored: list[UUID] = []
        try:
            for batch in _bounded(records):
                self._write(batch, stored)
        except PartialWriteError:
            raise
        except SinkError as exc:
            if stored:
                raise PartialWriteError(stored, {}) from exc
            raise

    def write_placeholders(
        self, dead_letters: Sequence[DeadLetter], /
    ) -> None:
        """
        Store a note in place of each dead letter, under its index.

        Each is an audit event of its own, of type
        ``AuditLog.Event.DeadLetter`` and with the header
        ``audit-placeholder``; it names the lost event's id, size, SHA-256
        and the reason.

        Raises:
            SinkError: As :meth:`write`; no placeholder is refused by itself.
        """
        messages = [self._writer.placeholder(each) for each in dead_letters]
        _, error = self._deliver(messages)
        if error is None:
            return

        self._discard()
        if type(error).__name__ in errors.EVENT:
            raise SinkSetupError(
                f"Wrong set-up. Topic {self.topic!r} refuses even the "
                f"placeholder of a dead letter ({errors.name_of(error)}); "
                "raise its max.message.bytes"
            ) from error
        raise self._explain(error) from error

    def write_again(self, records: Sequence[Record], /) -> None:
        """
        Store dead letters that are sent once more, each by itself.

        Their records have the header ``audit-redrive``, and their old index.

        Raises:
            PartialWriteError: If one is refused again.

            SinkError: As :meth:`write`.
        """
        stored: list[UUID] = []
        for record in records:
            message = self._writer.again(record)
            _, error = self._deliver([message])
            if error is not None:
                self._discard()
                raise self._verdict(record, message, error, stored) from error
            stored.append(record.event_id)

    def last_index(self) -> int | None:
        """
        The highest journal index near the end of the topic.

        Returns:
            None if the topic does not exist or holds no index, and if it may
            not be read, which is warned of once.

        Raises:
            SinkError: If the topic can't be read for another reason.
        """
        cluster = self._find()
        try:
            return last_index(cluster, self.topic)
        except Exception as exc:
            # Who publishes need not be allowed to read.
            if type(exc).__name__ == "TopicAuthorizationFailedError":
                self._warn_of_blindness()
                return None
            raise self._explain(exc) from exc

    def close(self) -> None:
        """
        Release the producer; safe to call twice. A write builds a new one.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if self._sending:  # it would wait for a broker that doesn't answer
            producer.discard()
        else:
            producer.close(CLOSING)

    def after_fork(self) -> None:
        """
        Leave the producer to the parent.
        """
        if self._producer is not None:
            self._producer.forget()
            park(self._producer)
        self._producer = None
        self._sending = False

    # Writing

    def _write(self, records: Sequence[Record], stored: list[UUID]) -> None:
        messages = map(self._writer.message, records)
        acknowledged, error = self._deliver(messages)
        stored += [each.event_id for each in records[:acknowledged]]
        if error is None:
            return

        # An idempotent producer that met a permanent error gives the same
        # error for everything from then on.
        self._discard()
        if type(error).__name__ not in errors.EVENT:
            raise self._explain(error) from error
        self._write_singly(records[acknowledged:], stored)

    def _write_singly(
        self, records: Sequence[Record], stored: list[UUID]
    ) -> None:
        """
        Find the event at fault: the one that fails alone.
        """
        producer = self._build(linger=0.0)
        deadline = time.monotonic() + self._timeout
        try:
            for record in records:
                message = self._writer.message(record)
                _, error = producer.deliver([message], deadline)
                if error is not None:
                    raise self._verdict(record, message, error, stored)
                stored.append(record.event_id)
        finally:
            producer.discard()

    def _verdict(
        self,
        record: Record,
        message: Message,
        error: Exception,
        stored: list[UUID],
    ) -> SinkError:
        name = type(error).__name__
        if name not in errors.EVENT:
            return self._explain(error)
        if message.key is None and topics.is_compacted(self._state):
            return SinkSetupError(
                f"Wrong set-up. Topic {self.topic!r} is compacted and takes "
                "no record without a key; set its cleanup.policy to delete"
            )
        refused = EventRefusedError(self._refusal(record, name))
        refused.__cause__ = error
        return PartialWriteError(stored, {record.event_id: refused})

    def _refusal(self, record: Record, name: str) -> str:
        if name == "InvalidRecordError":
            return (
                f"event {record.event_id} is refused by the broker of topic "
                f"{self.topic!r} (INVALID_RECORD)"
            )
        limit = topics.max_message_bytes(self._state)
        allows = "less" if limit is None else str(limit)
        return (
            f"event {record.event_id} has {len(record.body)} bytes, topic "
            f"{self.topic!r} allows {allows} (max.message.bytes)"
        )

    def _deliver(
        self, messages: Iterator[Message] | list[Message]
    ) -> tuple[int, Exception | None]:
        producer = self._ready()
        deadline = time.monotonic() + self._timeout
        self._sending = True
        try:
            return producer.deliver(messages, deadline)
        finally:
            self._sending = False

    # The producer

    def _find(self) -> ClusterConfig:
        cluster = self._cluster
        if not isinstance(cluster, ClusterConfig):
            assert self._clusters is not None
            cluster = self._clusters.get(cluster)
        return cluster.with_properties(self._properties)

    def _ready(self) -> Producer:
        """
        The producer for the cluster as it is known now.
        """
        cluster = self._find()
        if self._producer is not None and cluster != self._built_for:
            self.close()
        if self._producer is None:
            self._prepare(cluster)
            self._built_for = cluster
            self._producer = self._build()
        return self._producer

    def _prepare(self, cluster: ClusterConfig) -> None:
        """
        Have the topic, or a true reason why not.
        """
        try:
            said = cluster.client().producer.get("delivery.timeout.ms")
            self._timeout = self._delivery_timeout or (
                int(said) / 1000 if said else DELIVERY
            )
            self._state = ask(
                cluster,
                lambda admin: topics.ensure(
                    admin, self.topic, self._topic_config, cluster=cluster.id
                ),
            )
        except Exception as exc:
            raise self._explain(exc, look=False) from exc
        self._warn()

    def _warn(self) -> None:
        state = self._state
        if state is None:
            return

        found = list(topics.differences(state, self._topic_config))
        if found and found != self._warned:
            self.logger.warning(
                "Topic %r on cluster %r is used as it is: it has %s",
                self.topic,
                self.cluster_id,
                "; ".join(found),
            )
        self._warned = found

    def _warn_of_blindness(self) -> None:
        if not self._is_blind:
            self.logger.warning(
                "Topic %r on cluster %r may not be read, so it is not "
                "compared with the journal; grant the ACL Read",
                self.topic,
                self.cluster_id,
            )
        self._is_blind = True

    def _build(self, **settings: float) -> Producer:
        try:
            producer: Producer = self._driver.Producer(
                self._find(),
                self.topic,
                timeout=CONTACT,
                delivery_timeout=self._timeout,
                # A batch that is too large would be split, again and again.
                largest_batch=topics.max_message_bytes(self._state),
                **settings,
            )
        except Exception as exc:
            raise self._explain(exc, look=False) from exc
        # kafka-python's own handler would close it within a second.
        come_first_at_exit()
        return producer

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.discard()

    # Reasons

    def _explain(self, error: Exception, *, look: bool = True) -> SinkError:
        """
        The true reason; *look* asks the cluster where the error is silent.
        """
        found = errors.sink_error(
            error, cluster=self.cluster_id, topic=self.topic
        )
        silent = isinstance(found, SinkUnavailableError | SinkTimeoutError)
        return (self._look() if look and silent else None) or found

    def _look(self) -> SinkError | None:
        cluster = self._find()
        try:
            state = ask(cluster, lambda admin: admin.topic(self.topic))
        except Exception as exc:  # noqa: BLE001 - any reason is better than none
            return errors.sink_error(exc, cluster=cluster.id, topic=self.topic)
        return topics.why_not_writable(state, self.topic)


def _bounded(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """
    Batches of at most `MAX_RECORDS` and, but for the first, `MAX_BYTES`.
    """
    start = size = 0
    for place, record in enumerate(records):
        size += len(record.body)
        if place > start and (
            place - start >= MAX_RECORDS or size > MAX_BYTES
        ):
            yield records[start:place]
            start, size = place, len(record.body)
    if start < len(records):
        yield records[start:]

"""
Takes events from the application and sees them to a sink.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import threading
import time
import warnings
import weakref

from typing import TYPE_CHECKING, Any, Literal, Self

from auditlog import codec as codecs
from auditlog._engine import retry
from auditlog._engine.buffer import Buffer
from auditlog._engine.failures import describe
from auditlog._engine.lane import Job, Lane
from auditlog._engine.own import lifecycle_event
from auditlog._engine.process import (
    keep_until_exit,
    tell_after_fork,
    tell_at_end_of_child,
    tell_at_exit,
)
from auditlog._engine.receipt import (
    Gate,
    PendingReceipt,
    Receipt,
    remaining,
)
from auditlog._engine.worker import Worker
from auditlog.abc import Journal, Record, TransactionalSink
from auditlog.errors import (
    BufferFullError,
    ConfigError,
    DeliveryTimeoutError,
    InvalidEventError,
    PartialWriteError,
    PublisherClosedError,
    SinkError,
    SinkTimeoutError,
)
from auditlog.event import AuditEvent
from auditlog.fallback import Fallback
from auditlog.relay import Relay
from auditlog.scope import Entry
from auditlog.stats import PublisherStats


if TYPE_CHECKING:
    import asyncio

    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Unpack

    from auditlog.abc import Sink
    from auditlog.config import AuditLogConfig, ClusterRegistry
    from auditlog.event import EventFields


log = logging.getLogger("auditlog.publisher")

# Seconds between two looks at how far the relays have come.
POLL = 0.02
# Longest that a close waits for the event that tells of it, in seconds.
LAST_WORDS = 1.0

# What closing the sinks may take at least, in seconds, when time is up.
CLOSING = 1.0


class AuditLogPublisher:
    """
    Takes events from any thread or task and sees them to a sink.

    Building one neither connects nor blocks: the worker thread starts with
    the first event. Close it, best as a context manager, sync or async; at
    the end of the process it closes itself.

    Args:
        sink: Where events are stored.

        name: For messages and thread names.

        relays:
            Sinks to which the events are carried on from *sink*, which has to
            be a journal then, each under the name that the journal keeps its
            position by.

        run_relays:
            Whether the relays run in threads of this process. If not, another
            process has to run them.

        fallback:
            A journal on this machine, such as a :class:`auditlog.SpoolSink`
            of this publisher's own, that keeps events while *sink* is away;
            they are moved to it in this publisher's order once it is back.
            By default there is none and :meth:`publish` raises: to fail
            closed.

        fallback_after:
            Seconds after which a write to *sink* that has not ended counts
            as failed, if there is a *fallback*.

        codec: ``cloudevents`` or ``conduktor``, see :mod:`auditlog.codec`.

        max_events: Most events that wait in memory.

        max_bytes:
            Most bytes of events that wait in memory, as
            :func:`auditlog.codec.weigh` estimates them.

        batch_events: Most events in one write.

        batch_bytes: Most bytes of events in one write, estimated as above.

        overflow:
            What ``enqueue()`` does when the buffer is full: ``block`` for at
            most *overflow_timeout* seconds and then raise; ``raise``; or
            ``drop``, which counts the event, fails its receipt, and lets an
            event of type ``AuditLog.Event.Drop`` tell of the gap.

        overflow_timeout: Seconds.

        shutdown_timeout:
            Longest that :meth:`close` takes by default, and the end of the
            process, in seconds.

        lifecycle_events:
            Whether events of types ``AuditLog.Publisher.Start``, ahead of the
            first event in each process, and ``AuditLog.Publisher.Stop``, with
            :meth:`close`, tell of the publisher itself.

    Raises:
        ConfigError:
            If there are relays and *sink* is no journal, *fallback* is none,
            a number is too small, or *name* is empty.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        sink: Sink,
        /,
        *,
        name: str = "default",
        relays: Mapping[str, Sink] | None = None,
        run_relays: bool = True,
        fallback: Journal | None = None,
        fallback_after: float = 2.0,
        codec: Literal["cloudevents", "conduktor"] = "cloudevents",
        max_events: int = 10_000,
        max_bytes: int = 32 * 1024 * 1024,
        batch_events: int = 2_000,
        batch_bytes: int = 4 * 1024 * 1024,
        overflow: Literal["block", "raise", "drop"] = "block",
        overflow_timeout: float = 1.0,
        shutdown_timeout: float = 10.0,
        lifecycle_events: bool = False,
    ) -> None:
        _check_options(
            max_events=max_events,
            max_bytes=max_bytes,
            batch_events=batch_events,
            batch_bytes=batch_bytes,
        )
        if not name:
            raise ConfigError(["'name' must not be empty"])
        self.name = name
        self.sink = sink
        self._codec = codecs.codec_named(codec)
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._batch_events = batch_events
        self._batch_bytes = batch_bytes
        self._overflow_timeout = overflow_timeout if overflow == "block" else 0
        self._drops = overflow == "drop"
        self._shutdown_timeout = shutdown_timeout
        self._lifecycle = (
            functools.partial(lifecycle_event, name)
            if lifecycle_events
            else None
        )
        self._run_relays = run_relays
        self._on_close: list[Callable[[], object]] = []
        self._journal, self.relays = self._make_relays(sink, relays or {})
        self._fallback = _make_fallback(sink, fallback, name, fallback_after)
        self._released = False
        retry.load()
        self._reset()
        self._start_relays()
        tell_after_fork(self)
        tell_at_exit(self)

    @classmethod
    def from_config(
        cls,
        config: AuditLogConfig,
        /,
        *,
        sinks: Mapping[str, Sink] | None = None,
        clusters: ClusterRegistry | None = None,
        name: str = "default",
        lifecycle_events: bool = False,
    ) -> Self:
        """
        Build the sink and the relays that *config* describes.

        =====================  ==========================  ================
        Configured             ``publish()`` returns       Relay
                               after
        =====================  ==========================  ================
        database and topic     the commit                  to the topic
        database               the commit                  none
        database and spool,    the commit, or the disk's   to the database
        with or without topic  sync                        and to the topic
        topic                  the broker's                none
                               acknowledgement
        spool and topic        the disk's sync             to the topic
        spool                  the disk's sync             none
        =====================  ==========================  ================

        Args:
            config: The settings.

            sinks:
                Further sinks by name; each gets a relay, which needs a
                database or a spool.

            clusters:
                Where the cluster is looked up at every attempt; made from
                *config* by default. Adding one wakes the relays.

            name: As above.

            lifecycle_events: As above.

        Raises:
            ConfigError: If nothing or too little is configured.

            MissingExtraError: If a driver isn't installed.
        """
        from auditlog import wiring  # noqa: PLC0415 - backends load on demand

        wires = wiring.wire(config, sinks=sinks or {}, clusters=clusters)
        publisher = cls(
            wires.sink,
            name=name,
            relays=wires.relays,
            fallback=wires.fallback,
            run_relays=config.relay.run,
            codec=config.codec,
            lifecycle_events=lifecycle_events,
        )
        unsubscribe = wires.clusters.subscribe(_hurry(publisher))
        publisher._on_close.append(unsubscribe)
        return publisher

    # Handing over

    def publish(
        self, event: AuditEvent, /, *, timeout: float = 5.0
    ) -> Receipt:
        """
        Store *event* and return once the sink confirmed it.

        Safe to call from several threads, which then share writes. Blocks:
        in an event loop use :meth:`publish_async`.

        Args:
            event: The event to store.

            timeout:
                Longest wait, in seconds, from the call. An event that was not
                yet handed to the sink is withdrawn; otherwise it may be
                stored.

        Returns:
            Where the event was stored.

        Raises:
            PublisherClosedError: If :meth:`close` was called before.

            SinkError: If the sink itself calls this, within a write.

            SinkTimeoutError:
                If the sink didn't confirm in time. The event may be stored;
                publishing it again is safe because *event_id* stays the same.

            SinkSetupError:
                If the sink has to be mended first: a missing schema,
                permission or topic, an unknown cluster.

            EventRefusedError:
                If the sink will never take this event;
                `DuplicateEventError` if its id is taken by another one.

            EncodingError: If the event doesn't fit the codec.

        .. versionadded:: 0.1.0
        """
        deadline = time.monotonic() + timeout
        self._check(event)
        self._refuse_worker()
        receipt = self._offer_until(deadline, event, urgent=True)
        if receipt is None:
            raise self._timed_out(event, timeout)
        self._help(deadline)
        if not receipt.wait(remaining(deadline)):
            self._withdraw(receipt, event, timeout)
        return receipt.result()

    async def publish_async(
        self, event: AuditEvent, /, *, timeout: float = 5.0
    ) -> Receipt:
        """
        As :meth:`publish`, without blocking the event loop.

        A task that is cancelled meanwhile withdraws the event, unless it was
        handed to the sink: then it may be stored, whole.

        .. versionadded:: 0.1.0
        """
        import asyncio  # noqa: PLC0415 - only where a loop runs

        self._check(event)
        receipt: PendingReceipt | None = None
        try:
            async with asyncio.timeout(timeout):
                receipt = await self._offer_async(event)
                return await receipt
        except TimeoutError as exc:
            if receipt is None:
                raise self._timed_out(event, timeout) from exc
            self._withdraw(receipt, event, timeout)
            return receipt.result()
        except asyncio.CancelledError:
            if receipt is not None:
                error = SinkError(f"event {event.event_id} was cancelled")
                self._buffer.withdraw(receipt, error)
            raise

    def enqueue(self, event: AuditEvent, /) -> PendingReceipt:
        """
        Take *event* and return at once.

        It is stored soon, as :meth:`flush` and the receipt tell; what the
        process had not stored when it is killed is lost. Never blocks in a
        running event loop, elsewhere at most *overflow_timeout*.

        Raises:
            PublisherClosedError: If :meth:`close` was called before.

            BufferFullError:
                If there is no room; the event isn't taken. With
                ``overflow="drop"`` the receipt fails with it instead.

            EncodingError: If the event doesn't fit the codec.

        .. versionadded:: 0.1.0
        """
        self._check(event)
        receipt = self._offer(event, urgent=False)
        if receipt is None and self._overflow_timeout and not _in_event_loop():
            deadline = time.monotonic() + self._overflow_timeout
            receipt = self._offer_until(deadline, event, urgent=False)
        if receipt is None:
            error = BufferFullError(
                f"can't take event {event.event_id}: "
                f"{self._buffer.events} events wait for "
                f"{self._buffer.sink}{self._why()}"
            )
            if not self._drops:
                raise error
            receipt = self._drop(event, error)
        return receipt

    @property
    def dropped(self) -> int:
        """
        How many events ``enqueue()`` dropped in this process.
        """
        return self._buffer.dropped

    def stats(self) -> PublisherStats:
        """
        How this publisher is doing, in this process.

        Asks neither the sink nor the journal and waits for nothing, so that
        a health endpoint can call it at any time, in an event loop too, also
        after :meth:`close`.

        .. versionadded:: 0.1.0
        """
        failures = self._worker and self._worker.failures
        text, age = failures.last_error() if failures else (None, None)
        relays = tuple(relay.stats() for relay in self._all_relays())
        fallback = self._fallback
        held_back = getattr(self.sink, "held_back", 0.0)
        return PublisherStats(
            name=self.name,
            failing_for=failures.failing_for() if failures else 0.0,
            last_error=text,
            last_error_age=age,
            # Only who reads the order sees it go on.
            held_back=held_back if any(r.holding for r in relays) else 0.0,
            kept=fallback.kept if fallback is not None else 0,
            relays=relays,
            **self._buffer.counts()._asdict(),
        )

    # In a transaction of the caller's

    def publish_in(self, connection: Any, event: AuditEvent, /) -> None:
        """
        Put *event* into the open transaction of *connection*.

        It is stored when the caller commits, together with what else the
        transaction writes, and never if it is rolled back. That is why there
        is no receipt: nothing is durable before the caller commits. Relays
        carry the event on afterwards.

        Neither waits for events that were enqueued before, nor keeps their
        order with this one. Uses no other connection and no other thread.

        Args:
            connection:
                A connection to the database of the sink, with a transaction:
                a psycopg ``Connection``, an SQLAlchemy ``Session`` or
                ``Connection`` with any driver below, or Django's
                ``connection``.

            event: The event to store.

        Raises:
            PublisherClosedError: If :meth:`close` was called before.

            TransactionError:
                If the connection is in autocommit mode, closed, of another
                database, or its transaction has failed.

            DuplicateEventError:
                If the id is taken by another event. The same event again is
                no error.

            SinkError:
                If the server refuses it; the transaction has failed then.

            ConfigError: If the sink can't join transactions.

            EncodingError: If the event doesn't fit the codec.

        .. versionadded:: 0.1.0
        """
        sink, record = self._transactional(), self._record(event)
        sink.write_in(connection, [record])

    async def publish_in_async(
        self, connection: Any, event: AuditEvent, /
    ) -> None:
        """
        As :meth:`publish_in`, in the transaction of a psycopg
        ``AsyncConnection`` or an SQLAlchemy ``AsyncSession`` or
        ``AsyncConnection``.

        .. versionadded:: 0.1.0
        """
        sink, record = self._transactional(), self._record(event)
        await sink.write_in_async(connection, [record])

    def record(
        self,
        event_type: str,
        /,
        *,
        metadata: Mapping[str, object] | None = None,
        connection: Any = None,
        timeout: float = 5.0,
        tell_message: bool = False,
        **fields: Unpack[EventFields],
    ) -> Entry:
        """
        Publish an event at the end of a ``with`` block, as the block ends.

        Without an exception it is a ``success``. An exception makes it a
        ``failure`` with the exception's class as its *code*, and goes on as
        it was; should that event not be stored, the exception gets a note,
        and the log a line. Works with ``with`` and with ``async with``.

        With a *connection* the success joins its open transaction, as
        :meth:`publish_in` does, and the failure does not, so that the
        rollback which follows cannot erase it.

        The event's time is that of the block's end, unless *occurred_at* is
        given.

        Args:
            event_type: As for :class:`auditlog.AuditEvent`.

            metadata: To begin with.

            connection: The transaction of the block, if it has one.

            timeout: As for :meth:`publish`.

            tell_message:
                Whether an exception's message becomes the *reason*. It may
                hold what does not belong into an audit log.

            **fields: All others of :class:`auditlog.AuditEvent`.

        Returns:
            What the block may set the outcome, changes and metadata on.

        Raises:
            InvalidEventError: If the event can't be built; at once.

        The block's end raises what :meth:`publish` and :meth:`publish_in`
        raise, and `EncodingError` for metadata that has no JSON form.

        .. versionadded:: 0.1.0
        """
        given = metadata or {}
        draft = AuditEvent(event_type=event_type, metadata=given, **fields)
        return Entry(
            self,
            draft,
            fields=fields,
            metadata=given,
            connection=connection,
            timeout=timeout,
            tell_message=tell_message,
        )

    def _transactional(self) -> TransactionalSink:
        if isinstance(self.sink, TransactionalSink):
            return self.sink
        raise ConfigError(
            [
                (
                    f"{type(self.sink).__name__} can't join a transaction; "
                    "use PostgresSink"
                )
            ]
        )

    def _record(self, event: AuditEvent) -> Record:
        self._check(event)
        if self._buffer.closed:
            raise self._closed(event)
        return Record(
            event_id=event.event_id,
            body=functools.partial(self._codec.encode, event),
        )

    def _closed(self, event: AuditEvent) -> PublisherClosedError:
        return PublisherClosedError(
            f"can't publish event {event.event_id}: "
            f"publisher {self.name!r} is closed"
        )

    # Waiting and ending

    def flush(self, timeout: float = 30.0) -> None:
        """
        Wait until everything that was accepted before the call is stored.

        Args:
            timeout: Longest wait, in seconds.

        Raises:
            SinkTimeoutError: If some events are not stored yet.

            SinkError: If the sink itself calls this, within a write.

            PartialWriteError:
                If enqueued events were refused for good and nobody looked at
                their receipts; names them once.

        .. versionadded:: 0.1.0
        """
        deadline = time.monotonic() + timeout
        self._refuse_worker()
        self._help(deadline)
        left = self._buffer.wait_passed(self._buffer.mark(), deadline)
        if left:
            raise self._not_flushed(left, timeout)
        self._raise_unseen()

    async def flush_async(self, timeout: float = 30.0) -> None:
        """
        As :meth:`flush`, without blocking the event loop.

        .. versionadded:: 0.1.0
        """
        await _in_thread(self.flush, timeout)

    def wait_delivered(self, timeout: float = 30.0) -> None:
        """
        Wait until every relay has delivered what was stored before the call.

        It doesn't matter which process runs the relays. Without relays this
        is :meth:`flush`.

        Args:
            timeout: Longest wait, in seconds, in all.

        Raises:
            DeliveryTimeoutError:
                If relays are not there yet; nothing is lost.

            SinkTimeoutError:
                If some events are not stored yet, wait in the *fallback*,
                or have no place in the journal's order because another
                transaction holds it back.

            SinkError: If the journal can't be asked.

        .. versionadded:: 0.1.0
        """
        deadline = time.monotonic() + timeout
        self.flush(timeout)
        if self._fallback is not None:
            self._fallback.wait_moved(remaining(deadline))
        journal = self._journal
        if not self.relays or journal is None:
            return

        size = journal.size(timeout=remaining(deadline))
        for relay in self.relays.values():
            relay.wake()
        while True:
            left = {
                name: size - journal.position(name) for name in self.relays
            }
            pending = {name: n for name, n in left.items() if n > 0}
            if not pending:
                return
            if time.monotonic() >= deadline:
                raise DeliveryTimeoutError(pending, timeout)
            time.sleep(POLL)

    async def wait_delivered_async(self, timeout: float = 30.0) -> None:
        """
        As :meth:`wait_delivered`, without blocking the event loop.

        .. versionadded:: 0.1.0
        """
        await _in_thread(self.wait_delivered, timeout)

    def close(self, timeout: float | None = None) -> None:
        """
        Take no more events, store what is queued, and release everything.

        The relays go on as long as they deliver, so that a short script's
        events arrive; what they don't get through in time stays in the
        journal. Safe to call twice; the sinks are closed too. Interrupted,
        such as by Ctrl-C, it can be called again, as the end of the process
        does.

        Args:
            timeout: Longest wait, in seconds; *shutdown_timeout* by default.

        Raises:
            SinkTimeoutError:
                If some events were not stored in time; they are given up and
                their receipts fail.

            SinkError: If the sink itself calls this, within a write.

            PartialWriteError: As :meth:`flush`.

        .. versionadded:: 0.1.0
        """
        timeout = self._shutdown_timeout if timeout is None else timeout
        self._close(time.monotonic() + timeout, timeout)

    def _close(self, deadline: float, timeout: float) -> None:
        self._refuse_worker()
        self._buffer.close(tell=True)
        if not self._closing.acquire(timeout=remaining(deadline)):
            return
        try:
            left = 0 if self._released else self._release(deadline)
        finally:
            self._closing.release()
        if left:
            raise self._not_flushed(left, timeout)
        self._raise_unseen()

    def _release(self, deadline: float) -> int:
        for callback in self._on_close:
            callback()
        left = self._end_worker(deadline)
        if self._fallback is not None:
            self._fallback.stop(remaining(deadline))
        for relay in self.relays.values():
            relay.stop(remaining(deadline))
        self._close_sinks(deadline)
        # Only now: an interrupted close is finished by the next one.
        self._released = True
        return left

    async def close_async(self, timeout: float | None = None) -> None:
        """
        As :meth:`close`, without blocking the event loop.

        .. versionadded:: 0.1.0
        """
        await _in_thread(self.close, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close_async()

    def __repr__(self) -> str:
        return (
            f"<AuditLogPublisher {self.name!r} queued={self._buffer.events} "
            f"closed={self._buffer.closed}>"
        )

    def __del__(self) -> None:
        buffer = getattr(self, "_buffer", None)
        if buffer is None or self._released:
            return
        buffer.close()
        for relay in self._all_relays():
            relay.stop()
        if self._fallback is not None and not buffer.events:
            self._fallback.stop()
        if buffer.events:
            keep_until_exit(self)
            warnings.warn(
                f"{self!r} was not closed and has events pending",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    # Inside

    def _reset(self) -> None:
        self._buffer = Buffer(
            sink=type(self.sink).__name__,
            max_events=self._max_events,
            max_bytes=self._max_bytes,
            name=self.name,
            lifecycle=self._lifecycle,
        )
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        # Reentrant, for signal handlers and finalizers.
        self._starting = threading.RLock()
        self._closing = threading.RLock()

    def after_fork(self) -> None:
        """
        A child begins with an empty buffer; the parent keeps what it had.
        """
        inherited = self._buffer
        inherited.lock = threading.RLock()
        inherited.abandon(
            SinkError("the event is on its way in the parent process")
        )
        self._reset()
        if inherited.closed:
            self._buffer.close()

    def at_exit(self, began: float) -> None:
        """
        Store what is queued, then end, within the time since *began*.
        """
        timeout = self._shutdown_timeout
        try:
            self._close(began + timeout, timeout)
        except Exception as exc:  # noqa: BLE001 - others have to finish too
            log.error(  # noqa: TRY400 - the process ends, one line says it
                "publisher %r: %s", self.name, describe(exc)
            )

    def hurry(self) -> None:
        """
        Try at once what failed and waits for its next attempt.

        Call it after mending what was in the way.
        """
        if self._worker is not None:
            self._worker.hurry()
        for relay in self._all_relays():
            relay.hurry()

    def _check(self, event: AuditEvent) -> None:
        if not isinstance(event, AuditEvent):
            raise InvalidEventError(
                f"an AuditEvent is needed (got {type(event).__name__})"
            )
        self._codec.check(event)

    def _offer(
        self,
        event: AuditEvent,
        *,
        urgent: bool,
        waiter: Gate | asyncio.Future[None] | None = None,
    ) -> PendingReceipt | None:
        if self._thread is None:
            self._start()
        try:
            return self._buffer.offer(
                event,
                weight=codecs.weigh(event),
                urgent=urgent,
                waiter=waiter,
            )
        except PublisherClosedError:
            raise self._closed(event) from None

    def _drop(
        self, event: AuditEvent, error: BufferFullError
    ) -> PendingReceipt:
        try:
            receipt, begins = self._buffer.drop(event, error)
        except PublisherClosedError:
            raise self._closed(event) from None
        if begins:  # once for each gap, whose end an event tells of
            log.error("publisher %r drops events: %s", self.name, error)
        return receipt

    def _offer_until(
        self, deadline: float, event: AuditEvent, *, urgent: bool
    ) -> PendingReceipt | None:
        while True:
            gate = Gate()
            receipt = self._offer(event, urgent=urgent, waiter=gate)
            if receipt:
                return receipt
            if not self._buffer.wait(gate.wait, remaining(deadline)):
                self._buffer.forget(gate)
                return None

    async def _offer_async(self, event: AuditEvent) -> PendingReceipt:
        import asyncio  # noqa: PLC0415 - only where a loop runs

        while True:
            room = asyncio.get_running_loop().create_future()
            receipt = self._offer(event, urgent=True, waiter=room)
            if receipt:
                return receipt
            try:
                await room
            finally:
                self._buffer.forget(room)

    def _start(self) -> None:
        with self._starting:
            self._start_relays()
            tell_at_end_of_child()
            fallback, name = self._fallback, self._buffer.sink
            worker = Worker(
                self._buffer,
                fallback or self.sink,
                place=lambda: fallback.place if fallback else name,
                encode=self._codec.encode,
                name=self.name,
                batch_events=self._batch_events,
                batch_bytes=self._batch_bytes,
                after_write=_wake(list(self.relays.values())),
            )
            thread = threading.Thread(
                target=worker.run,
                name=f"auditlog-publisher-{self.name}",
                daemon=True,
            )
            # Another thread or a signal handler may have come first.
            if self._thread is not None or self._buffer.closed:
                return
            self._worker, self._thread = worker, thread
            try:
                thread.start()
            except RuntimeError:
                # The next call tries again. At the end of the process no
                # thread can be started: see _help(), and at_exit() stores
                # what is queued.
                self._thread = None

    def _help(self, deadline: float) -> None:
        """
        Store what is queued in this thread, if there can be no other.

        In Python 3.12, so it is in threads that outlive the main thread.
        """
        if self._thread is None and self._worker is not None:
            with self._starting:
                self._worker.drain(deadline)

    def _refuse_worker(self) -> None:
        thread, fallback = threading.current_thread(), self._fallback
        if thread is self._thread or (
            fallback is not None and fallback.is_writing(thread)
        ):
            raise SinkError(
                f"can't wait for {self._buffer.sink} from within its write; "
                "enqueue() doesn't wait"
            )

    def _start_relays(self) -> None:
        for relay in self._all_relays() if self._run_relays else self._own():
            with contextlib.suppress(RuntimeError):
                relay.start()

    def _all_relays(self) -> list[Relay]:
        return [*self._own(), *self.relays.values()]

    def _own(self) -> list[Relay]:
        """
        What no other process could run.
        """
        return [] if self._fallback is None else [self._fallback.relay]

    def _make_relays(
        self, sink: Sink, relays: Mapping[str, Sink]
    ) -> tuple[Journal | None, dict[str, Relay]]:
        if not relays:
            return None, {}
        if not isinstance(sink, Journal):
            raise ConfigError(
                [
                    (
                        f"relays need a journal, which {type(sink).__name__} "
                        "isn't; use PostgresSink, SpoolSink or InMemorySink"
                    )
                ]
            )
        return sink, {
            name: Relay(sink, target, name=name)
            for name, target in relays.items()
        }

    def _withdraw(
        self, receipt: PendingReceipt, event: AuditEvent, timeout: float
    ) -> None:
        """
        Raise what a caller gets whose time is up, unless it was decided.
        """
        error = self._timed_out(event, timeout)
        self._buffer.withdraw(receipt, error)
        if not receipt.done():
            raise error

    def _timed_out(
        self, event: AuditEvent, timeout: float
    ) -> SinkTimeoutError:
        return self._because(
            f"{self._buffer.sink} didn't confirm event {event.event_id} "
            f"within {timeout:g} s{self._why()}; publishing it again is safe"
        )

    def _not_flushed(self, left: int, timeout: float) -> SinkTimeoutError:
        return self._because(
            f"{left} events are not stored in {self._buffer.sink} "
            f"after {timeout:g} s{self._why()}"
        )

    def _why(self) -> str:
        cause = self._buffer.last_error
        return "" if cause is None else f": {describe(cause)}"

    def _because(self, message: str) -> SinkTimeoutError:
        error = SinkTimeoutError(message)
        error.__cause__ = self._buffer.last_error
        return error

    def _raise_unseen(self) -> None:
        refused = self._buffer.unseen()
        if refused:
            raise PartialWriteError((), refused)

    def _end_worker(self, deadline: float) -> int:
        """
        Drain; how many events could not be stored.
        """
        buffer, thread, worker = self._buffer, self._thread, self._worker
        if worker is None:
            return 0
        worker.press()
        if thread is None:
            worker.drain(deadline)
        elif not buffer.wait_passed(buffer.mark(), deadline):
            patience = remaining(self._last_words_until(deadline))
            buffer.wait(functools.partial(_ended, thread), patience)
        left = buffer.passed(buffer.mark())
        if left or buffer.events:
            worker.stop()
            buffer.abandon(
                SinkTimeoutError("not confirmed before the publisher closed")
            )
        return left

    def _last_words_until(self, deadline: float) -> float:
        """
        How long the event that tells of the end may keep a close waiting.
        """
        if not self._buffer.events:
            return deadline
        patience = 0.0 if self._buffer.last_error else LAST_WORDS
        return min(deadline, time.monotonic() + patience)

    def _close_sinks(self, deadline: float) -> None:
        """
        Close them all at once; one that hangs keeps nobody waiting for long.
        """
        sinks = [*(relay.sink for relay in self.relays.values()), self.sink]
        if self._fallback is not None:
            sinks.append(self._fallback.journal)
        closing = [
            (type(sink).__name__, self._begin(sink.close))
            for sink in sinks
            if hasattr(sink, "close")
        ]
        deadline = max(deadline, time.monotonic() + CLOSING)
        for name, job in closing:
            try:
                job.wait(remaining(deadline))
            except Exception as exc:  # noqa: BLE001 - others are closed too
                log.warning("%s can't be closed: %s", name, describe(exc))

    def _begin(self, close: Callable[[], None]) -> Job:
        lane = Lane("close()", name=f"{self.name}-close")
        job = lane.begin(close)
        lane.end()
        return job


def _check_options(**options: int) -> None:
    mistakes = [
        f"{name!r} must be at least 1 (got {value})"
        for name, value in options.items()
        if value < 1
    ]
    if mistakes:
        raise ConfigError(mistakes)


def _make_fallback(
    sink: Sink, journal: object, name: str, after: float
) -> Fallback | None:
    if journal is None:
        return None
    own = getattr(journal, "has_local_index", False)
    if not own or not isinstance(journal, Journal) or journal is sink:
        raise ConfigError(
            [
                (
                    "'fallback' must be a journal that only this process "
                    f"writes to, as SpoolSink (got {type(journal).__name__})"
                )
            ]
        )
    if after <= 0:
        mistake = f"'fallback_after' must be more than 0 (got {after:g})"
        raise ConfigError([mistake])
    return Fallback(sink, journal, name=name, after=after)


def _ended(thread: threading.Thread, timeout: float | None) -> bool:
    thread.join(timeout)
    return not thread.is_alive()


def _wake(relays: list[Relay]) -> Callable[[], None]:
    def wake() -> None:
        for relay in relays:
            relay.wake()

    return wake


def _hurry(publisher: AuditLogPublisher) -> Callable[[], None]:
    """
    Cut every back-off short; doesn't keep *publisher* alive.
    """
    ref = weakref.ref(publisher)

    def hurry() -> None:
        if (alive := ref()) is not None:
            alive.hurry()

    return hurry


def _in_event_loop() -> bool:
    # Nor does a loop run where another thread is still importing asyncio.
    find = getattr(sys.modules.get("asyncio"), "get_running_loop", None)
    if find is None:
        return False
    try:
        find()
    except RuntimeError:
        return False
    return True


async def _in_thread(
    function: Callable[[float], None] | Callable[[float | None], None],
    timeout: float | None,
) -> None:
    import asyncio  # noqa: PLC0415 - only where a loop runs

    await asyncio.to_thread(function, timeout)  # type: ignore[arg-type]

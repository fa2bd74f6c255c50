"""
What stores events, and what hands them on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from auditlog.status import JournalStatus

    from ._records import DeadLetter, Record


@runtime_checkable
class Sink(Protocol):
    """
    Stores batches of events durably.

    A sink is one class with :meth:`write`. Batching, retry, deadlines,
    ordering, metrics and shutdown are not its business. It may also have

    ``close()``
        Release everything, in bounded time; called once or more, and during a
        write only if that one didn't end before the publisher's timeout.

    ``logger``
        The :class:`logging.Logger` on which failures to write are reported.

    ``write_again(records, /)``
        Store dead letters that are sent once more, marked as such if it can;
        by default they are written as any other.

    ``write_placeholders(dead_letters, /)``
        Store, for each :class:`DeadLetter`, a note that its index will not
        come. A relay gives an event up only after this returned.

    ``last_index()``
        The highest journal index that the sink holds, or None. A relay that
        finds it beyond its journal refuses to run: the journal was restored
        from an older copy.

    .. versionadded:: 0.1.0
    """

    def write(self, records: Sequence[Record], /) -> None:
        """
        Store *records*; all are durable on return.

        Called from one thread at a time, never with an empty batch, and never
        with the same id twice in one batch. The batch must not be changed or
        kept. A record that was stored by an earlier call may come again, with
        the same id and the same bytes: a sink that can tell stores it once.

        Args:
            records:
                What to store, in order: a sequence, but no list. A publisher
                makes each record, and each body, when it is first looked at,
                so a sink may send some while it makes the next.

        Raises:
            PartialWriteError: If some records are stored and others refused.

            EventRefusedError:
                If an event can't ever be stored; the batch is then tried
                again one by one, to find which.

            Exception:
                Anything else means that nothing is known to be stored. The
                same batch comes again later, for ever.
        """


@runtime_checkable
class Lease(Protocol):
    """
    The right to run one relay, held by one holder at a time.

    Fenced: a holder that was replaced, however long it slept, can't move the
    position any more.

    Attributes:
        position: Index of the last event that the relay has delivered.

        ttl: Seconds after which a lease that isn't renewed may be taken.

    .. versionadded:: 0.1.0
    """

    position: int
    ttl: float

    def advance(
        self, position: int, dead_letters: Sequence[DeadLetter] = (), /
    ) -> None:
        """
        Record that everything up to *position* is delivered, and renew.

        *dead_letters* are kept in the same step, or neither happens.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """

    def renew(self) -> None:
        """
        Keep the lease for another *ttl* seconds; callable from any thread.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """

    def release(self) -> None:
        """
        Give the lease up, so that another holder needn't wait; may be called
        after it was lost.
        """


@runtime_checkable
class Journal(Sink, Protocol):
    """
    A sink that is read back in one gapless order.

    It may also have

    ``has_local_index``
        True if its indexes count on one machine or in one process only. A
        relay then hands records to its sink without their index, and doesn't
        compare the sink's last index with the journal.

    .. versionadded:: 0.1.0
    """

    def read(self, after: int, limit: int, /) -> Sequence[Record]:
        """
        The next events behind the index *after*, at most *limit*.

        Each has an index; they are consecutive, and no event appears later
        with an index that was passed over.
        """

    def size(self, *, timeout: float | None = None) -> int:
        """
        The highest index that is given.

        Args:
            timeout:
                None counts what has an index now. A number of seconds waits
                until all that was stored before the call has one: other
                transactions that are open may hold it back.

        Raises:
            SinkTimeoutError: If it is still held back after *timeout*.
        """

    def position(self, relay: str, /) -> int:
        """
        How far *relay* has come; 0 if it never ran.
        """

    def lease(self, relay: str, /) -> Lease | None:
        """
        Acquire the lease of *relay*, or None while another holder has it.
        """


@runtime_checkable
class DeadLetterOffice(Protocol):
    """
    A journal that gives its dead letters out again.

    .. versionadded:: 0.1.0
    """

    def dead_letters(
        self, relay: str, /, *, after: int = 0, limit: int = 1000
    ) -> Sequence[DeadLetter]:
        """
        Those of *relay* that are still undelivered, by their index.

        Args:
            after: Only those behind this index.

            limit: At most so many.
        """

    def redriven(self, relay: str, index: int, /) -> None:
        """
        The dead letter of that *index* was delivered after all.
        """

    def refused_again(self, relay: str, index: int, reason: str, /) -> None:
        """
        Another attempt at the dead letter of that *index* failed.
        """


@runtime_checkable
class ReportingJournal(Protocol):
    """
    A journal that says how it stands.

    .. versionadded:: 0.1.0
    """

    def status(self, *, relays: Iterable[str] = ()) -> JournalStatus:
        """
        What it holds, how far each relay has come, and what is in the way.

        Changes nothing: gives no indexes, acquires no lease. May ask a
        server or a disk.

        Args:
            relays: Names of relays to tell of even if they never ran.

        Raises:
            SinkError: If the journal can't be asked.
        """


@runtime_checkable
class TransactionalSink(Sink, Protocol):
    """
    A sink that can store events in a transaction of the application's.

    .. versionadded:: 0.1.0
    """

    def write_in(self, connection: Any, records: Sequence[Record], /) -> None:
        """
        Put *records* into the open transaction of *connection*.

        Opens no connection of its own. The events commit or vanish with what
        else the transaction writes.

        Raises:
            TransactionError: If there is no transaction to join.

            SinkError: As for :meth:`Sink.write`.
        """

    async def write_in_async(
        self, connection: Any, records: Sequence[Record], /
    ) -> None:
        """
        As :meth:`write_in`, without blocking the event loop.
        """

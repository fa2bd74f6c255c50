"""
A sink and journal in memory, for tests and for trying things out.
"""

from __future__ import annotations

import operator
import threading
import time

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from auditlog._engine.process import tell_after_fork
from auditlog._limited import Limited
from auditlog.abc import (
    EventQuery,
    Reader,
    Record,
    ResumableScan,
    Skipped,
    select,
    select_live,
)
from auditlog.errors import (
    DuplicateEventError,
    LeaseLostError,
    PartialWriteError,
    ReadError,
)
from auditlog.status import (
    JournalStatus,
    RelayStatus,
    oldest,
    seconds_since,
)


if TYPE_CHECKING:
    from collections.abc import (
        Generator,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )
    from uuid import UUID

    from auditlog.abc import DeadLetter
    from auditlog.errors import SinkError
    from auditlog.event import AuditEvent


# Events that are taken from a sink at once.
_PAGE = 1000


class InMemorySink:
    """
    Keeps events in a list; a sink, and a journal for relays.

    Lost with the process. Safe to use from several threads. A forked child
    goes on with a copy of its own.

    Args:
        lease_ttl:
            Seconds after which a lease that isn't renewed may be taken.

    .. versionadded:: 0.1.0
    """

    def __init__(self, *, lease_ttl: float = 15.0) -> None:
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self._bodies: dict[UUID, bytes] = {}
        self._deliveries: dict[str, _Delivery] = {}
        self._lease_ttl = lease_ttl
        tell_after_fork(self)

    def after_fork(self) -> None:
        """
        In the child nobody holds the lock or a lease.
        """
        self._lock = threading.Lock()
        for delivery in self._deliveries.values():
            delivery.expires_at = 0.0

    @property
    def records(self) -> list[Record]:
        """
        Everything stored so far, in order, each with its index.
        """
        return list(self._records)

    @property
    def events(self) -> list[AuditEvent]:
        """
        The events stored so far, in order.
        """
        return [record.event for record in self._records]

    def dead_letters(
        self, relay: str, /, *, after: int = 0, limit: int = 1000
    ) -> list[DeadLetter]:
        """
        What *relay* could not deliver and was not re-driven.
        """
        letters = self._delivery(relay).dead_letters
        return [each for i, each in sorted(letters.items()) if i > after][
            :limit
        ]

    def redriven(self, relay: str, index: int, /) -> None:
        """
        The dead letter of that *index* was delivered after all.
        """
        with self._lock:
            self._delivery(relay).dead_letters.pop(index, None)

    def refused_again(self, relay: str, index: int, reason: str, /) -> None:
        """
        Another attempt at the dead letter of that *index* failed.
        """
        with self._lock:
            letters = self._delivery(relay).dead_letters
            if index in letters:
                letter = letters[index]
                letters[index] = attrs.evolve(
                    letter,
                    reason=reason,
                    attempts=letter.attempts + 1,
                    at=datetime.now(UTC),
                )

    def clear(self) -> None:
        """
        Forget everything, the relays' positions too.
        """
        with self._lock:
            self._records.clear()
            self._bodies.clear()
            for delivery in self._deliveries.values():
                # Whoever holds the lease has to begin again.
                delivery.epoch += 1
                delivery.position = 0
                delivery.expires_at = 0.0
                delivery.dead_letters.clear()

    def write(self, records: Sequence[Record], /) -> None:
        """
        Append *records*; one that is there already is stored once.

        Raises:
            PartialWriteError:
                If an id is there already with another body; carries a
                `DuplicateEventError` for that event alone.
        """
        failed: dict[UUID, SinkError] = {}
        with self._lock:
            for record in records:
                body = self._bodies.get(record.event_id)
                if body is None:
                    self._append(record)
                elif body != record.body:
                    failed[record.event_id] = DuplicateEventError(
                        f"another event with id {record.event_id} is stored"
                    )
        if failed:
            stored = [r.event_id for r in records if r.event_id not in failed]
            raise PartialWriteError(stored, failed)

    def _append(self, record: Record) -> None:
        self._bodies[record.event_id] = record.body
        self._records.append(
            attrs.evolve(
                record,
                index=len(self._records) + 1,
                recorded_at=datetime.now(UTC),
            )
        )

    def read(self, after: int, limit: int, /) -> Sequence[Record]:
        """
        The next events behind the index *after*, at most *limit*.
        """
        return self._records[after : after + limit]

    def size(self, *, timeout: float | None = None) -> int:  # noqa: ARG002
        """
        The highest index that is given; never has to wait.
        """
        return len(self._records)

    def position(self, relay: str, /) -> int:
        """
        How far *relay* has come; 0 if it never ran.
        """
        return self._delivery(relay).position

    def lease(self, relay: str, /) -> InMemoryLease | None:
        """
        Acquire the lease of *relay*, or None while another holder has it.
        """
        delivery = self._delivery(relay)
        with self._lock:
            if time.monotonic() < delivery.expires_at:
                return None
            delivery.epoch += 1
            delivery.expires_at = time.monotonic() + self._lease_ttl
            return InMemoryLease(delivery, self._lock, self._lease_ttl)

    def status(self, *, relays: Iterable[str] = ()) -> JournalStatus:
        """
        What it holds, and how far each relay has come.

        Args:
            relays: Names of relays to tell of even if they never ran.
        """
        with self._lock:
            ran = {k for k, each in self._deliveries.items() if each.epoch}
            found = tuple(map(self._relay_status, sorted({*ran, *relays})))
            return JournalStatus(
                where="memory",
                size=len(self._records),
                oldest_age=oldest(found),
                relays=found,
            )

    def _relay_status(self, relay: str) -> RelayStatus:
        delivery = self._deliveries.get(relay) or _Delivery()
        position, size = delivery.position, len(self._records)
        behind = self._records[position : position + 1]
        first = behind[0].recorded_at if behind else None
        expires_in = delivery.expires_at - time.monotonic()
        return RelayStatus(
            relay=relay,
            position=position,
            behind=size - position,
            oldest_age=None if first is None else seconds_since(first),
            dead_letters=len(delivery.dead_letters),
            expires_in=expires_in if expires_in > 0 else None,
        )

    def _delivery(self, relay: str) -> _Delivery:
        return self._deliveries.setdefault(relay, _Delivery())

    def __repr__(self) -> str:
        return f"<InMemorySink events={len(self._records)}>"


@attrs.define
class _Delivery:
    position: int = 0
    epoch: int = 0
    expires_at: float = 0.0
    dead_letters: dict[int, DeadLetter] = attrs.field(factory=dict)


class InMemoryLease:
    """
    The lease of one relay on an :class:`InMemorySink`.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self, delivery: _Delivery, lock: threading.Lock, ttl: float
    ) -> None:
        self.position = delivery.position
        self.ttl = ttl
        self._delivery = delivery
        self._epoch = delivery.epoch
        self._lock = lock

    def advance(
        self, position: int, dead_letters: Sequence[DeadLetter] = (), /
    ) -> None:
        """
        Record that everything up to *position* is delivered, and renew.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """
        with self._lock:
            self._check()
            self.position = self._delivery.position = position
            self._keep(dead_letters)
            self._delivery.expires_at = time.monotonic() + self.ttl

    def renew(self) -> None:
        """
        Keep the lease for another *ttl* seconds.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """
        with self._lock:
            self._check()
            self._delivery.expires_at = time.monotonic() + self.ttl

    def release(self) -> None:
        """
        Give the lease up.
        """
        with self._lock:
            if self._delivery.epoch == self._epoch:
                self._delivery.expires_at = 0.0

    def _keep(self, letters: Sequence[DeadLetter]) -> None:
        now = datetime.now(UTC)
        for each in letters:
            index = each.record.index
            assert index is not None
            before = self._delivery.dead_letters.get(index)
            attempts = each.attempts + (before.attempts if before else 0)
            self._delivery.dead_letters[index] = attrs.evolve(
                each, attempts=attempts, at=now
            )

    def _check(self) -> None:
        if self._delivery.epoch != self._epoch:
            raise LeaseLostError("another holder has the lease")


class InMemoryReader(Reader):
    """
    Reads what an :class:`InMemorySink` holds.

    .. versionadded:: 0.1.0
    """

    def __init__(self, sink: InMemorySink, /) -> None:
        self._sink = sink

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        Everything that matches *query*.
        """
        records = self._sink.records
        if query.order == "newest":
            records.reverse()
        return select(records, query)

    def watch(
        self, query: EventQuery, /
    ) -> Generator[Record | Skipped | None, None, None]:
        """
        Everything that matches *query*, and then what the sink gets.
        """
        end = self._sink.size()
        yield None
        past = select(self._sink.read(0, end), attrs.evolve(query, limit=None))
        yield from select_live(past, self._live(end), query)

    def _live(self, after: int) -> Iterator[Record | None]:
        while True:
            records = self._sink.read(after, _PAGE)
            yield from records
            if not records:
                yield None
            after += len(records)

    def begin_scan(self, query: EventQuery, /) -> ResumableScan:
        """
        See :meth:`auditlog.abc.ResumableReader.begin_scan`.
        """
        return self._placed(query, 0, self._sink.size())

    def resume_scan(
        self, query: EventQuery, place: Mapping[str, Any], /
    ) -> ResumableScan:
        """
        See :meth:`auditlog.abc.ResumableReader.resume_scan`.

        Raises:
            ReadError: If the sink was cleared meanwhile.
        """
        if self._sink.size() < place["end"]:
            raise ReadError(
                f"can't go on reading from memory: {self._sink.size()} of "
                f"{place['end']} events are left"
            )
        query = attrs.evolve(query, limit=place["left"])
        return self._placed(query, place["done"], place["end"])

    def follow_scan(
        self, query: EventQuery, place: Mapping[str, Any] | None, /
    ) -> ResumableScan:
        """
        See :meth:`auditlog.abc.FollowableReader.follow_scan`.
        """
        if place is not None:
            self.resume_scan(query, place)
        done = place["done"] if place else 0
        return self._placed(query, done, self._sink.size())

    def _placed(self, query: EventQuery, done: int, end: int) -> ResumableScan:
        records = self._sink.records[:end]
        if query.order == "newest":
            records.reverse()
        rest = iter(records[done:])
        items = Limited(select(rest, query), query.limit)
        return ResumableScan(
            items=iter(items),
            source={"sink": "memory"},
            place=lambda: {
                "done": end - operator.length_hint(rest),
                "end": end,
                "left": items.left,
            },
        )

    def __repr__(self) -> str:
        return f"InMemoryReader({self._sink!r})"

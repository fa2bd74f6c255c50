"""
Proofs that a sink and a journal keep their promises.

Inherit in a test module, build the sink, and let pytest collect it::

    class TestMySink(SinkContract):
        def make_sink(self):
            return MySink()

        def read_back(self, sink):
            return sink.records

Nothing here imports pytest; for readable differences call
``pytest.register_assert_rewrite("auditlog.testing")`` before importing it.
"""

from __future__ import annotations

import threading

from functools import partial
from typing import TYPE_CHECKING, Any

from auditlog import codec
from auditlog.abc import (
    DeadLetter,
    DeadLetterOffice,
    Journal,
    Record,
    ReportingJournal,
    Sink,
)
from auditlog.errors import (
    DuplicateEventError,
    LeaseLostError,
    PartialWriteError,
)
from auditlog.event import AuditEvent, Resource


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


HOSTILE = (
    "plain",
    "",
    "line\nfeed, tab\t and \"quotes\" 'both' \\",
    "=1+1",
    "\u2028\u2029\u0085\u007f",
    "\U0001f600 \u00e9 e\u0301",
    "%s %(x)s {0} $$",
    "'; DROP TABLE event; --",
)


def make_record(**changes: Any) -> Record:
    """
    The record of a small event; *changes* are arguments of `AuditEvent`.
    """
    arguments: dict[str, Any] = {
        "event_type": "Contract.Thing.Create",
        "resource": Resource(type="thing", id="1"),
        **changes,
    }
    event = AuditEvent(**arguments)
    return Record(event_id=event.event_id, body=codec.encode(event))


def make_conflict(record: Record) -> Record:
    """
    Another event with the id of *record*.
    """
    return make_record(event_id=record.event_id, reason="another one")


def _is_fenced(late: Callable[[], None]) -> bool:
    try:
        late()
    except LeaseLostError:
        return True
    return False


class SinkContract:
    """
    What every sink promises; inherit and give :meth:`make_sink`.

    Attributes:
        stores_once:
            Whether a record that comes again is stored once, and another
            event with a stored id is refused. A topic can't; a table can.

    .. versionadded:: 0.1.0
    """

    stores_once = True

    def make_sink(self) -> Sink:
        """
        A new, empty sink.
        """
        raise NotImplementedError

    def read_back(self, sink: Any) -> Sequence[Record]:
        """
        Everything that *sink* holds, in the order in which it was stored.
        """
        raise NotImplementedError

    def _bodies(self, sink: Sink) -> list[bytes]:
        return [record.body for record in self.read_back(sink)]

    def test_is_a_sink(self) -> None:
        """
        It has what the publisher calls.
        """
        assert isinstance(self.make_sink(), Sink)

    def test_event_is_stored_on_return(self) -> None:
        """
        What was written can be read as soon as the call returned.
        """
        sink = self.make_sink()
        record = make_record()

        sink.write([record])

        assert self._bodies(sink) == [record.body]

    def test_batches_are_stored_in_order(self) -> None:
        """
        The order within and across batches is kept.
        """
        sink = self.make_sink()
        records = [make_record(metadata={"n": n}) for n in range(600)]

        sink.write(records[:512])
        sink.write(records[512:])

        assert self._bodies(sink) == [record.body for record in records]

    def test_bytes_and_ids_are_kept(self) -> None:
        """
        Hostile text and the largest body come back byte for byte.
        """
        sink = self.make_sink()
        records = [make_record(metadata={"text": text}) for text in HOSTILE]
        records.append(make_record(metadata={"text": "x" * 100_000}))

        sink.write(records)

        found = {r.event_id: r.body for r in self.read_back(sink)}
        assert found == {r.event_id: r.body for r in records}

    def test_batch_belongs_to_the_caller(self) -> None:
        """
        A batch that is changed after the call changes nothing stored.
        """
        sink = self.make_sink()
        batch = [record := make_record()]

        sink.write(batch)
        batch.clear()

        assert self._bodies(sink) == [record.body]

    def test_record_that_comes_again_is_no_error(self) -> None:
        """
        A batch is written again after an unknown outcome.
        """
        sink = self.make_sink()
        first, second = make_record(), make_record()

        sink.write([first])
        sink.write([first, second])

        expected = [first.body, second.body]
        found = self._bodies(sink)
        if not self.stores_once:
            assert found[0] == first.body
            found = [first.body, found[-1]]
        assert found == expected

    def test_other_event_with_a_stored_id_is_refused_alone(self) -> None:
        """
        The stored event stays, those around the refused one are stored.
        """
        if not self.stores_once:
            return
        sink = self.make_sink()
        stored, before, after = make_record(), make_record(), make_record()
        conflict = make_conflict(stored)
        sink.write([stored])

        try:
            sink.write([before, conflict, after])
        except PartialWriteError as exc:
            error = exc
        else:
            raise AssertionError("the conflict was not told")

        assert list(error.failed) == [stored.event_id]
        assert isinstance(error.failed[stored.event_id], DuplicateEventError)
        assert set(error.stored) == {before.event_id, after.event_id}
        assert set(self._bodies(sink)) == {
            stored.body,
            before.body,
            after.body,
        }

    def test_writes_from_another_thread(self) -> None:
        """
        The thread that writes needn't be the one that built the sink.
        """
        sink = self.make_sink()
        record = make_record()

        thread = threading.Thread(target=sink.write, args=([record],))
        thread.start()
        thread.join()

        assert self._bodies(sink) == [record.body]

    def test_close_is_safe_to_call_twice(self) -> None:
        """
        Closing a closed sink does nothing.
        """
        sink = self.make_sink()
        sink.write([make_record()])

        close = getattr(sink, "close", None)
        if close is not None:
            close()
            close()


class JournalContract(SinkContract):
    """
    What every journal promises on top; give :meth:`expire_lease` too.

    .. versionadded:: 0.1.0
    """

    def make_sink(self) -> Journal:
        """
        A new, empty journal.
        """
        raise NotImplementedError

    def expire_lease(self, journal: Any, relay: str) -> None:
        """
        Let the lease of *relay* run out now, as if its holder were frozen.
        """
        raise NotImplementedError

    def read_back(self, sink: Journal) -> Sequence[Record]:
        """
        The journal itself tells.
        """
        return sink.read(0, 10_000)

    def _journal_of(self, count: int) -> Journal:
        journal = self.make_sink()
        journal.write([make_record() for _ in range(count)])
        return journal

    def test_is_a_journal(self) -> None:
        """
        It has what a relay calls.
        """
        assert isinstance(self.make_sink(), Journal)

    def test_indexes_are_gapless_from_one(self) -> None:
        """
        However it is written, the indexes are 1, 2, 3, …
        """
        journal = self._journal_of(3)
        journal.write([make_record() for _ in range(4)])

        assert [r.index for r in journal.read(0, 100)] == [*range(1, 8)]
        assert journal.size() == 7  # noqa: PLR2004

    def test_read_is_a_page_behind_an_index(self) -> None:
        """
        Pages follow each other without gap or overlap, again and again.
        """
        journal = self._journal_of(5)

        pages = [journal.read(after, 2) for after in (0, 2, 4, 5)]

        indexes = [[r.index for r in page] for page in pages]
        assert indexes == [[1, 2], [3, 4], [5], []]
        assert [*journal.read(2, 2)] == [*pages[1]]

    def test_index_never_changes(self) -> None:
        """
        What was read keeps its index while more is written.
        """
        journal = self._journal_of(3)
        before = [*journal.read(0, 3)]

        journal.write([make_record() for _ in range(3)])

        assert [*journal.read(0, 3)] == before

    def test_record_that_comes_again_keeps_its_index(self) -> None:
        """
        A second write of the same event gives no second index.
        """
        journal = self.make_sink()
        record = make_record()
        journal.write([record])

        journal.write([record])

        assert [r.index for r in journal.read(0, 10)] == [1]

    def test_size_counts_what_was_stored_before_the_call(self) -> None:
        """
        With a timeout, everything stored has an index on return.
        """
        journal = self._journal_of(3)

        assert journal.size(timeout=5.0) == 3  # noqa: PLR2004

    def test_relay_that_never_ran_is_at_zero(self) -> None:
        """
        An unknown relay begins at the beginning.
        """
        assert self._journal_of(1).position("nobody") == 0

    def test_lease_has_one_holder(self) -> None:
        """
        While it is held nobody else gets it; another relay's is its own.
        """
        journal = self._journal_of(1)

        lease = journal.lease("a")

        assert lease is not None
        assert journal.lease("a") is None
        assert journal.lease("b") is not None

    def test_position_is_kept(self) -> None:
        """
        The next holder resumes where the last one stopped.
        """
        journal = self._journal_of(5)
        first = journal.lease("a")
        assert first is not None
        assert first.position == 0

        first.advance(3)
        first.release()
        second = journal.lease("a")

        assert second is not None
        assert (first.position, second.position) == (3, 3)
        assert journal.position("a") == 3  # noqa: PLR2004

    def test_positions_are_independent(self) -> None:
        """
        One relay's progress says nothing of another's.
        """
        journal = self._journal_of(5)
        lease = journal.lease("a")
        assert lease is not None

        lease.advance(5)

        assert journal.position("b") == 0

    def test_replaced_holder_cannot_move_the_position(self) -> None:
        """
        Who was frozen past the end of its lease is fenced off.
        """
        journal = self._journal_of(5)
        frozen = journal.lease("a")
        assert frozen is not None
        self.expire_lease(journal, "a")
        holder = journal.lease("a")
        assert holder is not None
        holder.advance(4)

        assert _is_fenced(partial(frozen.advance, 2))
        assert _is_fenced(frozen.renew)
        frozen.release()

        assert journal.position("a") == 4  # noqa: PLR2004
        assert journal.lease("a") is None

    def test_expired_lease_that_nobody_took_goes_on(self) -> None:
        """
        A holder that was slow, but not replaced, keeps its lease.
        """
        journal = self._journal_of(5)
        lease = journal.lease("a")
        assert lease is not None
        self.expire_lease(journal, "a")

        lease.renew()

        assert journal.lease("a") is None

    def test_dead_letters_are_kept_with_the_position(self) -> None:
        """
        Advancing takes dead letters along.
        """
        journal = self._journal_of(2)
        lease = journal.lease("a")
        assert lease is not None
        record = journal.read(0, 1)[0]

        lease.advance(1, [DeadLetter(record=record, reason="too large")])

        assert journal.position("a") == 1

    def test_dead_letters_are_given_out_again(self) -> None:
        """
        A journal that gives them out does so in their order, by relay, until
        they are delivered.
        """
        journal = self._journal_of(4)
        if not isinstance(journal, DeadLetterOffice):
            return
        lease = journal.lease("a")
        assert lease is not None
        records = journal.read(0, 3)
        lease.advance(3, [DeadLetter(record=r, reason="no") for r in records])

        journal.redriven("a", 2)
        journal.refused_again("a", 3, "still no")

        found = journal.dead_letters("a")
        assert [
            (e.record.index, e.record.body, e.reason, e.attempts)
            for e in found
        ] == [
            (1, records[0].body, "no", 1),
            (3, records[2].body, "still no", 2),
        ]
        assert all(each.at is not None for each in found)
        assert list(journal.dead_letters("a", after=1)) == list(found[1:])
        assert list(journal.dead_letters("a", limit=1)) == list(found[:1])
        assert list(journal.dead_letters("b")) == []

    def test_status_tells_how_it_stands(self) -> None:
        """
        A journal that reports says how much it holds, and of each relay how
        far it has come and what is dead; of one that never ran, too.
        """
        journal = self._journal_of(5)
        if not isinstance(journal, ReportingJournal):
            return
        lease = journal.lease("a")
        assert lease is not None
        record = journal.read(0, 2)[1]
        lease.advance(2, [DeadLetter(record=record, reason="no")])

        found = journal.status(relays=["b", "a"])

        assert (found.size, found.waiting) == (5, 0)
        ran, never = found.relays
        assert (ran.relay, ran.position, ran.behind) == ("a", 2, 3)
        assert (never.relay, never.position, never.behind) == ("b", 0, 5)
        assert (ran.dead_letters, never.dead_letters) == (1, 0)
        assert ran.expires_in is not None
        assert 0 < ran.expires_in <= lease.ttl
        assert never.expires_in is None
        assert ran.oldest_age is not None
        assert found.oldest_age == never.oldest_age is not None

    def test_status_of_what_is_delivered(self) -> None:
        """
        When all relays are through nothing is old, and nothing is counted
        that was given back.
        """
        journal = self._journal_of(2)
        if not isinstance(journal, ReportingJournal):
            return
        lease = journal.lease("a")
        assert lease is not None
        journal.read(0, 2)
        lease.advance(2)
        lease.release()

        found = journal.status()

        (relay,) = found.relays
        assert (relay.behind, relay.oldest_age, found.oldest_age) == (
            0,
            None,
            None,
        )
        assert relay.expires_in is None
        assert journal.position("b") == 0
        assert len(journal.status().relays) == 1

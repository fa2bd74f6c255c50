"""
Journal, relay, sink and dead letters, against a model of them.

Hypothesis draws what is done; the model, a few lists, says what must be so.
"""

from __future__ import annotations

import attrs

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from auditlog import Relay
from auditlog.errors import EventRefusedError, SinkUnavailableError
from auditlog.redrive import redrive
from auditlog.testing.contracts import make_record
from auditlog.testing.faults import FaultySink


NAME = "target"
BATCH = 4


def quickly(examples, steps=30, **changes):
    """
    Settings for so many examples, on a busy machine too.
    """
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[*HealthCheck],
        **changes,
    )


def finding(examples=300):
    """
    Settings to find what is known to be there, at once.
    """
    return quickly(
        examples,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )


class Crash(BaseException):
    """
    The process ends here.
    """


class Target:
    """
    Everything that ever came, as often as it came.
    """

    def __init__(self):
        self.found = []
        self.placeholders = []

    def write(self, records):
        self.found += [(each.event_id, each.body) for each in records]


class Sink(FaultySink):
    """
    A sink that knows placeholders.
    """

    def write_placeholders(self, letters):
        self.sink.placeholders += [e.record.event_id for e in letters]

    def once(self, fault):
        """
        Meet *fault* instead of the next write.
        """
        self._faults.append(fault)

    @property
    def faults(self):
        return len(self._faults)


class Journal:
    """
    A journal whose positions can fail to move, or say so although they did.
    """

    def __init__(self, journal):
        self.journal = journal
        self.faults = []
        self.moves = []

    def __getattr__(self, name):
        return getattr(self.journal, name)

    def lease(self, relay):
        lease = self.journal.lease(relay)
        if lease is not None:
            move = lease.advance
            lease.advance = lambda *args: self._advance(move, *args)
        return lease

    def _advance(self, move, *args):
        fault = self.faults.pop(0) if self.faults else None
        if fault == "lost":
            raise SinkUnavailableError("told to do nothing")
        move(*args)
        self.moves.append(args[0])
        if fault == "unheard":
            raise SinkUnavailableError("told to say nothing")


@attrs.define
class Model:
    """
    What must be so.

    Attributes:
        log: The events, in the journal's order.

        position: How far the relay has come.

        reached: How far it ever came, before it was forgotten.

        letters: The dead letters, as event and number of attempts.

        buried: Events that ever were dead letters.

        poison: The ids that nobody takes.

        most: How many events may have come once more than needed.
    """

    log: list = attrs.field(factory=list)
    position: int = 0
    reached: int = 0
    letters: list = attrs.field(factory=list)
    buried: set = attrs.field(factory=set)
    poison: set = attrs.field(factory=set)
    most: int = 0

    def advance(self, position, first):
        """
        The relay has come that far, over what begins with index *first*.
        """
        for record in self.log[max(self.position, first - 1) : position]:
            if record.event_id in self.poison:
                self.letters.append([record.event_id, 1])
                self.buried.add(record.event_id)
        self.position = position
        self.reached = max(self.reached, position)


class DeliveryMachine(RuleBasedStateMachine):
    """
    Does anything that may happen; give :meth:`make_journal`.
    """

    relay_class = Relay

    def __init__(self):
        super().__init__()
        self.model = Model()
        self.target = Target()
        self.sink = self.make_sink()
        self.journal = Journal(self.make_journal())

    def make_journal(self):
        """
        The journal, as it was left if it was used before.
        """
        raise NotImplementedError

    def expire_lease(self):
        """
        Let whoever holds the lease have been frozen for long.
        """
        raise NotImplementedError

    def make_sink(self):
        sink = Sink(self.target)
        sink.refuse(
            lambda record: (
                EventRefusedError("poison")
                if record.event_id in self.model.poison
                else None
            )
        )
        return sink

    def make_relay(self, sink):
        return self.relay_class(
            self.journal, sink, name=NAME, batch_events=BATCH
        )

    # What is done

    @rule(count=st.integers(1, 6))
    def publish(self, count):
        records = [make_record() for _ in range(count)]
        self.journal.write(records)
        self.model.log += records

    @precondition(lambda self: self.model.reached < len(self.model.log))
    @rule()
    def publish_again(self):
        """
        As after an answer that was lost; it is there already.
        """
        self.journal.write(self.model.log[self.model.reached :])

    @precondition(lambda self: self.model.position < len(self.model.log))
    @rule(data=st.data())
    def poison(self, data):
        waiting = self.model.log[self.model.position :]
        drawn = data.draw(st.sampled_from(range(len(waiting))))
        self.model.poison.add(waiting[drawn].event_id)

    @rule()
    def heal(self):
        self.model.poison.clear()

    @rule(times=st.integers(1, 3))
    def fail(self, times):
        self.sink.fail(times=times)

    @rule()
    def half_write(self):
        self.sink.half_write()

    @rule()
    def forget_answer(self):
        self.sink.forget_answer()
        self.model.most += BATCH

    @rule(fault=st.sampled_from(["lost", "unheard"]))
    def fail_journal(self, fault):
        self.journal.faults.append(fault)
        self.model.most += BATCH

    @rule(stores=st.booleans())
    def crash(self, stores):
        """
        The relay's process ends before or after the next write.
        """

        def fault(records):
            if stores:
                self.target.write(records)
            raise Crash

        self.sink.once(fault)
        self.model.most += BATCH

    @rule()
    def freeze(self):
        """
        The relay sleeps within the next write, while another takes over.
        """

        def fault(records):
            self.expire_lease()
            self.run(self.make_sink())
            self.target.write(records)

        self.sink.once(fault)
        self.model.most += 2 * BATCH

    @rule()
    def ship(self):
        """
        Deliver all there is, or up to the next fault.
        """
        faults = self.sink.faults + len(self.journal.faults)
        first = next((e.index for e in self.journal.read(0, 1)), 1)
        before = self.model.position
        try:
            self.run(self.sink)
        except Crash:
            self.reopen()
        found = self.journal.position(NAME)
        self.model.advance(found, first)
        assert before <= found <= len(self.model.log)
        assert faults or found == len(self.model.log)

    def run(self, sink):
        """
        As a relay that drains, in this thread and therefore always the same.
        """
        relay = self.make_relay(sink)
        relay._draining = True
        relay._reading.stop()
        relay._writing.stop()
        relay._run_once()

    @rule()
    def reopen(self):
        """
        The next process has the journal.
        """
        self.journal = Journal(self.make_journal())

    # What must be so

    @invariant()
    def journal_has_all_in_order(self):
        found = self.journal.read(0, 1000)
        indexes = [each.index for each in found]
        first = indexes[0] if indexes else len(self.model.log) + 1
        assert [*range(first, len(self.model.log) + 1)] == indexes
        assert first <= self.model.reached + 1
        kept = self.model.log[first - 1 :]
        assert [e.body for e in kept] == [e.body for e in found]

    @invariant()
    def nothing_is_lost(self):
        dead = {each for each, _ in self.model.letters}
        came = {each for each, _ in self.target.found}
        passed = self.model.log[: self.model.reached]
        assert {each.event_id for each in passed} <= came | dead

    @invariant()
    def nothing_is_changed(self):
        wrote = {(each.event_id, each.body) for each in self.model.log}
        assert set(self.target.found) <= wrote

    @invariant()
    def first_come_in_order(self):
        came = dict.fromkeys(each for each, _ in self.target.found)
        places = {e.event_id: n for n, e in enumerate(self.model.log)}
        found = [places[e] for e in came if e not in self.model.buried]
        assert sorted(found) == found

    @invariant()
    def little_comes_twice(self):
        found = self.target.found
        assert len(found) - len(set(found)) <= self.model.most

    @invariant()
    def position_is_where_it_was(self):
        assert self.model.position == self.journal.position(NAME)

    @invariant()
    def no_position_went_back(self):
        assert sorted(self.journal.moves) == self.journal.moves

    @invariant()
    def dead_letters_are_exact(self):
        letters = self.journal.dead_letters(NAME)
        found = [[e.record.event_id, e.attempts] for e in letters]
        assert self.model.letters == found
        bodies = {each.event_id: each.body for each in self.model.log}
        assert all(bodies[e.record.event_id] == e.record.body for e in letters)
        assert {"poison"} >= {each.reason for each in letters}

    @invariant()
    def dead_letters_have_placeholders(self):
        assert self.model.buried <= {*self.target.placeholders}


class RedrivingMachine(DeliveryMachine):
    """
    Sends dead letters again, too.
    """

    @rule()
    def redrive(self):
        model = self.model
        redrive(self.journal, self.make_sink(), relay=NAME)
        model.letters = [
            [each, attempts + 1]
            for each, attempts in model.letters
            if each in model.poison
        ]

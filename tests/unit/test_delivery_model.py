"""
Relays over journals in memory and on disk, against a model.
"""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest

from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from auditlog import InMemorySink, Relay, SpoolSink
from auditlog.memory import InMemoryLease
from tests.delivery_machine import (
    NAME,
    DeliveryMachine,
    RedrivingMachine,
    finding,
    quickly,
)
from tests.spool_tools import segments


class MemoryMachine(RedrivingMachine):
    """
    A journal that outlives its relays.
    """

    def __init__(self):
        self._kept = InMemorySink()
        super().__init__()

    def make_journal(self):
        return self._kept

    def expire_lease(self):
        self._kept._deliveries[NAME].expires_at = 0.0


class SpoolMachine(DeliveryMachine):
    """
    A journal that is closed, opened and trimmed.
    """

    def __init__(self):
        self._folder = tempfile.mkdtemp()
        self._spool = None
        super().__init__()

    def make_journal(self):
        if self._spool is not None:
            self._spool.close()
        self._spool = SpoolSink(self._folder, name="one", segment_bytes=4096)
        return self._spool

    def expire_lease(self):
        holders = self._spool._spool.deliveries._holders
        holders[NAME].expires_at = 0.0

    @precondition(lambda self: not self.sink.faults)
    @rule()
    def forget(self):
        """
        The relay begins again with what is there.
        """
        self.journal.forget(NAME)
        self.model.position = 0
        self.journal.moves.clear()
        self.model.most += len(self.model.log)

    def teardown(self):
        self._spool.close()
        shutil.rmtree(self._folder)


@pytest.fixture
def quick_disk(monkeypatch):
    """
    A disk that says to have it, as no power is lost here.
    """
    for sync in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, sync, lambda fd: None)


def test_journal_in_memory():
    """
    Whatever fails, in any order: nothing is lost, first comes first, no
    position goes back, and the dead letters are those that were refused.
    """
    run_state_machine_as_test(MemoryMachine, settings=quickly(200))


def test_journal_on_disk(quick_disk):
    """
    The same, where each process opens what the last one left.
    """
    run_state_machine_as_test(SpoolMachine, settings=quickly(100))


class AdvancesFirst(Relay):
    """
    Keeps the position, then delivers.
    """

    def _deliver(self, lease, records):
        self._advance(lease, records)
        super()._deliver(lease, records)


class KeepsNoLetters(Relay):
    """
    Goes on behind an event that was refused, and that is all.
    """

    def _advance(self, lease, records, letters=()):
        super()._advance(lease, records)


class Overtakes(Relay):
    """
    Delivers the last of a batch first.
    """

    def _write(self, lease, records):
        super()._write(lease, records[::-1])


class BuriesAll(Relay):
    """
    Gives a batch up because of one event.
    """

    def _deliver(self, lease, records):
        try:
            self._writing.call(lambda: self._write(lease, records))
        except Exception as exc:  # noqa: BLE001 - that is the mistake
            self._bury(lease, records, dict.fromkeys(records, exc))
        else:
            self._advance(lease, records)


class DeliversTwice(Relay):
    """
    Delivers each batch, and once more.
    """

    def _write(self, lease, records):
        super()._write(lease, records)
        super()._write(lease, records)


@pytest.mark.parametrize(
    "broken",
    [AdvancesFirst, BuriesAll, DeliversTwice, KeepsNoLetters, Overtakes],
)
def test_broken_relay_is_noticed(broken):
    """
    The model finds what each of these does wrong.
    """

    class Machine(MemoryMachine):
        relay_class = broken

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=finding())


def test_lease_without_a_fence_is_noticed(monkeypatch):
    """
    A holder that was replaced moves the position back, and that is seen.
    """
    monkeypatch.setattr(InMemoryLease, "_check", lambda self: None)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(MemoryMachine, settings=finding())


def test_journal_that_forgets_is_noticed(quick_disk, monkeypatch):
    """
    A journal that loses its newest event when it is opened is seen.
    """

    class Machine(SpoolMachine):
        def make_journal(self):
            files = [] if self._spool is None else segments(self._spool)
            for path in files[-1:]:
                self._spool.close()
                os.truncate(path, path.stat().st_size - 1)
            return super().make_journal()

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=finding())

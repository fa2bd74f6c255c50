"""
Publishers, relays and events that are wrong on purpose, to see that the tests
of ours notice.
"""

from __future__ import annotations

import functools
import itertools

import pytest

from auditlog import AuditLogPublisher, InMemorySink, Relay
from auditlog._engine.gap import Gap
from auditlog.event._uuid7 import UUID7Source
from auditlog.scope import Entry
from auditlog.testing.faults import FaultySink
from tests.seen_failing import against, check
from tests.unit import test_codec_cutting as cutting
from tests.unit import test_event_json as values
from tests.unit import test_event_uuid7 as ids
from tests.unit import test_publisher as publishing
from tests.unit import test_relay as relaying
from tests.unit import test_scope as scope
from tests.unit.test_relay import relay  # noqa: F401 - a fixture


def goes_back_with_the_clock(patch):
    """
    The time in an id is what the clock says.
    """
    count = itertools.count()

    def step(source, now, high, low):
        return now, next(count)

    patch.setattr(UUID7Source, "_step", step)


def draws_each_id_anew(patch):
    """
    Ids of the same millisecond have the order of dice.
    """

    def step(source, now, high, low):
        return now, high

    patch.setattr(UUID7Source, "_step", step)


def cuts_nothing(patch):
    """
    A long event stays as long as it is.
    """
    patch.setattr("auditlog.codec._cutting.MAX_BODY_BYTES", 10**9)


def keeps_hostile_text(patch):
    """
    Text goes into the body as it came.
    """
    patch.setattr("auditlog.event._text.clean", lambda text: (text, 0))


def counts_a_burst_as_one(patch):
    """
    However many were dropped, it is one drop.
    """
    patch.setattr(Gap, "__add__", lambda gap, more: gap)


def tells_the_message(patch):
    """
    The text of an exception goes into the event unasked.
    """
    patch.setattr(Entry, "_message", lambda entry, exc: str(exc))


def swallows_the_exception(patch):
    """
    What ends the block is told of, and that is all.
    """
    leave = Entry.__exit__

    def leave_quietly(entry, *exc_info):
        leave(entry, *exc_info)
        return True

    patch.setattr(Entry, "__exit__", leave_quietly)


def delivers_a_restored_journal(patch):
    """
    That the sink has later indexes already is not looked at.
    """
    patch.setattr(Relay, "_check_journal", lambda self: None)
    hasty = functools.partial(relaying.wait_until, timeout=0.3)
    patch.setattr(relaying, "wait_until", hasty)


@pytest.fixture
def stored():
    return InMemorySink()


@pytest.fixture
def journal():
    return InMemorySink()


@pytest.fixture
def sink(stored):
    return FaultySink(stored)


@pytest.fixture
def enter(stored):
    """
    Runs a block in a scope.
    """
    with AuditLogPublisher(stored) as publisher:

        def enter(block, **fields):
            fields = {"resource": scope.INVOICE, **fields}
            with publisher.record(scope.TYPE, **fields) as entry:
                block(entry)

        yield enter


@pytest.fixture
def only(stored):
    return lambda: stored.records[0].event


@pytest.mark.parametrize(
    ("test", "variant", "given"),
    [
        against(
            ids.test_order_when_the_clock_goes_back, goes_back_with_the_clock
        ),
        against(ids.test_order_within_a_millisecond, draws_each_id_anew),
        against(cutting.test_the_limit_itself_fits, cuts_nothing),
        against(values.test_nul_alone_is_replaced, keeps_hostile_text),
        against(
            publishing.TestEnqueue().test_overflow_drop_counts_and_tells,
            counts_a_burst_as_one,
        ),
        against(scope.test_failure, tells_the_message),
        against(scope.test_failure, swallows_the_exception),
        against(
            relaying.TestTrouble().test_restored_journal_is_refused,
            delivers_a_restored_journal,
        ),
    ],
)
def test_variant_is_noticed(request, test, variant, given):
    """
    What is promised of ours does not hold there, and its test says so.
    """
    check(request, test, variant, given)

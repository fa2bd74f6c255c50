"""
Bindings fill what an event's constructor was not told.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from auditlog import context
from auditlog.codec import decode, encode
from auditlog.context import bind, current
from auditlog.event import Actor, AuditEvent, RequestContext, Resource


ALICE = Actor(id="alice")
BOB = Actor(id="bob")


def make_event(**fields):
    resource = Resource(type="t", id="i")
    return AuditEvent(event_type="A.B", resource=resource, **fields)


def test_all_fields_are_filled():
    """
    Each bindable field reaches the event.
    """
    request = RequestContext(id="7")

    with bind(
        actor=ALICE,
        request=request,
        correlation_id="c",
        traceparent="t",
        tenant="acme",
    ):
        event = make_event()

    assert (ALICE, request, "c", "t", "acme") == (
        event.actor,
        event.request,
        event.correlation_id,
        event.traceparent,
        event.tenant,
    )


def test_the_innermost_binding_wins_field_by_field():
    """
    An inner binding adds to the outer one and is gone afterwards.
    """
    with bind(actor=ALICE, tenant="acme"):
        with bind(actor=BOB, correlation_id="c"):
            inner = make_event()
        outer = make_event()
    outside = make_event()

    assert (
        inner.actor,
        inner.tenant,
        inner.correlation_id,
    ) == (BOB, "acme", "c")
    assert (
        outer.actor,
        outer.tenant,
        outer.correlation_id,
    ) == (ALICE, "acme", None)
    assert (outside.actor, outside.tenant) == (None, None)


def test_arguments_win_over_bindings():
    """
    What the constructor is told is what the event says, None included.
    """
    with bind(actor=ALICE, tenant="acme"):
        event = make_event(actor=BOB, tenant=None)

    assert (event.actor, event.tenant) == (BOB, None)


def test_none_takes_a_binding_away():
    """
    An inner None hides the outer value.
    """
    with bind(actor=ALICE), bind(actor=None):
        event = make_event()

    assert None is event.actor


def test_an_error_restores_the_outer_binding():
    """
    Bindings end however the block is left.
    """
    with pytest.raises(LookupError), bind(actor=ALICE):
        raise LookupError

    assert None is current().actor


def test_decoding_fills_nothing():
    """
    An event that is read says what was written, not who reads it.
    """
    body = encode(make_event())

    with bind(
        actor=ALICE,
        request=RequestContext(id="7"),
        correlation_id="c",
        traceparent="t",
        tenant="acme",
    ):
        event = decode(body)

    assert [
        event.actor,
        event.request,
        event.correlation_id,
        event.traceparent,
        event.tenant,
    ] == [None] * 5


def test_copies_are_not_filled_again():
    """
    A changed copy of an event without actor has none either.
    """
    import attrs  # noqa: PLC0415

    event = make_event()

    with bind(actor=ALICE):
        copy = attrs.evolve(event, reason="r")

    assert None is copy.actor


def test_unknown_fields_are_refused():
    """
    A misspelt field is an error, not a field that is never filled.
    """
    with pytest.raises(TypeError, match="acter"), bind(acter=ALICE):
        pass


def test_works_as_a_decorator():
    """
    A job's function can be bound as a whole, call after call.
    """

    @bind(actor=ALICE)
    def job():
        return make_event().actor

    assert [job(), job()] == [ALICE, ALICE]
    assert None is current().actor


def test_tasks_have_bindings_of_their_own():
    """
    Concurrent tasks don't see each other's bindings, but their parent's.
    """

    async def task(actor):
        with bind(actor=actor):
            await asyncio.sleep(0)
            return make_event()

    async def main():
        with bind(tenant="acme"):
            return await asyncio.gather(task(ALICE), task(BOB))

    events = asyncio.run(main())

    assert [event.actor for event in events] == [ALICE, BOB]
    assert [event.tenant for event in events] == ["acme"] * 2


def test_threads_start_unbound():
    """
    A plain thread inherits nothing; to_thread does.
    """
    seen = []

    async def main():
        return await asyncio.to_thread(make_event)

    with bind(actor=ALICE):
        thread = threading.Thread(target=lambda: seen.append(make_event()))
        thread.start()
        thread.join()
        seen.append(asyncio.run(main()))

    assert [event.actor for event in seen] == [None, ALICE]


def test_left_in_another_context():
    """
    A framework may leave the block in another context than it entered it.
    """
    binding = bind(actor=ALICE)
    contextvars.copy_context().run(binding.__enter__)

    contextvars.copy_context().run(binding.__exit__, None, None, None)

    assert None is current().actor


def test_the_repr_shows_no_person():
    """
    Contexts may end in logs.
    """
    shown = repr(context.Context(actor=Actor(id="secret")))

    assert "secret" not in shown

"""
Scopes: how a block ends is how its event ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging

import pytest

from auditlog import (
    Actor,
    AuditLogPublisher,
    Change,
    InMemorySink,
    Outcome,
    Resource,
)
from auditlog.context import bind
from auditlog.errors import EncodingError, InvalidEventError, SinkError


INVOICE = Resource(type="invoice", id="7")
TYPE = "App.Invoice.Approve"


@pytest.fixture
def sink():
    return InMemorySink()


@pytest.fixture
def publisher(sink):
    with AuditLogPublisher(sink) as publisher:
        yield publisher


@pytest.fixture
def only(sink):
    """
    The one event that was stored.
    """

    def only():
        (record,) = sink.records
        return record.event

    return only


class RefusedError(Exception):
    """
    What goes wrong in a block.
    """


@pytest.fixture(params=["with", "async with"])
def enter(request, publisher):
    """
    Runs a block in a scope, in a thread or in an event loop.
    """

    def plain(block, **fields):
        with publisher.record(TYPE, **{"resource": INVOICE, **fields}) as it:
            block(it)

    async def loop(block, **fields):
        scope = publisher.record(TYPE, **{"resource": INVOICE, **fields})
        async with scope as it:
            block(it)

    if request.param == "with":
        return plain
    return lambda *args, **fields: asyncio.run(loop(*args, **fields))


def nothing(_):
    pass


def fail(_):
    raise RefusedError("c4n4ry")


def test_success(enter, only):
    """
    A block that ends is a success, and its event has what was set on it.
    """

    def block(entry):
        entry.change("amount", 1, 2)
        entry.metadata["via"] = "api"
        entry.reason = "four eyes"
        entry.resource = Resource(type="invoice", id="8")

    enter(block, actor=Actor(id="alice"), metadata={"a": 1})

    event = only()
    assert event.outcome is Outcome.SUCCESS
    assert event.actor == Actor(id="alice")
    assert event.changes == (Change(path="amount", old=1, new=2),)
    assert event.metadata == {"a": 1, "via": "api"}
    assert (event.code, event.reason) == (None, "four eyes")
    assert event.resource.id == "8"


def test_failure(enter, only):
    """
    An exception is a failure of its class, never of its message, and goes on.
    """
    with pytest.raises(RefusedError, match="c4n4ry"):
        enter(fail)

    event = only()
    assert event.outcome is Outcome.FAILURE
    assert (event.code, event.reason) == ("RefusedError", None)


def test_message_if_asked_for(enter, only):
    """
    The message is told only by who wants it to be.
    """
    with pytest.raises(RefusedError):
        enter(fail, tell_message=True)

    assert only().reason == "c4n4ry"


def test_outcome_of_the_block_wins(enter, only):
    """
    What is denied stays denied, with the block's own words.
    """

    def deny(entry):
        entry.outcome = "denied"
        entry.code = "quota"
        entry.reason = "too many"
        raise RefusedError

    with pytest.raises(RefusedError):
        enter(deny)

    event = only()
    assert event.outcome is Outcome.DENIED
    assert (event.code, event.reason) == ("quota", "too many")


def test_denied_without_an_exception(enter, only):
    """
    A block may say so and go on.
    """
    enter(lambda entry: setattr(entry, "outcome", Outcome.DENIED))

    assert only().outcome is Outcome.DENIED


@pytest.mark.parametrize(
    "exc", [KeyboardInterrupt, SystemExit, asyncio.CancelledError]
)
def test_what_ends_programs_is_a_failure_too(publisher, only, exc):
    """
    It is told, and goes on.
    """
    with (
        pytest.raises(exc),
        publisher.record(TYPE, resource=INVOICE),
    ):
        raise exc

    assert only().code == exc.__name__


def test_cancelled_task(publisher, only):
    """
    A task that is cancelled in its block is told of, and is cancelled.
    """

    async def work():
        async with publisher.record(TYPE, resource=INVOICE):
            await asyncio.Event().wait()

    async def main():
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert (only().outcome, only().code) == ("failure", "CancelledError")


def test_wrong_arguments_before_the_block(publisher, sink):
    """
    An event that can't be built is refused before anything is done.
    """
    with (
        pytest.raises(InvalidEventError),
        publisher.record("no dots or blanks", resource=INVOICE),
    ):
        pytest.fail("the block was run")

    assert sink.records == []


def test_what_cannot_be_written_down(enter, sink):
    """
    On success it is an error; what ends the block is never lost for it.
    """

    def block(entry):
        entry.metadata["x"] = object()

    with pytest.raises(EncodingError, match=r"\$\.metadata\.x"):
        enter(block)
    assert sink.records == []

    def both(entry):
        block(entry)
        raise RefusedError

    with pytest.raises(RefusedError) as caught:
        enter(both)
    assert "says less than it was to" in caught.value.__notes__[0]
    (record,) = sink.records
    assert (record.event.outcome, record.event.code) == (
        "failure",
        "RefusedError",
    )


def test_change_that_cannot_be_written_down(enter, only):
    """
    Is told where it is made.
    """

    def block(entry):
        with pytest.raises(EncodingError):
            entry.change("x", None, float("nan"))

    enter(block)

    assert only().changes == ()


class Broken(InMemorySink):
    def write(self, records):
        raise SinkError("out of order")


def test_sink_that_fails(caplog):
    """
    On success the block fails; an exception of the block goes on, with a
    note.
    """
    caplog.set_level(logging.ERROR, "auditlog.publisher")
    publisher = AuditLogPublisher(Broken(), shutdown_timeout=0.1)
    with (
        pytest.raises(SinkError),
        publisher.record(TYPE, resource=INVOICE, timeout=0.2),
    ):
        pass
    with (
        pytest.raises(RefusedError) as caught,
        publisher.record(TYPE, resource=INVOICE, timeout=0.2) as entry,
    ):
        raise RefusedError

    assert str(entry.event_id) in caught.value.__notes__[0]
    assert str(entry.event_id) in caplog.text


def test_nested(publisher, sink):
    """
    Each scope is an event of its own; the inner names the outer as its cause
    where it is told to.
    """
    with publisher.record(TYPE, resource=INVOICE) as outer:
        cause = str(outer.event_id)
        with publisher.record(TYPE, resource=INVOICE, causation_id=cause):
            pass

    inner, last = (record.event for record in sink.records)
    assert last.event_id == outer.event_id
    assert inner.causation_id == cause
    assert last.causation_id is None


def test_bindings_of_the_beginning(publisher, only):
    """
    Who acts is who acted when the block began.
    """
    with bind(actor=Actor(id="alice")):
        scope = publisher.record(TYPE, resource=INVOICE)
    with bind(actor=Actor(id="bob")), scope:
        pass

    assert only().actor == Actor(id="alice")


def test_generator_left_in_another_context(publisher, sink):
    """
    A scope in a generator touches nobody else's context, wherever it ends.
    """

    def work():
        with publisher.record(TYPE, resource=INVOICE):
            yield

    generator = work()
    contextvars.copy_context().run(next, generator)
    contextvars.copy_context().run(generator.close)

    (record,) = sink.records
    assert record.event.code == "GeneratorExit"


def test_tasks_do_not_mix(publisher, sink):
    """
    A hundred tasks, each with its own entry.
    """

    async def work(number):
        async with publisher.record(TYPE, resource=INVOICE) as entry:
            entry.metadata["n"] = number
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*map(work, range(100)))

    asyncio.run(main())

    found = [record.event.metadata["n"] for record in sink.records]
    assert sorted(found) == list(range(100))


def test_time_is_that_of_the_end(publisher, only):
    """
    An event happened when it was done.
    """
    with publisher.record(TYPE, resource=INVOICE) as entry:
        begun = entry._draft.occurred_at

    assert only().occurred_at >= begun
    assert only().event_id == entry.event_id


class FrozenError(Exception):
    """
    Takes no note and has no text.
    """

    def __str__(self):
        raise ZeroDivisionError

    def add_note(self, note):
        raise TypeError


def test_exceptions_of_any_kind_go_on(enter, only):
    """
    Nothing that the exception does keeps it from going on, or its event from
    being stored.
    """

    def block(entry):
        entry.metadata["x"] = object()
        entry.outcome = []
        raise FrozenError

    with pytest.raises(FrozenError):
        enter(block, tell_message=True)

    assert (only().outcome, only().code) == ("failure", "FrozenError")


def test_as_much_as_can_be_told(enter, only):
    """
    One value without a form takes no more along than it has to.
    """

    def block(entry):
        entry.outcome = "denied"
        entry.reason = "quota"
        entry.metadata["x"] = object()
        raise RefusedError

    with pytest.raises(RefusedError):
        enter(block, metadata={"a": 1})

    event = only()
    assert (event.outcome, event.reason) == ("denied", "quota")
    assert event.metadata == {"a": 1}


def test_second_block_refused(publisher, only):
    """
    An entry is for one block.
    """
    scope = publisher.record(TYPE, resource=INVOICE)
    with scope:
        pass

    with pytest.raises(InvalidEventError, match="is for one block"), scope:
        pytest.fail("the block was run")
    assert only().outcome == "success"


def test_coroutine_that_is_closed(publisher, sink):
    """
    Where nothing can be awaited any more the event is stored all the same.
    """

    async def work():
        async with publisher.record(TYPE, resource=INVOICE):
            await asyncio.Future()

    async def main():
        coroutine = work()
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())
    publisher.flush()

    (record,) = sink.records
    assert record.event.code == "GeneratorExit"

"""
Signal handlers and finalizers that interrupt their own thread in here.

Each call of the library is interrupted at each call that it makes in turn:
there, a handler publishes, flushes or closes, as one of a signal would.
"""

from __future__ import annotations

import contextlib
import sys

import pytest

from auditlog import AuditLogPublisher, InMemorySink
from auditlog._engine.buffer import Buffer
from auditlog.errors import (
    BufferFullError,
    PublisherClosedError,
    SinkTimeoutError,
)
from tests.unit.test_publisher import make_event


# Longest wait of a handler, in seconds; one that hangs needs all of it.
LONG = 5.0

OURS = ("buffer.py", "receipt.py", "gap.py", "publisher.py")


class Interruption:
    """
    Calls *handler* at the *n*-th call that this thread makes in here.
    """

    def __init__(self, n, handler):
        self.left = n
        self.handler = handler

    def __enter__(self):
        sys.setprofile(self._called)
        return self

    def __exit__(self, *exc):
        sys.setprofile(None)

    def _called(self, frame, what, argument):
        # The interpreter runs no handler right before a call into C.
        ours = frame.f_code.co_filename.endswith(OURS)
        if ours and what != "c_call":
            self.left -= 1
            if self.left == 0:
                sys.setprofile(None)
                self.handler()


class Case:
    """
    A publisher, what was acknowledged, and how many events were dropped.
    """

    def __init__(self):
        self.sink = InMemorySink()
        self.publisher = AuditLogPublisher(self.sink, lifecycle_events=True)
        self.receipts = []
        self.acknowledged = []
        self.dropped = 0

    def wake(self):
        """
        Have the worker started.
        """
        self.publisher.publish(make_event())

    def enqueue(self):
        self.receipts.append(self.publisher.enqueue(make_event()))

    def publish(self):
        event = make_event()
        self.publisher.publish(event, timeout=LONG)
        self.acknowledged.append(event.event_id)

    def flush(self):
        self.publisher.flush(LONG)

    def close(self):
        self.publisher.close(LONG)

    def drop(self):
        error = BufferFullError("full")
        self.publisher._buffer.drop(make_event(), error)
        self.dropped += 1

    def begin(self):
        self.enqueue()

    def tell(self):
        self.drop()
        self.enqueue()

    def withdraw(self):
        self.enqueue()
        receipt = self.receipts.pop()
        error = PublisherClosedError("given up")
        self.publisher._buffer.withdraw(receipt, error)

    def check(self):
        """
        Nothing is lost, and the books are right.
        """
        self.publisher.close(LONG)
        events = [record.event for record in self.sink.records]
        stored = [event.event_id for event in events]
        counts = self.publisher._buffer.counts()

        assert (0, 0) == (counts.waiting, counts.waiting_bytes)
        assert counts.stored == len(stored) == len({*stored})
        assert all(receipt.done() for receipt in self.receipts)
        safe = {
            *self.acknowledged,
            *(r.event_id for r in self.receipts if r.exception(0) is None),
        }
        assert safe <= {*stored}
        assert self.dropped == sum(
            event.metadata["count"]
            for event in events
            if event.event_type == "AuditLog.Event.Drop"
        )


CALLS = ["begin", "tell", "enqueue", "publish", "flush", "close", "drop"]


def interrupt_everywhere(call, handler):
    """
    Makes *call* again and again, interrupted a little later each time.
    """
    closed = contextlib.suppress(PublisherClosedError)

    def handle():
        with closed:
            getattr(case, handler)()

    n = 0
    came = True
    while came:
        n += 1
        case = Case()
        with case.publisher:
            if call != "begin":
                case.wake()
            with closed, Interruption(n, handle) as interruption:
                getattr(case, call)()
            came = interruption.left <= 0
            case.check()
    assert n > 10


@pytest.mark.parametrize("handler", ["publish", "flush", "close", "drop"])
@pytest.mark.parametrize("call", [*CALLS, "withdraw"])
def test_handler_comes_at_any_moment(call, handler):
    """
    It neither waits in vain nor costs an event, whichever call it is in.
    """
    interrupt_everywhere(call, handler)


@pytest.mark.parametrize("handler", ["publish", "flush", "close"])
def test_handler_that_keeps_the_lock_is_noticed(monkeypatch, handler):
    """
    The worker can't go on then.
    """
    monkeypatch.setattr(sys.modules[__name__], "LONG", 0.2)
    keeps = lambda buffer, comes, timeout: comes(timeout)  # noqa: E731
    monkeypatch.setattr(Buffer, "wait", keeps)

    with pytest.raises(SinkTimeoutError):
        interrupt_everywhere("enqueue", handler)

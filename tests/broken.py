"""
Variants of the library that are broken on purpose, to see tests fail.

A process under test calls one of these before anything else. A check runs as
it is and once with each variant that it has to notice; see `noticed`.
"""

from __future__ import annotations

import contextlib
import threading
import time

from auditlog import AuditLogPublisher
from auditlog._engine import process
from auditlog._engine.buffer import Buffer


class Deaf:
    """
    Takes everything and keeps nothing.
    """

    def add(self, thing):
        pass

    def __iter__(self):
        return iter(())


def no_fork_hook():
    """
    A child goes on with its parent's locks, thread and connections.
    """
    process._forkables = Deaf()


def imports_in_its_threads():
    """
    What a thread needs is imported by it, whenever the process forks.
    """
    from auditlog._engine import retry  # noqa: PLC0415

    retry.load = lambda: None


def child_keeps_the_queue():
    """
    A child stores what its parent has queued as well.
    """
    after_fork = AuditLogPublisher.after_fork

    def keep(publisher):
        queued = [*publisher._buffer._batch, *publisher._buffer._queue]
        events = [receipt.event for receipt in queued if receipt.event]
        after_fork(publisher)
        for event in events:
            publisher.enqueue(event)

    AuditLogPublisher.after_fork = keep


def no_exit_hook():
    """
    Nobody stores what is queued when the process ends.
    """
    import atexit  # noqa: PLC0415

    atexit.unregister(process._at_exit)


def no_end_of_child():
    """
    Nor when a child of multiprocessing or Celery does.
    """
    from auditlog import publisher  # noqa: PLC0415

    publisher.tell_at_end_of_child = lambda: None


def ends_before_the_childs_threads():
    """
    The end of a child does not wait for the threads that Python waits for.
    """
    process._other_threads = list


def drains_with_the_main_thread():
    """
    The publisher closes when the main thread ends, as others do it.
    """
    threading._register_atexit(process._at_exit)


def acknowledges_what_is_queued():
    """
    publish() returns once the event is in memory.
    """
    AuditLogPublisher.publish = lambda self, event, timeout=0: self.enqueue(
        event
    )


def waits_for_ever():
    """
    The end of the process has no deadline.
    """
    AuditLogPublisher.at_exit = lambda self, began: self.close(3600)


def ends_one_after_the_other():
    """
    Each publisher takes the whole time for itself.
    """

    def at_exit(publisher, began):
        with contextlib.suppress(Exception):
            publisher.close()

    AuditLogPublisher.at_exit = at_exit


def cancelled_event_keeps_its_room():
    """
    What is withdrawn is not taken off the count.
    """

    def withdraw(buffer, receipt, error):
        with buffer.lock, contextlib.suppress(ValueError):
            buffer._queue.remove(receipt)

    Buffer.withdraw = withdraw


def last_in_first_out():
    """
    The queue is a stack.
    """
    append = Buffer._append

    def first(buffer, receipt):
        append(buffer, receipt)
        buffer._queue.rotate(1)

    Buffer._append = first


def counts_without_a_lock():
    """
    Two threads may read the same count.
    """

    def append(buffer, receipt):
        events = buffer.events
        time.sleep(0)
        buffer.events = events + 1
        buffer.bytes += receipt.weight
        buffer._taken += 1
        receipt.number = buffer._taken
        buffer._queue.append(receipt)

    Buffer._append = append
    init = Buffer.__init__

    def without_lock(buffer, **kwargs):
        init(buffer, **kwargs)
        buffer.lock = contextlib.nullcontext()

    Buffer.__init__ = without_lock


def half_of_what_was_taken():
    """
    Of each batch the sink gets the first half, and all is acknowledged.
    """
    start = Buffer.start

    def half(buffer, batch):
        pending = start(buffer, batch)
        buffer.store(pending[1 + len(pending) // 2 :])
        return pending[: 1 + len(pending) // 2]

    Buffer.start = half


def apply(name):
    """
    Break the library as *name* says; None leaves it as it is.
    """
    if name is not None:
        globals()[name]()

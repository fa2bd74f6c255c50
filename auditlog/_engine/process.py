"""
What becomes of living objects when the process forks and when it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref

from typing import Any, Protocol


class Forkable(Protocol):
    """
    Has something that must not be shared with a forked child.
    """

    def after_fork(self) -> None:
        """
        In the child: forget threads, locks, connections and what waits.

        Inherited connections and producers must be parked with :func:`park`.
        No other thread runs, and any lock may be held by one that is gone.
        """


class Exitable(Protocol):
    """
    Has something to finish before the process ends.
    """

    def at_exit(self, began: float) -> None:
        """
        Finish, in bounded time, without starting a thread: in Python 3.12
        none can be started any more.

        Args:
            began:
                When the end began, on the monotonic clock. All that have to
                finish share the time: it doesn't add up.
        """


_forkables: weakref.WeakSet[Any] = weakref.WeakSet()
_exitables: weakref.WeakSet[Any] = weakref.WeakSet()
_unfinished: list[Exitable] = []
_parked: list[object] = []


def tell_after_fork(thing: Forkable) -> None:
    """
    Have ``thing.after_fork()`` called in every child; held weakly.
    """
    _forkables.add(thing)


def tell_at_exit(thing: Exitable) -> None:
    """
    Have ``thing.at_exit()`` called when the process ends; held weakly.

    It runs before the exit handlers of drivers that were built up to now, if
    :func:`come_first_at_exit` was called after they were.
    """
    _exitables.add(thing)


def come_first_at_exit() -> None:
    """
    Run our exit handler before those registered so far.

    For a driver that registers one of its own, such as kafka-python, whose
    handler closes producers within a second: call this after building it.
    """
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def keep_until_exit(thing: Exitable) -> None:
    """
    Hold *thing*, which nobody else does any more, until it was finished.
    """
    _unfinished.append(thing)


def tell_at_end_of_child() -> None:
    """
    Do the same at the end of a child of :mod:`multiprocessing` or of Celery,
    which run no exit handlers; call it in the child.
    """
    parts = sys.modules.get("multiprocessing.process")
    if parts is not None and parts.parent_process() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415 - is loaded

        Finalize(None, _at_end_of_child, exitpriority=100)
    # A worker process of Celery ends with os._exit(), after this signal.
    celery = sys.modules.get("celery.signals")
    if celery is not None:
        celery.worker_process_shutdown.connect(
            _at_end_of_worker, weak=False, dispatch_uid=__name__
        )


def park(thing: object) -> None:
    """
    Keep *thing* for ever, so that it's never collected in this process.

    An inherited connection says goodbye to the server on the parent's
    behalf when it is collected, an inherited producer waits for its thread.
    """
    _parked.append(thing)


def _after_fork() -> None:
    _unfinished.clear()
    for thing in list(_forkables):
        thing.after_fork()


def _at_exit() -> None:
    began = time.monotonic()
    # All get their turn, whatever one of them raises.
    with contextlib.ExitStack() as stack:
        for thing in [*_exitables, *_unfinished]:
            stack.callback(thing.at_exit, began)


def _at_end_of_child() -> None:
    # Before 3.13 a child waits for its threads after this, and they may
    # publish: the end is theirs then. It waits for this thread as well.
    if _other_threads():
        threading.Thread(target=_at_end_of_threads).start()
    else:
        _at_exit()


def _at_end_of_threads() -> None:
    while others := _other_threads():
        for each in others:
            each.join()
    _at_exit()


def _other_threads() -> list[threading.Thread]:
    mine = (threading.current_thread(), threading.main_thread())
    return [
        each
        for each in threading.enumerate()
        if not each.daemon and each not in mine
    ]


def _at_end_of_worker(**_: object) -> None:
    _at_exit()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)

"""
What becomes of living objects when the process forks and when it ends.
"""

from __future__ import annotations

import atexit
import os
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

    def at_exit(self) -> None:
        """
        Finish, in bounded time, without starting a thread: since Python 3.12
        none can be started any more.
        """


_forkables: weakref.WeakSet[Any] = weakref.WeakSet()
_exitables: weakref.WeakSet[Any] = weakref.WeakSet()
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


def park(thing: object) -> None:
    """
    Keep *thing* for ever, so that it's never collected in this process.

    An inherited connection says goodbye to the server on the parent's
    behalf when it is collected, an inherited producer waits for its thread.
    """
    _parked.append(thing)


def _after_fork() -> None:
    for thing in list(_forkables):
        thing.after_fork()


def _at_exit() -> None:
    for thing in list(_exitables):
        thing.at_exit()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)

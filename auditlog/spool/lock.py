"""
One process per folder, by a lock of the system's.
"""

from __future__ import annotations

import errno
import fcntl
import os

from typing import TYPE_CHECKING

from auditlog._engine.process import tell_after_fork


if TYPE_CHECKING:
    from pathlib import Path


NAME = "lock"

_OTHERS = {errno.EAGAIN, errno.EACCES}


class Held:
    """
    The files that are locked; a child closes them, or it would hold them on.

    Closing is no unlocking: the parent's lock lasts until all have closed it.
    """

    def __init__(self) -> None:
        self._fds: set[int] = set()
        tell_after_fork(self)

    def open(self, path: Path) -> int:
        """
        Open the file, which is made if it isn't there.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._fds.add(fd)
        return fd

    def close(self, fd: int) -> None:
        """
        Close it, unless a fork has.
        """
        if fd in self._fds:
            self._fds.discard(fd)
            os.close(fd)

    def after_fork(self) -> None:
        """
        The child holds nothing.
        """
        for fd in list(self._fds):
            self.close(fd)


held = Held()


class Lock:
    """
    The lock of one folder.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def sign(self) -> None:
        """
        Say in the file who holds it; for people.
        """
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """
        Let others have the folder; safe to call twice.
        """
        held.close(self._fd)


def acquire(folder: Path) -> Lock | None:
    """
    The lock of *folder*, or None if another has it or the folder has gone.
    """
    path = folder / NAME
    try:
        fd = held.open(path)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have removed the folder before it let go.
        if os.path.samestat(os.fstat(fd), path.stat()):
            return Lock(fd)
    except FileNotFoundError:
        pass
    except OSError as exc:
        if exc.errno not in _OTHERS:
            held.close(fd)
            raise
    held.close(fd)
    return None


def holder(folder: Path) -> str:
    """
    Who says to hold it.
    """
    try:
        return (folder / NAME).read_text("ascii").strip() or "unknown"
    except (OSError, ValueError):
        return "unknown"


def process(folder: Path) -> str | None:
    """
    Who holds it, or None if nobody does.

    Shares the lock for that moment, and writes nothing.
    """
    try:
        fd = os.open(folder / NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno not in _OTHERS:
            raise
        return holder(folder)
    finally:
        os.close(fd)
    return None

"""
What reaches the disk, and what an error of the disk means.
"""

from __future__ import annotations

import errno
import os

from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditlog.errors import SinkError, SinkSetupError, SinkUnavailableError


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# Somebody has to mend the folder, its permissions or its name.
_SETUP = {
    errno.EACCES,
    errno.EINVAL,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENODEV,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
}


@contextmanager
def told(doing: str, path: Path) -> Iterator[None]:
    """
    Raise errors of the system as ours.
    """
    try:
        yield
    except OSError as exc:
        if isinstance(exc, SinkError):  # one of ours is a ConnectionError
            raise
        raise translate(exc, doing, path) from exc


def translate(exc: OSError, doing: str, path: Path) -> SinkError:
    """
    What *exc* means to a publisher and to a relay.
    """
    why = errno.errorcode.get(exc.errno or 0, type(exc).__name__)
    what = f"can't {doing} spool {str(path)!r}: {why}"
    if exc.errno in FULL:
        return SinkUnavailableError(
            f"{what}, the disk is full; free space, it goes on by itself"
        )
    if exc.errno in _SETUP:
        return SinkSetupError(
            f"{what}, {exc.strerror}; it must be a folder on a local disk "
            "that this user can write to"
        )
    return SinkUnavailableError(f"{what}, {exc.strerror}; look at the disk")


def write_all(fd: int, data: bytes, at: int) -> None:
    """
    Write *data* at that place, however often the system takes only a part.
    """
    left = memoryview(data)
    while left:
        done = os.pwrite(fd, left, at)
        left, at = left[done:], at + done


def read_all(fd: int, at: int, end: int) -> bytes:
    """
    The bytes from *at* to *end*, or as many as there are.
    """
    parts = []
    while at < end and (part := os.pread(fd, end - at, at)):
        parts.append(part)
        at += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def sync_folder(folder: Path) -> None:
    """
    Make the names in *folder* durable.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def create(path: Path, data: bytes, *, replace: bool = False) -> None:
    """
    Make a durable file that holds *data*, whole or not at all.
    """
    made = path.with_name(path.name + ".tmp")
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
    except OSError:
        made.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    if not replace and path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    made.rename(path)
    try:
        sync_folder(path.parent)
    except OSError:
        if not replace:  # or there would be one when it is tried again
            path.unlink(missing_ok=True)
        raise

"""
Which folder a process has for itself, below the one that all share.
"""

from __future__ import annotations

import os
import re
import secrets

from typing import TYPE_CHECKING

from auditlog.errors import SinkSetupError

from .files import sync_folder
from .lock import Lock, acquire, holder
from .versions import check_versions


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# A process and something random; folders of other names are left alone.
_NAME = re.compile(r"[0-9]+-[0-9a-f]{8}")


def take(path: Path, name: str | None) -> tuple[Path, Lock]:
    """
    The folder of this process, locked.

    Without a *name* it is that of a process which is gone, or a new one.

    Raises:
        SinkSetupError:
            If another process has the one of that *name*, or a newer version
            has written it.
    """
    make_folder(path)
    if name is not None:
        return _named(path / name)
    for folder in candidates(path):
        if (lock := acquire(folder)) is None:
            continue
        try:
            check_versions(folder)
        except SinkSetupError:  # whoever reads says so
            lock.release()
        else:
            return folder, lock
    return _new(path)


def candidates(path: Path) -> Iterator[Path]:
    """
    The folders below *path* that belong to one process each, oldest first.
    """
    for folder in sorted(path.iterdir()):
        if is_of_process(folder.name):
            yield folder


def is_of_process(name: str) -> bool:
    """
    Whether a folder of that name is one that a process chose.
    """
    return bool(_NAME.fullmatch(name))


def make_folder(folder: Path) -> None:
    """
    Make *folder* and those above it, durably.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise
    sync_folder(folder.parent)


def _named(folder: Path) -> tuple[Path, Lock]:
    make_folder(folder)
    lock = acquire(folder)
    if lock is None:
        raise SinkSetupError(
            f"spool {str(folder)!r} is in use by process {holder(folder)}; "
            "leave 'name' out, and each process has a folder of its own"
        )
    try:
        check_versions(folder)
    except BaseException:
        lock.release()
        raise
    return folder, lock


def _new(path: Path) -> tuple[Path, Lock]:
    while True:
        folder = path / f"{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        # Another process may take it for one that was left.
        if (lock := acquire(folder)) is not None:
            sync_folder(path)
            return folder, lock


def is_named_well(name: str) -> bool:
    """
    Whether a folder of that name may be given to one process.
    """
    plain = re.fullmatch(r"[\w-][\w.-]*", name)
    return bool(plain) and not is_of_process(name)

"""
What is wrong with a spool, for people who want to mend it.
"""

from __future__ import annotations

import os
import shutil

from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.errors import SinkError
from auditlog.findings import Finding

from .ladder import STEPS
from .view import look


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .view import View


_FOLDER = (
    "give this user a folder on a local disk, or set AUDITLOG_SPOOL_PATH to "
    "another one"
)
_DISK = (
    "free space, or set AUDITLOG_SPOOL_MAXBYTES lower, so that the spool "
    "says that it fills up before the disk is full"
)
_FULL = (
    "see why relays don't deliver, which the application logs, or raise "
    "AUDITLOG_SPOOL_MAXBYTES"
)
_LEFT = (
    "start the application, which takes them over as it starts or as soon as "
    "its relay has nothing else to do"
)
_LOST = (
    "look at the disk, and at who deletes files there; damaged bytes are kept "
    "in the folders quarantine"
)
_LETTERS = (
    "auditlog dead-letters list says why; then mend that, and send them again"
)


def inspect_spool(
    path: str | os.PathLike[str], /, *, max_bytes: int = 1024**3
) -> list[Finding]:
    """
    Look at the folders of a spool; change nothing, not even their locks.

    A folder that somebody has can be looked at as well.

    Args:
        path: As for :class:`auditlog.SpoolSink`.

        max_bytes: As for :class:`auditlog.SpoolSink`.

    Returns:
        Findings about ``spool.folder``, ``spool.disk``, ``spool.version``,
        ``spool.processes``, ``spool.fill``, ``spool.left``, ``spool.lost``
        and ``spool.dead_letters``.

    .. versionadded:: 0.1.0
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - no look
    try:
        return [*_findings(whole, max_bytes)]
    except SinkError as exc:
        return [Finding.of_error("spool.folder", exc, _FOLDER)]
    except OSError as exc:
        detail = f"{whole} can't be looked into: {exc.strerror}"
        return [Finding("spool.folder", "failed", detail, _FOLDER)]


def _findings(path: Path, max_bytes: int) -> Iterator[Finding]:
    folder = _folder(path)
    yield folder
    if folder.state == "failed":
        return
    views = look(path)
    yield _disk(path, max_bytes, sum(each.used for each in views))
    version = _version(views)
    yield version
    if version.state == "failed":
        return
    yield _processes(views)
    yield _fill(views, max_bytes)
    yield _left(views)
    yield _lost(views)
    yield _letters(views)


def _nearest(path: Path) -> Path:
    """
    *path*, or what there is of it.
    """
    return next(each for each in (path, *path.parents) if lexists(each))


def _folder(path: Path) -> Finding:
    check, there = "spool.folder", _nearest(path)
    if not there.is_dir():
        detail = f"{there} is no folder"
        return Finding(check, "failed", detail, _FOLDER)
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        detail = f"{there} can't be written to by this user"
        return Finding(check, "failed", detail, _FOLDER)
    if there != path:
        detail = f"{path} is made with the first event"
        return Finding(check, "ok", detail)
    return Finding(check, "ok", f"{path} can be written to")


def _disk(path: Path, max_bytes: int, used: int) -> Finding:
    free = shutil.disk_usage(_nearest(path)).free
    detail = (
        f"the disk has {_size(free)} free, one process may store "
        f"{_size(max_bytes)}, {_size(used)} are stored"
    )
    if free + used < max_bytes:
        return Finding("spool.disk", "warning", detail, _DISK)
    return Finding("spool.disk", "ok", detail)


def _version(views: Sequence[View]) -> Finding:
    check = "spool.version"
    try:
        for each in views:
            each.check_version()
    except SinkError as exc:
        return Finding.of_error(check, exc)
    return Finding(check, "ok", "nothing was written by a newer auditlog")


def _processes(views: Sequence[View]) -> Finding:
    living = [each.process for each in views if each.process]
    if not living:
        return Finding("spool.processes", "ok", "no process uses it now")
    detail = f"in use by {_count(living, 'process')}: {', '.join(living)}"
    return Finding("spool.processes", "ok", detail)


def _fill(views: Sequence[View], max_bytes: int) -> Finding:
    check = "spool.fill"
    if not views:
        return Finding(check, "ok", "nothing is stored")
    fullest = max(views, key=lambda each: each.used)
    percent = fullest.used * 100 // max_bytes
    detail = f"{fullest.folder.name} is {percent} % full{_behind(fullest)}"
    if percent < STEPS[0]:
        return Finding(check, "ok", detail)
    return Finding(check, "warning", detail, _FULL)


def _behind(view: View) -> str:
    relays = view.relays
    if not relays:
        return ", and no relay reads it"
    slowest = min(relays, key=relays.__getitem__)
    return f", and relay {slowest!r} is at {relays[slowest]}"


def _left(views: Sequence[View]) -> Finding:
    left = [each.waiting for each in views if each.process is None]
    waiting = [each for each in left if each]
    if not waiting:
        detail = "no process has left events behind"
        return Finding("spool.left", "ok", detail)
    detail = (
        f"{sum(waiting)} events wait in {_count(waiting, 'folder')} of "
        "processes that are gone"
    )
    return Finding("spool.left", "warning", detail, _LEFT)


def _lost(views: Sequence[View]) -> Finding:
    lost = sum(each.lost for each in views)
    pieces = sum(each.damaged for each in views)
    if not pieces:
        return Finding("spool.lost", "ok", "nothing is damaged or missing")
    detail = (
        f"{_count(range(pieces), 'piece')} damaged or missing, with up to "
        f"{lost} events"
    )
    return Finding("spool.lost", "warning", detail, _LOST)


def _letters(views: Sequence[View]) -> Finding:
    check = "spool.dead_letters"
    count = sum(len(each.letters()) for each in views)
    if not count:
        return Finding(check, "ok", "no dead letters")
    detail = f"the topic refused {_count(range(count), 'event')}"
    return Finding(check, "warning", detail, _LETTERS)


def _count(things: Sequence[object], noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    number = len(things)
    return f"{number} {noun if number == 1 else noun + plural}"


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"

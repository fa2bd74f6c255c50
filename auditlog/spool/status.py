"""
How a spool stands: one's own, and from outside those of other processes.
"""

from __future__ import annotations

import os

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from auditlog.status import (
    JournalStatus,
    RelayStatus,
    oldest,
    seconds_since,
)

from . import lock, positions, quarantine
from .files import told
from .frame import Frame, scan
from .header import HEADER
from .log import recorded_at
from .segment import find
from .view import View


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from .spool import Spool


# A folder whose files are deleted while they are looked at is looked at anew.
_TRIES = 5


def status_of(
    spool: Spool, relays: Iterable[str], max_bytes: int
) -> JournalStatus:
    """
    How the spool of this process stands.
    """
    known = spool.deliveries.positions()
    dead = Counter(relay for relay, _ in spool.deliveries.letters())
    size = spool.log.last
    found = tuple(
        _relay(
            name,
            known.get(name, 0),
            size,
            _first_behind(spool, known.get(name, 0)),
            dead=dead[name],
            expires_in=spool.deliveries.expires_in(name),
        )
        for name in sorted({*known, *relays})
    )
    return JournalStatus(
        where=str(spool.folder),
        size=size,
        oldest_age=oldest(found),
        relays=found,
        stored_bytes=spool.log.used,
        max_bytes=max_bytes,
        lost=quarantine.lost(spool.folder),
        process=os.getpid(),
    )


def _first_behind(spool: Spool, position: int) -> datetime | None:
    found = spool.log.read(position, 1)
    return found[0].recorded_at if found else None


def _relay(
    name: str,
    position: int,
    size: int,
    first: datetime | None,
    *,
    dead: int,
    expires_in: float | None = None,
) -> RelayStatus:
    return RelayStatus(
        relay=name,
        position=position,
        behind=max(size - position, 0),
        oldest_age=None if first is None else seconds_since(first),
        dead_letters=dead,
        expires_in=expires_in,
    )


# From outside


def look(
    path: Path, *, relays: Iterable[str] = (), max_bytes: int | None = None
) -> list[JournalStatus]:
    """
    How the spools below *path* stand, whichever processes have them.

    Only reads, and takes no lock: a process that writes goes on, and what it
    is writing at this moment may be counted or not. Who holds a lease is
    known to that process alone.

    Raises:
        SinkSetupError:
            If the folder can't be read, or a newer version has written it.
    """
    if not path.is_dir():
        return []
    names = [*relays]
    with told("look into", path):
        found = [
            _look(each, names, max_bytes) for each in sorted(path.iterdir())
        ]
    return [each for each in found if each is not None]


def _is_spool(folder: Path) -> bool:
    return (folder / lock.NAME).is_file() and (
        folder / positions.NAME
    ).is_file()


def _look(
    folder: Path, relays: list[str], max_bytes: int | None
) -> JournalStatus | None:
    """
    How one stands; None if it went to another process meanwhile.
    """
    for _ in range(_TRIES):
        if not _is_spool(folder):
            return None
        try:
            return _seen(folder, relays, max_bytes)
        except FileNotFoundError:
            continue
    return _seen(folder, relays, max_bytes)


def _seen(
    folder: Path, relays: list[str], max_bytes: int | None
) -> JournalStatus:
    view = View(folder, lock.holder(folder))
    view.check_version()
    # First: positions only grow, so that nobody seems to be ahead.
    known = view.relays
    dead = Counter(each.note.relay for each in view.letters())
    segments = find(folder)
    size = view.last(default=max(known.values(), default=0))
    found = tuple(
        _relay(
            name,
            position := known.get(name, 0),
            size,
            _first_in(segments, position),
            dead=dead[name],
        )
        for name in sorted({*known, *relays})
    )
    return JournalStatus(
        where=str(folder),
        size=size,
        oldest_age=oldest(found),
        relays=found,
        stored_bytes=view.used,
        max_bytes=max_bytes,
        lost=view.lost,
        process=_number(view.process),
    )


def _first_in(
    segments: list[tuple[int, Path]], position: int
) -> datetime | None:
    """
    When the first event behind *position* was recorded.
    """
    ends = [*segments, (2**63, None)]
    for (first, path), (until, _) in pairwise(ends):
        if path is None or until <= position + 1:
            continue
        for each in _frames(path, first):
            if position < each.index < until:
                return recorded_at(each)
    return None


def _frames(path: Path, first: int) -> Iterator[Frame]:
    found = scan(path.read_bytes(), HEADER, first - 1)
    return (each for each in found if isinstance(each, Frame))


def _number(process: str | None) -> int | None:
    return int(process) if process and process.isdecimal() else None

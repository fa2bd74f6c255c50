"""
Takes in what processes that are gone have left.
"""

from __future__ import annotations

import logging

from typing import TYPE_CHECKING

from auditlog.errors import (
    AuditLogError,
    PartialWriteError,
    SinkUnavailableError,
)

from . import letters, lock, positions, quarantine
from .directory import candidates
from .files import sync_folder
from .frame import encode
from .segment import find
from .spool import Spool
from .versions import check_versions


if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from auditlog.abc import Record


log = logging.getLogger("auditlog.spool")

PAGE = 512
# Another's folder is only read from; it may hold whatever it does.
_ANY = 2**62


class Adoption:
    """
    Moves the events of such folders into the one of this process.

    Args:
        path: The folder that the processes share.

        own: The spool of this process.
    """

    def __init__(self, path: Path, own: Spool) -> None:
        self._path = path
        self._own = own
        self._said: set[tuple[Path, str]] = set()

    def run(self) -> None:
        """
        Move what there is.
        """
        for folder in candidates(self._path):
            if folder != self._own.folder:
                self._try(folder)

    def _try(self, folder: Path) -> None:
        """
        Move one folder, if nobody has it; what fails is tried again later.
        """
        try:
            if (held := lock.acquire(folder)) is None:
                return
            try:
                self._adopt(folder, held)
            finally:
                held.release()
        except (AuditLogError, OSError) as exc:
            self._say(folder, exc)

    def _adopt(self, folder: Path, held: lock.Lock) -> None:
        check_versions(folder)
        other = Spool(folder, held, max_bytes=_ANY, segment_bytes=_ANY)
        after, count = other.deliveries.passed(), 0
        while page := other.log.read(after, PAGE):
            self._take(page)
            after, count = page[-1].index or 0, count + len(page)
        self._own.deliveries.inherit(other.deliveries.letters())
        # Or those that _remove() had no time for would tell of a loss.
        other.deliveries.trimming(other.log.last)
        other.close()
        quarantine.move(self._own.folder, folder)
        _remove(folder)
        if count:
            log.info("spool: took %s audit events over from %s", count, folder)

    def _take(self, page: Sequence[Record]) -> None:
        """
        Store *page*; what is there is stored already.
        """
        try:
            self._own.log.append(page, keep_times=True)
        except PartialWriteError as exc:
            left = len(page) - len(exc.stored) - len(exc.failed)
            if left:
                raise SinkUnavailableError(
                    f"spool {str(self._own.folder)!r} has no room for "
                    f"{left} events more"
                ) from exc
            self._refused([r for r in page if r.event_id in exc.failed])

    def _refused(self, records: Sequence[Record]) -> None:
        """
        Keep events whose ids are taken by others.
        """
        for record in records:
            index = record.index or 0
            parts = encode(index, [record.event_id.bytes], [0], [record.body])
            place = self._own.folder / f"{record.event_id}.log"
            quarantine.keep(place, index, b"".join(parts), 1)
        log.error(
            "spool: %s audit events that were taken over have the ids of "
            "others; they are kept in %s",
            len(records),
            quarantine.folder_of(self._own.folder),
        )

    def _say(self, folder: Path, exc: Exception) -> None:
        said = (folder, type(exc).__name__)
        if said not in self._said:
            self._said.add(said)
            log.error("spool: can't take over %s yet: %s", folder, exc)


def _remove(folder: Path) -> None:
    """
    Remove it, the oldest events first; its lock last, which is ours.

    The positions tell of dead letters, so they are gone before those are.
    """
    gone = [path for _, path in find(folder)]
    for path in [*gone, folder / positions.NAME]:
        path.unlink(missing_ok=True)
    sync_folder(folder)
    (folder / letters.NAME).unlink(missing_ok=True)
    if quarantine.folder_of(folder).is_dir():
        quarantine.folder_of(folder).rmdir()
    (folder / lock.NAME).unlink()
    folder.rmdir()

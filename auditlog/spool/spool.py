"""
One folder that is open: its segments, and its relays.
"""

from __future__ import annotations

import os

from typing import TYPE_CHECKING

from .deliveries import Deliveries
from .ladder import Ladder
from .log import Log


if TYPE_CHECKING:
    from pathlib import Path

    from .lock import Lock


# Longest wait for a disk when a spool is closed, in seconds, for each part.
PATIENCE = 2.0


class Spool:
    """
    What a process has of its folder.
    """

    def __init__(
        self, folder: Path, lock: Lock, *, max_bytes: int, segment_bytes: int
    ) -> None:
        self.folder = folder
        self._lock = lock
        self._was = folder.stat()
        for left in folder.glob("*.tmp"):
            left.unlink()
        self.deliveries = Deliveries(folder)
        self.log = Log(
            folder,
            max_bytes=max_bytes,
            segment_bytes=segment_bytes,
            passed=self.deliveries.passed,
            trimming=self.deliveries.trimming,
            ladder=Ladder(folder, max_bytes, self.deliveries.last),
        )
        self.log.open(self.deliveries.reached(), self.deliveries.trimmed)
        self.deliveries.after_advance = self.log.trim
        lock.sign()

    def is_there(self) -> bool:
        """
        Whether nobody has deleted the folder.
        """
        try:
            return os.path.samestat(self._was, self.folder.stat())
        except OSError:
            return False

    def close(self) -> None:
        """
        Let others have it; safe to call twice.

        While a disk doesn't answer, the folder stays locked: what is under
        way may still reach it.
        """
        stopped = [part.stop(PATIENCE) for part in (self.deliveries, self.log)]
        if all(stopped):
            self._lock.release()

    def after_fork(self) -> None:
        """
        The parent goes on with it; the child drops its copies.
        """
        self.deliveries.after_fork()
        self.log.let_go()

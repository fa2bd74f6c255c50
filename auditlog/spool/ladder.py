"""
Says in time that a spool fills up.
"""

from __future__ import annotations

import logging

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


log = logging.getLogger("auditlog.spool")

STEPS = (50, 80)


class Ladder:
    """
    Warns at 50 and at 80 %, once each time that they are reached.

    Args:
        why: Who is behind, if anybody is.
    """

    def __init__(
        self, folder: Path, max_bytes: int, why: Callable[[], str]
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._why = why
        self._reached = 0

    def look(self, used: int) -> None:
        """
        Warn if *used* bytes have reached the next step.
        """
        percent = used * 100 // self._max_bytes
        reached = sum(percent >= step for step in STEPS)
        if reached > self._reached:
            log.warning(
                "spool %s is %s %% full (%s of %s bytes); %s",
                self._folder,
                percent,
                used,
                self._max_bytes,
                self._why(),
            )
        self._reached = reached

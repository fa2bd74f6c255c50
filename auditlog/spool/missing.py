"""
Counts events as lost whose file is gone: somebody has deleted it.
"""

from __future__ import annotations

import logging

from typing import TYPE_CHECKING

from . import quarantine


if TYPE_CHECKING:
    from pathlib import Path

    from .segment import Segment


log = logging.getLogger("auditlog.spool")


def behind(folder: Path, segment: Segment, until: int, passed: int) -> None:
    """
    Count what is missing between *segment* and the one that begins there.

    Args:
        passed: The index up to which no relay needs anything any more.
    """
    first = max(segment.last, passed) + 1
    inside = segment.last - segment.first + 1 - len(segment)
    # Damage at the end of the segment has left such a gap, and was counted.
    known = quarantine.lost_in(segment.path) - inside
    if until - first > max(known, 0):
        count(folder, segment.last + 1, until - first - max(known, 0))


def count(folder: Path, first: int, number: int) -> None:
    """
    Count *number* events from the index *first* on, once, and say so.
    """
    if quarantine.miss(folder, first, number):
        log.error(
            "spool: a file of %s is missing, up to %s audit events from "
            "index %s on are lost; somebody has deleted it",
            folder,
            number,
            first,
        )

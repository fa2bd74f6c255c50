"""
Makes a segment whole again: cuts what is torn, sets aside what is damaged.
"""

from __future__ import annotations

import logging
import os

from typing import TYPE_CHECKING

import attrs

from . import quarantine
from .files import create, write_all
from .frame import Damage, Frame, Torn, scan
from .header import HEADER, SEGMENT, header
from .segment import Segment


if TYPE_CHECKING:
    from pathlib import Path


log = logging.getLogger("auditlog.spool")


@attrs.define
class Found:
    """
    What a file holds.

    Attributes:
        segment: What is whole in it.

        good: Those bytes, without the header.

        wrong: What has to be set aside, with the number of lost indexes.

        next: The first index that was not given.
    """

    segment: Segment
    data: bytes
    next: int
    good: list[bytes] = attrs.field(factory=list)
    wrong: list[tuple[int, int, int]] = attrs.field(factory=list)


def recover(path: Path, first: int, until: int | None) -> Found | None:
    """
    What the file holds, after it was mended.

    Args:
        until:
            The first index of the next segment; None for the newest, whose
            end may be torn.

    Returns:
        None for a file that was never finished, which is gone now.
    """
    found = _examine(path, first, until)
    if found is None:
        path.unlink()
        return None
    if found.wrong:
        _set_aside(path, found)
    elif until is None:
        _settle(path, found)
    return found


def _examine(path: Path, first: int, until: int | None) -> Found | None:
    data = path.read_bytes()
    segment = Segment(path, first)
    found = Found(segment, data, next=first)
    if len(data) < HEADER and until is None:
        return None
    bad: Damage | None = None
    if data[:HEADER] != header(SEGMENT, first):
        bad = Damage(start=0, end=min(HEADER, len(data)), last=first - 1)
    for each in scan(data, HEADER, first - 1):
        if isinstance(each, Frame):
            if until is not None and each.index >= until:
                break  # a failed write, which was done again elsewhere
            _note(found, bad, each.index)
            bad = None
            segment.add(each.index, [each.event_id], [each.end - each.start])
            found.good.append(data[each.start : each.end])
            found.next = each.index + 1
        elif isinstance(each, Damage) or until is not None:
            bad = _joined(bad, each)
    if until is not None:
        found.next = until
    elif bad is not None:
        found.next = max(bad.last + 1, found.next)
    if bad is not None and (bad.start == 0 or found.next > segment.last + 1):
        _note(found, bad, found.next)
    return found


def _joined(bad: Damage | None, each: Damage | Torn) -> Damage:
    last = each.last if isinstance(each, Damage) else 0
    start = each.start if bad is None else bad.start
    return Damage(start=start, end=each.end, last=last)


def _note(found: Found, bad: Damage | None, index: int) -> None:
    """
    Remember what is wrong before the frame with that *index*.
    """
    if bad is not None:
        lost = index - found.segment.last - 1
        found.wrong.append((bad.start, bad.end, lost))


def _set_aside(path: Path, found: Found) -> None:
    for start, end, lost in found.wrong:
        quarantine.keep(path, start, found.data[start:end], lost)
        log.error(
            "spool: %s bytes at %s of %s are damaged, up to %s audit events "
            "are lost; the bytes are kept in %s",
            end - start,
            start,
            path,
            lost,
            quarantine.folder_of(path.parent),
        )
    head = header(SEGMENT, found.segment.first)
    create(path, b"".join([head, *found.good]), replace=True)


def _settle(path: Path, found: Found) -> None:
    """
    Cut what is torn, and write again what may only be in memory.

    After a failed sync the system says of pages that they are on the disk
    which aren't; in place, because a full disk has no room for a copy.
    """
    fd = os.open(path, os.O_RDWR)
    try:
        torn = len(found.data) - found.segment.size
        if torn:
            os.ftruncate(fd, found.segment.size)
            log.info("spool: cut %s torn bytes off %s", torn, path)
        write_all(fd, b"".join(found.good), HEADER)
        os.fdatasync(fd)
    finally:
        os.close(fd)

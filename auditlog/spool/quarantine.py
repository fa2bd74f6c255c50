"""
Keeps damaged bytes for who wants to look at them.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING

from .files import create, sync_folder


if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


_NAME = re.compile(r".*-([0-9]+)\.bad")


def folder_of(spool: Path) -> Path:
    """
    Where the damaged bytes of a spool are kept.
    """
    return spool / "quarantine"


def keep(segment: Path, start: int, data: bytes, lost: int) -> None:
    """
    Keep *data*, from that place in the segment, durably.

    The name says how many indexes are lost with it, and is the same when
    the same is found again.
    """
    folder = _made(segment.parent)
    create(folder / f"{segment.stem}-{start}-{lost}.bad", data, replace=True)


def miss(spool: Path, first: int, number: int) -> bool:
    """
    Count *number* indexes from *first* on that left no bytes; whether new.
    """
    folder = _made(spool)
    if any(folder.glob(f"missing-{first}-*.bad")):
        return False
    create(folder / f"missing-{first}-{number}.bad", b"")
    return True


def lost_in(segment: Path) -> int:
    """
    How many indexes are lost in what is kept of that file.
    """
    kept = _kept(segment.parent)
    return _sum(each for each in kept if each.stem.startswith(segment.stem))


def lost(spool: Path) -> int:
    """
    How many indexes are lost in all that is kept.
    """
    return _sum(_kept(spool))


def kept(spool: Path) -> int:
    """
    How many pieces are kept.
    """
    return len(_kept(spool))


def move(spool: Path, other: Path) -> None:
    """
    Take over what another spool had kept.
    """
    for path in _kept(other):
        path.rename(_made(spool) / f"{other.name}-{path.name}")
    if folder_of(other).is_dir():
        sync_folder(folder_of(spool)) if folder_of(spool).is_dir() else None
        sync_folder(folder_of(other))


def _made(spool: Path) -> Path:
    folder = folder_of(spool)
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        sync_folder(spool)
    return folder


def _kept(spool: Path) -> list[Path]:
    folder = folder_of(spool)
    return sorted(folder.glob("*.bad")) if folder.is_dir() else []


def _sum(paths: Iterable[Path]) -> int:
    matches = map(_NAME.fullmatch, (path.name for path in paths))
    return sum(int(match[1]) for match in matches if match)

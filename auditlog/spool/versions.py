"""
Refuses what a newer version has written, before anything is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.errors import SinkSetupError

from . import header, letters, positions, segment


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check_versions(folder: Path) -> None:
    """
    Look at the events, the positions and the dead letters in *folder*.

    Raises:
        SinkSetupError: If one of them is of a newer version.
    """
    version = max(_versions(folder), default=0)
    if version > header.VERSION:
        raise SinkSetupError(
            f"spool {str(folder)!r} is of version {version}, this auditlog "
            f"knows version {header.VERSION}; nothing was touched, use the "
            "newer auditlog"
        )


def _versions(folder: Path) -> Iterator[int]:
    for _, path in segment.find(folder):
        yield _version(header.SEGMENT, path, 0)
    yield _version(header.LETTERS, folder / letters.NAME, 0)
    for start in positions.SLOTS:
        yield _version(header.POSITIONS, folder / positions.NAME, start)


def _version(magic: bytes, path: Path, start: int) -> int:
    try:
        with path.open("rb") as file:
            file.seek(start)
            found = header.read(magic, file.read(header.HEADER))
    except FileNotFoundError:
        return 0
    return found[0] if found else 0

"""
A look at the folders of a spool without holding them; changes nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from . import lock, positions, quarantine
from .directory import is_named_well, is_of_process
from .files import told
from .frame import Frame, scan
from .header import HEADER
from .letters import Letters
from .segment import find
from .versions import check_versions


if TYPE_CHECKING:
    from pathlib import Path

    from auditlog.abc import DeadLetter

    from .letters import Kept


@attrs.frozen
class View:
    """
    One folder as it is at that moment; whoever has it goes on meanwhile.

    Attributes:
        folder: The folder.

        process: The number of the process that has it, if one has.
    """

    folder: Path
    process: str | None

    def check_version(self) -> None:
        """
        Refuse what a newer version has written.

        Raises:
            SinkSetupError: If there is any.
        """
        check_versions(self.folder)

    @property
    def relays(self) -> dict[str, int]:
        """
        The position of each relay.
        """
        return positions.peek(self.folder).relays

    @property
    def used(self) -> int:
        """
        Bytes of events.
        """
        return sum(path.stat().st_size for _, path in find(self.folder))

    @property
    def waiting(self) -> int:
        """
        How many events there are that not all relays have passed.
        """
        return max(self.last() - min(self.relays.values(), default=0), 0)

    @property
    def lost(self) -> int:
        """
        Up to how many events were lost.
        """
        return quarantine.lost(self.folder)

    @property
    def damaged(self) -> int:
        """
        How many pieces are kept in the folder ``quarantine``.
        """
        return quarantine.kept(self.folder)

    def letters(self) -> list[Kept]:
        """
        The dead letters that are undelivered, without their events.
        """
        return self._letters().all()

    def dead_letters(
        self, relay: str, /, *, after: int = 0, limit: int = 1000
    ) -> list[DeadLetter]:
        """
        Those of *relay* that are undelivered, by their indexes.
        """
        found = self._letters()
        wanted = [e for e in found.of(relay) if e.note.index > after]
        read = map(found.read, wanted[:limit])
        return [letter for letter in read if letter]

    def _letters(self) -> Letters:
        letters = Letters(self.folder)
        letters.learn(positions.peek(self.folder).letters)
        return letters

    def last(self, default: int = 0) -> int:
        """
        The highest index, or a lower one if the end is torn; *default* if
        there are no files.
        """
        found = find(self.folder)
        if not found:
            return default
        first, path = found[-1]
        parts = scan(path.read_bytes(), HEADER, first - 1)
        whole = (each.index for each in parts if isinstance(each, Frame))
        return max(deque(whole, maxlen=1), default=first - 1)


def look(path: Path) -> list[View]:
    """
    The folders below *path*, one for each process that is there or was.

    Raises:
        SinkError: If they can't be read.
    """
    if not path.exists():
        return []
    with told("look into", path):
        return [
            View(folder, lock.process(folder))
            for folder in sorted(path.iterdir())
            if is_of_process(folder.name) or is_named_well(folder.name)
            if (folder / lock.NAME).exists()
        ]

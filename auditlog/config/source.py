"""
What is found in one place: values, and names that are wrong.
"""

from __future__ import annotations

import difflib

from typing import Any

import attrs

from .settings import Path, Setting, fold, table


@attrs.frozen
class Given:
    """
    A value as it was written, and where: a variable's name or a file's.
    """

    value: Any = attrs.field(repr=False)
    where: str


class Source:
    """
    What was found in one place.

    Attributes:
        given: The values by the attributes that they are meant for.

        mistakes: What is wrong with the names and with the structure.

        settings: All that could be found.
    """

    def __init__(self, cls: type[Any]) -> None:
        self.given: dict[Path, Given] = {}
        self.mistakes: list[str] = []
        self.settings = table(cls)

    def refuse(self, wrong: str, where: str) -> None:
        """
        Note a mistake.
        """
        self.mistakes.append(f"{wrong} @ {plain(where)}")

    def unknown(self, key: str, where: str, *, strict: bool) -> None:
        """
        Refuse a name that no setting has, or leave it to whom it belongs.

        Args:
            key: The folded name.

            where: The name as it was written.

            strict: Whether it can belong to nobody else.
        """
        nearest = self._nearest(key, strict=strict)
        hint = f"; did you mean {self.spell(nearest)}?" if nearest else ""
        if strict or nearest:
            self.refuse(f"unknown setting{hint}", where)

    def spell(self, setting: Setting) -> str:
        """
        How a setting is written in this place.
        """
        raise NotImplementedError

    def _nearest(self, key: str, *, strict: bool) -> Setting | None:
        known = {each.own_key: each for each in self.settings}
        known |= {each.key: each for each in self.settings}
        cutoff = 0.8 if strict else 0.9

        # The name of the section that it is in would make all look alike.
        section = self._section(key) if strict else ""
        if section:
            known = _below(section, known)
            key, cutoff = key.removeprefix(section), 0.6
        found = difflib.get_close_matches(key, known, 1, cutoff)
        return known[found[0]] if found else None

    def _section(self, key: str) -> str:
        heads = {fold(each.dotted.split(".")[0]) for each in self.settings}
        heads |= {head.removeprefix("auditlog") for head in heads}
        return next((head for head in heads if key.startswith(head)), "")


def _below(section: str, known: dict[str, Setting]) -> dict[str, Setting]:
    return {
        key.removeprefix(section): setting
        for key, setting in known.items()
        if key.startswith(section)
    }


def plain(name: str) -> str:
    """
    A name that came from outside, on one line.

    It may hold a line that looks like a log's. And where a file is due,
    somebody may have put the URL of a database, or the content.
    """
    if "://" in name or ": " in name:
        return "(not shown, as it is more than a name)"
    return name[:200] if name.isprintable() else ascii(name[:200])

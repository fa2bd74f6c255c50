"""
Names of events as a person can read them: one line, not too long, and
nothing that turns the text around it.
"""

from __future__ import annotations

import unicodedata


# Emoji and scripts need these to be joined, and they turn nothing.
_JOINERS = "\u200c\u200d"


def shown(text: str, width: int) -> str:
    """
    *text* in at most *width* characters, with its middle left out.
    """
    if len(text) > width:
        front = (width - 1) * 2 // 3
        text = f"{text[:front]}…{text[front + 1 - width :]}"
    return "".join(
        char if char.isprintable() or char in _JOINERS else "\ufffd"
        for char in text
    )


def columns(text: str) -> int:
    """
    How many columns of a terminal *text* takes.
    """
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    marks = sum(
        unicodedata.category(char) in {"Mn", "Me", "Cf"} for char in text
    )
    return len(text) + wide - marks


def aligned(rows: list[list[str]]) -> str:
    """
    *rows* as a table of text: the first column left, the others right.
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [first + " " * (widths[0] - columns(first))]
        cells += (
            " " * (width - columns(cell)) + cell
            for width, cell in zip(widths[1:], rest, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)

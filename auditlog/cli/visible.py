"""
Texts of events as a terminal may be given them.

What stands in an event was written by others. On a terminal a control
character is a command: it moves the cursor, renames the window, hides what
stands before it. So nothing that is not printable reaches one.
"""

from __future__ import annotations

import re


# The same as `str.isprintable`, for what is not ASCII; quick to find.
_ODD = re.compile(r"[^\x20-\x7e]")
_ODD_IN_LINES = re.compile(r"[^\x20-\x7e\t\n]")

_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def visible(text: str) -> str:
    r"""
    *text* on one line, with what is not printable as ``\u001b``.

    Not printable are control characters, line breaks, marks that reorder
    text, characters without a width, surrogates, and all blanks but the
    usual one: a name with such a character looks like another name.
    """
    return text if text.isprintable() else _ODD.sub(_escaped, text)


def visible_lines(text: str) -> str:
    r"""
    The same of a text that has several lines, such as a file's.

    The form of the escapes is JSON's, so that JSON stays the same JSON.
    """
    return _ODD_IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable():
        return char
    return _SHORT.get(char) or _units(char)


def _units(char: str) -> str:
    data = char.encode("utf-16-be", "surrogatepass")
    units = (data[at : at + 2].hex() for at in range(0, len(data), 2))
    return "".join(rf"\u{each}" for each in units)

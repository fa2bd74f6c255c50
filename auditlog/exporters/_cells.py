"""
CSV cells: null apart from empty, and nothing that a spreadsheet runs.
"""

from __future__ import annotations

import re


DELIMITERS = (",", ";", "\t", "|")
EXCEL_CELL = 32_767

# What makes a spreadsheet run a cell (OWASP, CSV Injection): the four signs,
# their full-width and small forms, and TAB, CR, LF, NUL.
DANGEROUS = "=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"

# What spreadsheets strip in front of it.
BLANK = (
    "\x01-\x08\x0b\x0c\x0e-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680"
    "\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
)

_runs = re.compile(f"'*[{BLANK}]*[{DANGEROUS}]").match


def guarded(text: str) -> str:
    """
    Put a ``'`` before *text* if a spreadsheet might run it as a formula.

    What is such a text behind some ``'`` gets one more, so that
    :func:`unguarded` brings back every text.
    """
    return f"'{text}" if _runs(text) else text


def unguarded(text: str) -> str:
    """
    Take back what :func:`guarded` did.
    """
    return text[1:] if text.startswith("'") and _runs(text, 1) else text


class Cells(dict[str | None, str]):
    """
    Makes a CSV cell of each text; short ones are made once.

    Null is nothing, an empty text is ``""``; a cell that holds the delimiter,
    a quote or a line break is quoted.

    Args:
        delimiter: What stands between cells.

        guard: Whether cells are guarded against spreadsheets.
    """

    max_size = 4096
    max_length = 64

    def __init__(self, delimiter: str, *, guard: bool) -> None:
        super().__init__()
        self.delimiter = delimiter
        self._guard = guard
        self._needs_quotes = re.compile(f'[{delimiter}"\r\n]').search
        self.guarded = False
        self.too_long = False

    def __missing__(self, text: str | None) -> str:
        """
        Make the cell of *text* and remember it if it is short.
        """
        cell = "" if text is None else self._made(text)
        if text is None or len(text) <= self.max_length:
            if len(self) >= self.max_size:
                self.clear()
            self[text] = cell
        return cell

    def _made(self, text: str) -> str:
        if self._guard and _runs(text):
            self.guarded = True
            text = f"'{text}"
        if len(text) > EXCEL_CELL:
            self.too_long = True
        if not text or self._needs_quotes(text):
            return quoted(text)
        return text


def quoted(text: str) -> str:
    """
    *text* in double quotes, those in it doubled.
    """
    return '"' + text.replace('"', '""') + '"'

"""
The standard output as a file of bytes, safe to look at.
"""

from __future__ import annotations

import codecs
import sys

from typing import Any

from auditlog.errors import ExportError

from .visible import visible_lines


class Stdout:
    """
    Takes bytes for whatever reads standard output, as they are.

    Unbuffered, or what a closed pipe didn't take comes up again at exit.

    Raises:
        BrokenPipeError: If nobody reads it any more.
    """

    name = "-"

    def __init__(self) -> None:
        sys.stdout.flush()
        buffer = sys.stdout.buffer
        self._write = getattr(buffer, "raw", buffer).write

    def write(self, data: bytes) -> int:
        """
        Write *data*; all of it.
        """
        left = memoryview(data)
        while left:
            left = left[self._write(left) or 0 :]
        return len(data)


class Terminal(Stdout):
    """
    Takes text for a person: what is not printable is written as an escape.
    """

    def __init__(self) -> None:
        super().__init__()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def write(self, data: bytes) -> int:
        """
        Write *data*; all of it.
        """
        text = self._decode(data).replace("\r\n", "\n")
        super().write(visible_lines(text).encode())
        return len(data)


def is_terminal() -> bool:
    """
    Whether a person looks at the standard output.
    """
    return sys.stdout.isatty()


def opened(*, binary: bool = False) -> Any:
    """
    The standard output as an exporter's target.

    Raises:
        ExportError: If it is a terminal and what is written is no text.
    """
    if not is_terminal():
        return Stdout()
    if binary:
        raise ExportError(
            "this format is no text and standard output is a terminal; "
            "say -o FILE, or send it into a pipe"
        )
    return Terminal()

"""
Parse TOML safely; the only module that imports tomllib.
"""

from __future__ import annotations

import re
import tomllib

from .files import UnreadableError


# tomllib needs time with the square of the number of a name's parts.
_MAX_PARTS = 32

# Ends of texts may be absent, so that each character is looked at once.
_TEXT_OR_COMMENT = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?|"(?:[^"\\\n]|\\.)*+"?'''
    r"|'''(?:[^']|'(?!''))*+(?:''')?|'[^'\n]*+'?|#[^\n]*+",
    re.DOTALL,
)
_LONG_NAME = re.compile(
    rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{_MAX_PARTS}}}"
)


def parse(text: str) -> object:
    """
    The tables of *text*.

    Raises:
        UnreadableError: If it is no TOML, or is unreasonably deep.
    """
    _refuse_long_names(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        where = re.search(
            r"line [0-9]+, column [0-9]+|end of document", f"{exc}"
        )
        place = f": {where[0]}" if where else ""
    except (RecursionError, ValueError, OverflowError):
        place = ": nested too deeply, or a number too large"
    raise UnreadableError(f"is not valid TOML{place}")


def _refuse_long_names(text: str) -> None:
    bare = _TEXT_OR_COMMENT.sub(_stand_in, text)
    found = _LONG_NAME.search(bare)
    if found:
        line = bare.count("\n", 0, found.start()) + 1
        raise UnreadableError(
            f"has a name of more than {_MAX_PARTS} parts: line {line}"
        )


def _stand_in(found: re.Match[str]) -> str:
    # A quoted name is one part; lines keep their numbers.
    word = "" if found[0].startswith("#") else "x"
    return word + "\n" * found[0].count("\n")

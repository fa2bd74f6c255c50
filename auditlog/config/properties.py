"""
Java client properties, in all the forms in which they are written down.

Nothing here may show a value, not even a part of one.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING

from auditlog.errors import MissingExtraError

from .kinds import wrong_characters


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


# A block that lost its line ends, or kept them where a property can't.
PEM = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]{1,40})-----"
    r"(?P<body>[^-]*)"
    r"-----END (?P=label)-----"
)
_BETWEEN = re.compile(r"(?<=-----)(?:\s|\\[rn]?)+(?=-----BEGIN )")
_WIDTH = 64

# Where a backslash and an n end a line, as in variables that were written by
# a converter: before the next property, a comment, or nothing at all. What
# else a backslash stands before is Java's escape.
_WRITTEN_OUT = re.compile(
    r"(?<!\\)((?:\\\\)*)(?:\\r)?\\n"
    r"(?=\s*(?:[#!\\]|[a-z][a-z0-9_.]*\s*[=:]|\Z))"
)
# A line that goes on, written out in the same way.
_GOES_ON = re.compile(r"(?<=\s)\\(?:\\r)?\\n\s*(?=[A-Za-z_.]+\s*[=;]|;)")


def read_properties(text: str) -> dict[str, str] | str:
    """
    The properties in *text* by their names, or what is wrong with it.

    As in Java: ``name=value``, ``name: value`` or ``name value``, comments
    behind ``#`` and ``!``, lines that go on behind a backslash, and the last
    of two with one name wins. Lines may also end with a backslash and an
    ``n``.

    Raises:
        MissingExtraError: If javaproperties is not installed.
    """
    if not text.strip():
        return {}
    try:
        import javaproperties  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise MissingExtraError("reading client properties", "kafka") from exc

    try:
        found = javaproperties.loads(_one_property_a_line(text))
    except javaproperties.InvalidUEscapeError:
        return r"holds a \u that is no character; write \\ for a backslash"
    return wrong_characters("".join([*found, *found.values()])) or found


def _one_property_a_line(text: str) -> str:
    joined = PEM.sub(lambda found: " ".join(_parts(found)), text)
    joined = _BETWEEN.sub(" ", joined)
    lines = _WRITTEN_OUT.sub(r"\1\n", _GOES_ON.sub("", joined))
    return "\n".join(_whole_lines(re.split(r"\r\n|\r|\n", lines)))


def _whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """
    *lines* without comments, those that go on made one.

    javaproperties would take a time that grows with the square of their
    number.
    """
    parts: list[str] = []
    for line in lines:
        rest = line.lstrip(" \t\f")
        if not parts and rest.startswith(("#", "!")):
            continue
        goes_on = (len(rest) - len(rest.rstrip("\\"))) % 2
        parts.append(rest[:-1] if goes_on else rest)
        if not goes_on:
            yield _no_comment("".join(parts))
            parts = []
    yield _no_comment("".join(parts))


def _no_comment(line: str) -> str:
    # In what a line goes on to, # is a part of a name.
    return f"\\{line}" if line.startswith(("#", "!")) else line


def _parts(found: re.Match[str]) -> Iterator[str]:
    label = found["label"]
    yield f"-----BEGIN {label}-----"
    # With a backslash in front: a line that goes on, or one written out.
    yield from re.sub(r"\\r|\\n|\\", " ", found["body"]).split()
    yield f"-----END {label}-----"


def as_pem(text: str) -> str | None:
    """
    The PEM blocks in *text*, line by line as OpenSSL reads them.

    Returns:
        None if there is no block.
    """
    blocks = [_block(found) for found in PEM.finditer(text)]
    return "".join(blocks) or None


def _block(found: re.Match[str]) -> str:
    begin, *body, end = _parts(found)
    whole = "".join(body)
    lines = [whole[at : at + _WIDTH] for at in range(0, len(whole), _WIDTH)]
    return "\n".join([begin, *lines, end, ""])

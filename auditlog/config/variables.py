"""
Put environment variables into the text of a file.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Mapping


_DOLLAR = re.compile(
    r"\$(?:\$|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}"
    r"|(?P<other>\{))",
    re.ASCII,
)
# What people call a variable. Anything else could be part of a password.
_PLAIN_NAME = re.compile("[A-Z][A-Z0-9_]*", re.ASCII)

_ESCAPE = "write a $ itself as $$"
# A short name may stand for a long text, again and again.
_MAX_LENGTH = 1024 * 1024


def replace_variables(
    text: str, environ: Mapping[str, str]
) -> tuple[str, list[str]]:
    """
    Replace ``${NAME}`` and ``${NAME:-default}``, as a shell does.

    A default stands in for a variable that is not set or empty. ``$$`` is a
    ``$``; one that no brace follows is itself.

    Returns:
        The text, and what is wrong with it.
    """
    wrong: list[str] = []
    length = len(text)

    def value(match: re.Match[str]) -> str:
        nonlocal length
        found = looked_up(match)
        length += len(found)
        if length > _MAX_LENGTH:
            wrong.append(f"is longer than {_MAX_LENGTH} with its variables")
            return ""
        return found

    def looked_up(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["other"]:
            wrong.append(f"holds a ${{ that begins no ${{NAME}}; {_ESCAPE}")
            return ""
        if name is None:
            return "$"
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            shown = name if _PLAIN_NAME.fullmatch(name) else "a variable"
            wrong.append(f"needs {shown}, which is not set; {_ESCAPE}")
        return environ.get(name, "")

    replaced = _DOLLAR.sub(value, text)
    return replaced, list(dict.fromkeys(wrong))

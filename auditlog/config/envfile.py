"""
Add the variables of the file that ``CDK_ENV_FILE`` names.
"""

from __future__ import annotations

import io
import re

from typing import TYPE_CHECKING

from auditlog.errors import MissingExtraError

from .files import UnreadableError, read_text
from .settings import CDK, OWN
from .source import plain


if TYPE_CHECKING:
    from collections.abc import Mapping


# Each names a file of variables.
ENV_FILES = ("CDK_ENV_FILE", "AUDITLOG_ENV_FILE")

# python-dotenv looks for a comment behind blanks, in quadratic time.
_BLANKS = re.compile(r"[^\S\r\n]{500}")


def with_env_file(
    environ: Mapping[str, str],
) -> tuple[Mapping[str, str], list[str]]:
    """
    The variables of *environ* and those of the file that it names, if any.

    What Conduktor Console does where both have one is not documented, and
    shells and other programs disagree: settings with two values are mistakes,
    and for all else *environ* wins.

    Returns:
        The variables, and what is wrong.

    Raises:
        MissingExtraError: If there is such a file and no python-dotenv.
    """
    files = {environ[name]: name for name in ENV_FILES if environ.get(name)}
    if len(files) > 1:
        both = " and ".join(ENV_FILES)
        return environ, [f"one setting with two values; keep one @ {both}"]

    added: dict[str, str] = {}
    wrong: list[str] = []
    for path, name in files.items():
        try:
            added, lines = _parsed(read_text(path))
        except UnreadableError as exc:
            return environ, [f"names a file that {exc} @ {name}"]
        wrong += [
            f"line {line} is no NAME=value @ {plain(path)} ({name})"
            for line in lines
        ]
    wrong += [
        "one setting with two values, in the environment and in the file of "
        f"variables; keep one @ {name}"
        for name in added
        if name.startswith((CDK, OWN))
        and environ.get(name, added[name]) != added[name]
    ]
    return {**added, **environ}, wrong


def _parsed(text: str) -> tuple[dict[str, str], list[int]]:
    try:
        from dotenv.parser import parse_stream  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise MissingExtraError("CDK_ENV_FILE", "dotenv") from exc

    blanks = _BLANKS.search(text)
    if blanks:
        line = text.count("\n", 0, blanks.start()) + 1
        raise UnreadableError(f"has too many blanks on line {line}")

    found: dict[str, str] = {}
    wrong: list[int] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
        elif binding.error or binding.key is not None:
            wrong.append(binding.original.line)
    return found, wrong

"""
What targets are called: in messages, and as one of several files.
"""

from __future__ import annotations

import os
import re

from pathlib import PurePosixPath
from typing import Any

from ._compression import SUFFIXES


# Digits of a file's number. Follow mode may make a file a minute for years.
PART_DIGITS = 5
FOLLOW_DIGITS = 8

# A login, up to the last @ before a slash; with a password also beyond one.
_LOGIN = re.compile(r"://(?:[^/]*@|[^/@]*:[^@]*@(?:.*@)?)")
_QUERY = re.compile(r"\?.*", re.DOTALL)


def is_path(target: object) -> bool:
    """
    Whether *target* is a path or a URL, and no file object.
    """
    return isinstance(target, str | os.PathLike)


def is_url(name: str) -> bool:
    """
    Whether *name* is a URL.
    """
    return "://" in name


def name_of(target: object) -> str:
    """
    What people call *target*, without the secrets that a URL may hold.
    """
    if isinstance(target, str | os.PathLike):
        return without_secrets(os.fsdecode(target))

    name: Any = getattr(target, "name", None)
    return name if isinstance(name, str) else type(target).__name__


def without_secrets(name: str) -> str:
    """
    *name*; a URL without its login and what stands behind a question mark.
    """
    if not is_url(name):
        return name
    return _QUERY.sub("?***", _LOGIN.sub("://***@", name))


def numbered(name: str, number: int | None, digits: int = PART_DIGITS) -> str:
    """
    The name of the file of that *number*: ``audit-00001.jsonl.gz``.
    """
    if number is None:
        return name

    last = PurePosixPath(name)
    suffix = last.suffix
    if suffix.lower() in SUFFIXES:
        suffix = PurePosixPath(last.stem).suffix + suffix
    stem = name.removesuffix(suffix) if suffix else name
    return f"{stem}-{number:0{digits}}{suffix}"

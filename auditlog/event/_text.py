"""
Text that every database, browser and parser can take.
"""

from __future__ import annotations

import re


_REPLACEMENT = "\ufffd"

# PostgreSQL takes no NUL in text or jsonb, UTF-8 has no lone surrogates.
_HOSTILE = re.compile("[\0\ud800-\udfff]")

# CloudEvents attributes hold no control characters and no noncharacters.
_NO_ATTRIBUTE = re.compile(
    "[\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(
        f"{chr(p << 16 | 0xFFFE)}{chr(p << 16 | 0xFFFF)}" for p in range(17)
    )
    + "]"
)


def are_plain(*texts: object) -> bool:
    """
    Tell at a glance whether all are ``None`` or ASCII text without NUL.
    """
    for text in texts:
        if text is not None and (
            type(text) is not str or not text.isascii() or "\0" in text
        ):
            return False
    return True


def are_attributes(*texts: object) -> bool:
    """
    Tell at a glance whether all are ``None`` or fit a CloudEvents attribute.
    """
    for text in texts:
        if text is not None and (
            type(text) is not str or not text or not text.isprintable()
        ):
            return False
    return True


def is_clean(text: str) -> bool:
    """
    Tell whether *text* is free of what :func:`clean` replaces.
    """
    if text.isascii():
        return "\0" not in text
    return _HOSTILE.search(text) is None


def clean(text: str) -> tuple[str, int]:
    """
    Replace NUL and lone surrogates by U+FFFD and count them.
    """
    if is_clean(text):
        return text, 0
    return _HOSTILE.subn(_REPLACEMENT, text)


def clean_attribute(text: str) -> tuple[str, int]:
    """
    Replace what a CloudEvents attribute must not hold, and count it.
    """
    return _NO_ATTRIBUTE.subn(_REPLACEMENT, text)

"""
Names that a plot can draw, with the fonts that are there.

A glyph that no font has would be a warning for each, and a box for all.
"""

from __future__ import annotations

import functools

from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

from ._shown import shown


# Where they are installed, these have what matplotlib's own font lacks.
FALLBACKS = (
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Segoe UI Symbol",
    "Arial Unicode MS",
)


def families() -> list[str]:
    """
    The font that is set for matplotlib, and what stands in for it.
    """
    return [_main_family(), "DejaVu Sans", *_installed()]


def drawable(text: str, width: int) -> str:
    r"""
    *text* in at most *width* characters, of which each can be drawn.

    A letter that no font has is written as ``\u738b``, so that names stay
    different; all else as a square.
    """
    known = _characters(*families())
    return "".join(
        char if ord(char) in known else _instead(char)
        for char in shown(text, width)
    )


def _instead(char: str) -> str:
    if char.isalpha():
        return char.encode("ascii", "backslashreplace").decode()
    return "" if char in "\u200c\u200d\ufe0f" else "\u25a1"


def _main_family() -> str:
    return FontProperties(fname=findfont(FontProperties())).get_name()


@functools.cache
def _installed() -> tuple[str, ...]:
    names = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FALLBACKS if name in names)


@functools.cache
def _characters(*names: str) -> frozenset[int]:
    paths = (findfont(FontProperties(family=[name])) for name in names)
    return frozenset(
        code for path in paths for code in FT2Font(path).get_charmap()
    )

"""
The login in a ``sasl.jaas.config``.

Nothing here may show a value, not even a part of one.
"""

from __future__ import annotations

import re

import attrs


# As java.io.StreamTokenizer reads them; quotes don't go over a line's end.
_TOKEN = re.compile(
    r"""\s*(?:
        "(?P<double>(?:[^"\\\n]|\\.)*)"
      | '(?P<single>(?:[^'\\\n]|\\.)*)'
      | (?P<word>[^\s"'=;]+)
      | (?P<sign>[=;])
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|[0-7]{1,2}|.)")
_ESCAPED = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
_EQUALS, _END = _SIGNS = (("=", False), (";", False))
_FLAGS = {"required", "requisite", "sufficient", "optional"}

_FORM = 'must have the form: module required name="value" name="value";'


@attrs.frozen
class Entry:
    """
    One login module.

    Attributes:
        module: Its class, without the package.

        options: What it is told.
    """

    module: str
    options: dict[str, str] = attrs.field(repr=False)


def read_jaas(text: str) -> Entry | str:
    """
    The login in *text*, or what is wrong with it.
    """
    tokens = _tokens(text)
    if tokens is None:
        return f"{_FORM} (check the quotes)"
    if not tokens or tokens[-1] != _END:
        return f"{_FORM} (the ; at the end is missing)"

    (module, _), *rest = tokens[:-1] or [("", False)]
    if not rest or rest[0][0].lower() not in _FLAGS:
        return f"{_FORM} (the word 'required' is missing)"
    options = _options(rest[1:])
    if options is None:
        return f"{_FORM} (an option without a value)"
    return Entry(module.rsplit(".", 1)[-1], options)


def _tokens(text: str) -> list[tuple[str, bool]] | None:
    """
    Each token, and whether it was in quotes; None if a quote is open.
    """
    found: list[tuple[str, bool]] = []
    text, at = text.strip(), 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        at = match.end()
        kind = match.lastgroup or ""
        quoted = kind in {"double", "single"}
        token = match[kind]
        found.append((_unescape(token) if quoted else token, quoted))
    return found


def _options(tokens: list[tuple[str, bool]]) -> dict[str, str] | None:
    options: dict[str, str] = {}
    left = iter(tokens)
    for name, equals, value in zip(left, left, left, strict=False):
        if equals != _EQUALS or not {name, value}.isdisjoint(_SIGNS):
            return None
        options[name[0]] = value[0]
    return options if len(tokens) == 3 * (len(tokens) // 3) else None


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code.isdigit() and code[0] in "01234567":
            return chr(int(code, 8))
        return _ESCAPED.get(code, code)

    return _ESCAPE.sub(one, text)

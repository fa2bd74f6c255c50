"""
What a setting may hold: how its text is read, and what is wrong with a value.

A check returns what is wrong and never raises, so that one look finds every
mistake and no cause with a secret in its text hangs on the error.
"""

from __future__ import annotations

import re

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import attrs


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@attrs.frozen(kw_only=True)
class Kind:
    """
    What a setting may hold.

    Attributes:
        name: How the reference calls it.

        wrong: Says what is wrong with a value, or nothing.

        parse:
            Makes the value out of text, as the environment has it. What
            cannot be read stays as it is, and *wrong* says so.

        part: The class of a group of settings.

        many: Whether it is a list of such groups.
    """

    name: str
    wrong: Callable[[Any], str | None]
    parse: Callable[[Any], Any] = lambda given: given
    part: type[Any] | None = None
    many: bool = False


def got(value: object) -> str:
    """
    Show a value that is no secret, if it is short and plain.
    """
    if isinstance(value, bool | float) or value is None:
        return f"(got {value})"
    if isinstance(value, int) and abs(value) < 10**18:
        return f"(got {value})"
    if isinstance(value, str) and not re.search("[@=]|://", value):
        return f"(got {value[:60]!r}{'…' * (len(value) > 60)})"  # noqa: PLR2004
    # What has a sign of a password's neighbourhood is not shown.
    kind = "text" if isinstance(value, str) else type(value).__name__
    return f"(got {kind})"


def wrong_characters(given: str) -> str | None:
    """
    Why a secret text can't be sent to a server, if it can't.

    A variable holds bytes that are no UTF-8 as lone surrogates.
    """
    if "\0" in given:
        return "must hold no NUL"
    if re.search("[\ud800-\udfff]", given):
        return "must be UTF-8"
    return None


# Plain values


def text(
    pattern: str = ".+", rule: str = "must not be empty", *, name: str = "text"
) -> Kind:
    """
    Printable text that *pattern* matches as a whole.
    """

    def wrong(value: Any) -> str | None:
        if not isinstance(value, str):
            return f"must be text {got(value)}; put it in quotes"
        if not value.isprintable():
            return f"must be printable text {got(value)}"
        return None if re.fullmatch(pattern, value) else f"{rule} {got(value)}"

    return Kind(name=name, wrong=wrong)


def choice(*options: str) -> Kind:
    """
    One of some words.
    """

    def wrong(value: Any) -> str | None:
        if isinstance(value, str) and value in options:
            return None
        return f"must be {' or '.join(map(repr, options))} {got(value)}"

    return Kind(name=" or ".join(f"`{one}`" for one in options), wrong=wrong)


def count(maximum: int) -> Kind:
    """
    A number of things from 1, or -1 for what the broker has as its default.
    """

    def wrong(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return f"must be a whole number {got(value)}"
        if value == -1 or 1 <= value <= maximum:
            return None
        if value > maximum:
            return f"must be at most {maximum} {got(value)}"
        return (
            f"must be at least 1, or -1 for the broker's default {got(value)}"
        )

    return Kind(name="whole number", wrong=wrong, parse=_whole)


def _whole(given: Any) -> Any:
    digits = isinstance(given, str) and re.fullmatch("-?[0-9]{1,18}", given)
    return int(given) if digits else given


def _wrong_port(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"must be a port {got(value)}"
    return None if 0 < value < 2**16 else f"must be 1 to 65535 {got(value)}"


PORT = Kind(name="port", wrong=_wrong_port, parse=_whole)


def number(least: int, most: int) -> Kind:
    """
    A whole number from *least* to *most*.
    """

    def wrong(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return f"must be a whole number {got(value)}"
        if least <= value <= most:
            return None
        return f"must be {least} to {most} {got(value)}"

    return Kind(name="whole number", wrong=wrong, parse=_whole)


_LONGEST = 86_400


def _seconds(given: Any) -> Any:
    plain = r"[0-9]{1,9}(\.[0-9]{0,9})?"
    digits = isinstance(given, str) and re.fullmatch(plain, given)
    return float(given) if digits else given


def _wrong_seconds(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number of seconds {got(value)}"
    if 0 < value <= _LONGEST:
        return None
    return f"must be more than 0 and at most {_LONGEST} seconds {got(value)}"


SECONDS = Kind(name="seconds", wrong=_wrong_seconds, parse=_seconds)


_FLAGS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def _flag(given: Any) -> Any:
    return (
        _FLAGS.get(given.lower(), given) if isinstance(given, str) else given
    )


def _wrong_flag(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    return f"must be true or false {got(value)}"


FLAG = Kind(name="`true` or `false`", wrong=_wrong_flag, parse=_flag)


# Addresses


_ADDRESS = re.compile(
    r"(?:\[[0-9A-Za-z:.%]+\]|[\w.-]+):([0-9]{1,5})", re.ASCII
)


def split_addresses(given: str | Sequence[str]) -> tuple[str, ...]:
    """
    The addresses in ``host:port,host:port``; what is neither stays as it is.
    """
    if isinstance(given, str):
        return tuple(each for each in re.split(r"[,\s]+", given) if each)
    if isinstance(given, list):
        return tuple(given)
    return cast("tuple[str, ...]", given)


def _wrong_addresses(value: Any) -> str | None:
    if not isinstance(value, tuple):
        return f"must be 'host:port,host:port' {got(value)}"
    if not value:
        return "must name at least one 'host:port'"

    # Somebody may have put a password in, so positions and no values.
    wrong = [
        str(position)
        for position, address in enumerate(value, 1)
        if not _is_address(address)
    ]
    if wrong:
        return f"must be 'host:port,host:port' (not so: {', '.join(wrong)})"
    return None


def _is_address(value: object) -> bool:
    if not isinstance(value, str):
        return False
    match = _ADDRESS.fullmatch(value)
    return match is not None and is_port(match[1])


def is_port(digits: str) -> bool:
    """
    Whether a server can listen on that port.
    """
    return 0 < int(digits) < 2**16


ADDRESSES = Kind(
    name="`host:port,host:port`", wrong=_wrong_addresses, parse=split_addresses
)


# Groups of settings


def keep_tuple(given: Sequence[Any]) -> tuple[Any, ...]:
    """
    Make a list a tuple; anything else stays as it is.
    """
    if isinstance(given, list):
        return tuple(given)
    return cast("tuple[Any, ...]", given)


def part(cls: type[Any]) -> Kind:
    """
    A group of settings, as an object of *cls*.
    """

    def wrong(value: Any) -> str | None:
        if isinstance(value, cls):
            return None
        return f"must be a {cls.__name__} (got {type(value).__name__})"

    return Kind(name=f"{cls.__name__}", wrong=wrong, part=cls)


def parts(cls: type[Any], *, unique: str | None = None) -> Kind:
    """
    A list of such groups, no two with the same *unique* attribute.
    """

    def wrong(value: Any) -> str | None:
        if not isinstance(value, tuple) or not all(
            isinstance(each, cls) for each in value
        ):
            given = type(value).__name__
            return f"must be objects of {cls.__name__} only (got {given})"
        if unique is None:
            return None
        ids = Counter(getattr(each, unique) for each in value)
        twice = sorted(each for each, times in ids.items() if times > 1)
        return (
            f"has two of ID {', '.join(map(repr, twice))}" if twice else None
        )

    return Kind(name=f"{cls.__name__}s", wrong=wrong, part=cls, many=True)

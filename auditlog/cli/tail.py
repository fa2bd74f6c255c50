"""
The last events of a source, and those that come.
"""

from __future__ import annotations

import sys

from typing import TYPE_CHECKING

from auditlog.abc import Reader
from auditlog.errors import ReadError

from .line import Liner, raw_line
from .stdout import Stdout, is_terminal


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from auditlog.abc import EventQuery, Record

    from .passed import PassedOver

    Render = Callable[[Record], bytes]


def render_as(*, as_json: bool, more: bool, colour: bool) -> Render:
    """
    What makes a line of an event.

    Args:
        as_json: Whether the line is the stored body.

        more: Whether a line for people tells all that it can.

        colour: Whether a line for people has colours.
    """
    if as_json:
        seen = is_terminal()
        return lambda record: raw_line(record, seen=seen)
    line = Liner(colour=colour, more=more)
    encoding = sys.stdout.encoding or "ascii"
    return lambda record: f"{line(record)}\n".encode(
        encoding, "backslashreplace"
    )


def show_last(
    reader: Reader, query: EventQuery, render: Render, passed: PassedOver
) -> None:
    """
    Print the events of *query*.

    Raises:
        ReadError: If the source can't be read.
    """
    _print(passed.events(reader.read(query).scan()), render)


def follow(
    reader: Reader, query: EventQuery, render: Render, passed: PassedOver
) -> None:
    """
    The same, and then what comes, until something ends it.

    Raises:
        ReadError: If the source can't be read or followed.
    """
    if type(reader).watch is Reader.watch:
        raise ReadError(
            f"can't follow {reader!r}, which has an end; leave --follow out, "
            "or name database or topic"
        )
    with reader.follow(query) as live:
        _print(passed.events(live.scan()), render)


def _print(events: Iterable[Record], render: Render) -> None:
    write = Stdout().write
    for record in events:
        write(render(record))

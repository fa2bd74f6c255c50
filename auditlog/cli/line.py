"""
One event as one line that is quick to read.
"""

from __future__ import annotations

import sys

from typing import TYPE_CHECKING, Any

import click

from auditlog.profiles._cloudevents import on_one_line

from .visible import visible, visible_lines


if TYPE_CHECKING:
    from auditlog.abc import Record
    from auditlog.event import AuditEvent


# A sign and a word, so that nobody needs the colour.
_SIGNS = {
    "success": ("✓", "+", "green"),
    "failure": ("✗", "x", "red"),
    "denied": ("⊘", "!", "yellow"),
    "attempt": ("…", "~", "cyan"),
    "unknown": ("?", "?", None),
}

# Texts are as long as who wrote them pleased, lines are for eyes.
_LONGEST = 120


class Liner:
    """
    Makes lines of events.

    Args:
        colour: Whether to use colours.

        more: Whether to tell code, reason, address, place and id, too.
    """

    def __init__(self, *, colour: bool, more: bool = False) -> None:
        self._colour = colour
        self._more = more
        self._ascii = not takes_signs()

    def __call__(self, record: Record) -> str:
        """
        The line of *record*, without a line break or a control character.

        Raises:
            DecodingError: If it is no audit event.
        """
        event = record.event
        actor = event.actor.id if event.actor else "-"
        resource = f"{event.resource.type}/{event.resource.id}"
        rest = [self._style(each, dim=True) for each in self._rest(record)]
        cells = [
            self._style(_time(event), dim=True),
            self.outcome(event.outcome),
            self._style(padded(clipped(actor), 16), bold=True),
            padded(clipped(event.event_type), 28),
            clipped(resource),
            *rest,
        ]
        return " ".join(cells)

    def outcome(self, outcome: str) -> str:
        """
        An outcome as sign and word.
        """
        sign, plain, colour = _SIGNS[outcome]
        text = f"{plain if self._ascii else sign} {outcome:<7}"
        return self._style(text, fg=colour)

    def _rest(self, record: Record) -> list[str]:
        event = record.event
        said: list[Any] = [event.code and f"({event.code})"]
        if self._more:
            address = event.request and event.request.source_ip
            place = record.origin or (record.index and f"#{record.index}")
            said += [event.reason, address, place, record.event_id]
        return [clipped(str(each)) for each in said if each]

    def _style(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._colour else text


def raw_line(record: Record, *, seen: bool) -> bytes:
    """
    The stored body on one line, with its line break.

    Args:
        seen:
            Whether a terminal shows it. What is not printable is then an
            escape of JSON, so that the line means the same.
    """
    body = on_one_line(record.body)
    if seen:
        text = body.decode(errors="replace").replace("\t", r"\t")
        body = visible_lines(text).encode()
    return body + b"\n"


def clipped(text: str) -> str:
    """
    *text* as a terminal may be given it, and no longer than an eye reads.
    """
    shown = visible(text[: _LONGEST + 1])
    return shown if len(text) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def padded(text: str, width: int) -> str:
    """
    *text* with blanks up to *width* columns of a terminal.
    """
    return text + " " * (width - columns(text))


def columns(text: str) -> int:
    """
    How many columns of a terminal *text* takes.
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - mostly needless

    return cell_len(text)


def _time(event: AuditEvent) -> str:
    return f"{event.occurred_at:%Y-%m-%d %H:%M:%S}Z"


def takes_signs() -> bool:
    """
    Whether the standard output can be given more than ASCII.
    """
    try:
        "✓✗⊘…█".encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True

"""
The first events as an HTML table, for notebooks: escaped, without scripts.
"""

from __future__ import annotations

import html
import re

from typing import TYPE_CHECKING, Any

from auditlog.errors import AuditLogError, DecodingError

from ._batches import reason_of


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from auditlog.event import AuditEvent


SHOWN = 50
MAX_LENGTH = 100

_HEADER = ("occurred at", "event type", "outcome", "actor", "resource")

# Notebooks bring their colours, light or dark; a table takes them over.
_TABLE = ' style="border-collapse:collapse;color:inherit"'
_CELL = (
    ' style="text-align:left;vertical-align:top;padding:0.1em 1em 0.1em 0;'
    'white-space:pre-wrap;overflow-wrap:anywhere"'
)
_NOTE = ' style="opacity:0.7"'

# Characters that are not to be seen, or turn around what stands beside them.
_UNSEEN = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


def page_of(
    first: Callable[[int], Iterator[Any]], title: str, shown: int = SHOWN
) -> str:
    """
    A table of the first events.

    Args:
        first:
            Gives so many records, and what was passed over in between.

        title: What this is a table of.

        shown: How many events are shown at most.
    """
    try:
        found = list(first(shown + 1))
    except AuditLogError as exc:
        note = f"can't be read: {exc}"
        return f"<div><code>{_cell(title)}</code>{_note(note)}</div>"

    records = [item for item in found if reason_of(item) is None]
    rows = "".join(map(_row, records[:shown]))
    note = _counted(len(records), len(found) - len(records), shown)
    head = "".join(f"<th{_CELL}>{name}</th>" for name in _HEADER)
    return (
        f"<div><table{_TABLE}><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{_note(note)}</div>"
    )


def _counted(found: int, skipped: int, shown: int) -> str:
    if found > shown:
        note = f"the first {shown} events; count() says how many there are"
    else:
        note = "1 event" if found == 1 else f"{found or 'no'} events"
    return f"{note}; passed over: {skipped:,}" if skipped else note


def _note(text: str) -> str:
    return f"<p{_NOTE}>{html.escape(text)}</p>"


def _row(record: Any) -> str:
    try:
        cells = _cells(record.event)
    except DecodingError as exc:
        place = record.origin or record.index or record.event_id
        cells = [str(place), f"can't be shown: {exc}", "", "", ""]
    return "<tr>" + "".join(map(_td, cells)) + "</tr>"


def _td(text: str) -> str:
    # <bdi> keeps text from right to left within its cell.
    return f"<td{_CELL}><bdi>{_cell(text)}</bdi></td>"


def _cell(text: str) -> str:
    if len(text) > MAX_LENGTH:
        text = f"{text[: MAX_LENGTH - 1]}…"
    return html.escape(_UNSEEN.sub(_name, text))


def _name(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _cells(event: AuditEvent) -> list[str]:
    time = event.occurred_at.isoformat(" ", "milliseconds")
    actor = event.actor
    return [
        f"{time[:-6]} UTC",
        event.event_type,
        event.outcome.value,
        "" if actor is None else actor.id,
        f"{event.resource.type}/{event.resource.id}",
    ]

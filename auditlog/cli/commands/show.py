"""
``auditlog show``.
"""

from __future__ import annotations

import sys

from typing import TYPE_CHECKING

import click

from ._options import color_option
from ._output import FAILED, hushed, say, telling, wants_colour
from ._query import filter_options
from ._source import source_options


if TYPE_CHECKING:
    from uuid import UUID

    from auditlog.abc import EventQuery
    from auditlog.cli.source import Asked


_EXAMPLES = """\b
Examples:
  auditlog show 01a20acf-ad15-72ea-8334-63c34ef987b8
  auditlog show 01a20acf-ad15-72ea-8334-63c34ef987b8 topic --since today
"""


@click.command(epilog=_EXAMPLES)
@click.argument("event_id", type=click.UUID)
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print the stored body.")
@color_option
@filter_options
def show(
    event_id: UUID,
    asked: Asked,
    query: EventQuery,
    color: str,
    *,
    as_json: bool,
) -> None:
    """
    Print all that is known of one event, by its id.

    A topic and a file are read until it is found; --since makes that
    shorter. Exits with 1 if there is none.
    """
    from auditlog.cli import show, source  # noqa: PLC0415

    with hushed(), telling():
        found = source.source(asked)
        record = show.find(found.reader, event_id, query)
    if record is None:
        say(f"no event {event_id} in {found.name}")
        sys.exit(FAILED)
    show.print_event(record, as_json=as_json, colour=wants_colour(color))

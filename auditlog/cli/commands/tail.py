"""
``auditlog tail``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._options import color_option
from ._output import hushed, say, telling, wants_colour
from ._query import filter_options
from ._source import source_options


if TYPE_CHECKING:
    from auditlog.abc import EventQuery
    from auditlog.cli.source import Asked


_EXAMPLES = """\b
Examples:
  auditlog tail -f
  auditlog tail topic -n 50 --outcome denied --outcome failure
  auditlog tail --since today --actor alice -l
  auditlog tail -f --json | jq .data.actor
"""


@click.command(epilog=_EXAMPLES)
@source_options
@click.option(
    "-n",
    "--last",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many of the last events that match.",
)
@click.option(
    "-f", "--follow", is_flag=True, help="Go on with those that come."
)
@click.option(
    "-l",
    "--long",
    "more",
    is_flag=True,
    help="Tell the reason, the address, the place and the id, too.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the stored bodies, one a line.",
)
@color_option
@filter_options
def tail(
    asked: Asked,
    query: EventQuery,
    last: int,
    color: str,
    *,
    follow: bool,
    more: bool,
    as_json: bool,
) -> None:
    """
    Print the last events of SOURCE, one a line, and those that come.

    A line has the time in UTC, the outcome, the actor, what was done and to
    what. What an event holds can't move the cursor or hide anything: what is
    not printable is shown as an escape.
    """
    import attrs  # noqa: PLC0415 - see _query

    from auditlog.cli import source, tail  # noqa: PLC0415
    from auditlog.cli.passed import PassedOver  # noqa: PLC0415

    passed = PassedOver()
    query = attrs.evolve(query, last=last)
    render = tail.render_as(
        as_json=as_json, more=more, colour=wants_colour(color)
    )
    show = tail.follow if follow else tail.show_last
    with hushed(), telling():
        try:
            show(source.source(asked).reader, query, render, passed)
        finally:
            for each in passed.summary():
                say(each)

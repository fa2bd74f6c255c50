"""
``auditlog stats``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._options import json_flag
from ._output import hushed, say, telling
from ._query import query_options
from ._source import source_options


if TYPE_CHECKING:
    from auditlog.abc import EventQuery
    from auditlog.cli.source import Asked


# Those of `auditlog.cli.stats`, which costs time to import.
_FIELDS = (
    "actor",
    "actor_type",
    "event_type",
    "outcome",
    "resource",
    "resource_type",
    "severity",
    "source_ip",
    "tenant",
    "code",
    "hour",
    "day",
    "month",
)

_EXAMPLES = """\b
Examples:
  auditlog stats --since 7d
  auditlog stats topic --by actor --by hour --outcome denied
  auditlog stats events.csv --by event_type --top 50 --json
"""


@click.command(epilog=_EXAMPLES)
@source_options
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(_FIELDS),
    help="What to tell apart, each in a table; by default outcome, "
    "event_type and actor.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many rows a table has; those of times have all.",
)
@json_flag
@query_options
def stats(
    asked: Asked,
    query: EventQuery,
    by: tuple[str, ...],
    top: int,
    *,
    as_json: bool,
) -> None:
    """
    Count the events of SOURCE by who did what, when, and how it ended.

    Times are UTC. Every event is looked at.
    """
    from auditlog.cli import source, stats  # noqa: PLC0415
    from auditlog.cli.line import takes_signs  # noqa: PLC0415
    from auditlog.cli.passed import PassedOver  # noqa: PLC0415

    passed = PassedOver()
    found = stats.Stats(tuple(dict.fromkeys(by)) or stats.OVERVIEW)
    with hushed(), telling():
        reader = source.source(asked).reader
        found.count(passed.events(reader.read(query).scan()))
    if as_json:
        click.echo(stats.as_json(found, top))
    else:
        bar = "█" if takes_signs() else "#"
        click.echo("\n".join(stats.as_text(found, top, bar=bar)))
    for each in passed.summary():
        say(each)

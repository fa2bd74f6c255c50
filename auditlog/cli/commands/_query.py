"""
Which events a command is about: the same options for all commands.
"""

from __future__ import annotations

import functools
import json

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from auditlog.cli.moments import FORMS, moment
from auditlog.errors import QueryError


if TYPE_CHECKING:
    from collections.abc import Callable


OUTCOMES = ("success", "failure", "denied", "attempt", "unknown")


class Moment(click.ParamType[datetime]):
    """
    A moment as a person names it.
    """

    name = "time"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        """
        The moment, in UTC unless it says otherwise.
        """
        if isinstance(value, datetime):
            return value
        try:
            return moment(value, datetime.now(UTC))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time; say {FORMS}.", param, ctx)


class Field(click.ParamType[tuple[str, list[Any]]]):
    """
    A path and a value: JSON, or text without quotes.
    """

    name = "field"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, list[Any]]:
        """
        The path, and what may stand there: 3 is a number or a text.
        """
        if isinstance(value, tuple):
            return value
        path, equals, text = value.partition("=")
        if not equals:
            self.fail(f"{value!r} has no '='; say PATH=VALUE.", param, ctx)
        return path, _values(text)


def _values(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    if isinstance(found, str | dict | list):
        return [found if isinstance(found, str) else text]
    return [found, text]


_FILTERS = (
    click.option(
        "--since",
        type=Moment(),
        help="Events that occurred then or later: 2h (ago), today, "
        "2026-01-05T11:00.",
    ),
    click.option(
        "--until", type=Moment(), help="Events that occurred earlier."
    ),
    click.option(
        "--type",
        "event_types",
        multiple=True,
        metavar="PATTERN",
        help="Of that type, such as 'Kafka.Topic.*'.",
    ),
    click.option(
        "--actor", "actors", multiple=True, help="By the actor of that id."
    ),
    click.option(
        "--resource",
        "resources",
        multiple=True,
        metavar="PATTERN",
        help="Of that resource, such as 'topic/website-*'.",
    ),
    click.option(
        "--outcome",
        "outcomes",
        multiple=True,
        type=click.Choice(OUTCOMES),
        help="That ended so.",
    ),
    click.option("--tenant", "tenants", multiple=True, help="Of that tenant."),
    click.option("--text", help="With that text somewhere in the event."),
    click.option(
        "--where",
        multiple=True,
        type=Field(),
        metavar="PATH=VALUE",
        help="With that value there: data.metadata.cluster=production.",
    ),
    click.option(
        "--exclude-type",
        "excluded",
        multiple=True,
        metavar="PATTERN",
        help="Not of that type.",
    ),
)

_PAGE = (
    click.option(
        "--last",
        type=click.IntRange(min=0),
        help="Only so many, the most recent ones.",
    ),
    click.option(
        "-n",
        "--limit",
        type=click.IntRange(min=0),
        help="At most so many events.",
    ),
    click.option(
        "--order",
        type=click.Choice(["oldest", "newest"]),
        default="oldest",
        show_default=True,
        help="Which come first.",
    ),
)

_FILTER_NAMES = (
    "since",
    "until",
    "event_types",
    "actors",
    "resources",
    "outcomes",
    "tenants",
    "text",
    "where",
    "excluded",
)


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """
    Give *command* the options that filter, as one argument *query*.
    """
    return _with(command, _FILTERS, _FILTER_NAMES)


def query_options(command: Callable[..., None]) -> Callable[..., None]:
    """
    The same with a limit and an order.
    """
    names = (*_FILTER_NAMES, "last", "limit", "order")
    return _with(command, (*_FILTERS, *_PAGE), names)


def _with(
    command: Callable[..., None],
    options: tuple[Callable[[Any], Any], ...],
    names: tuple[str, ...],
) -> Callable[..., None]:
    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        query = _query({name: given.pop(name) for name in names})
        command(query=query, **given)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def _query(given: dict[str, Any]) -> Any:
    from auditlog.query import EventQuery  # noqa: PLC0415 - costs 60 ms

    # An option that wasn't given filters nothing; an empty filter all.
    said = {name: value for name, value in given.items() if value != ()}
    excluded = said.pop("excluded", None)
    if "where" in said:
        said["where"] = _any_of(said["where"])
    try:
        if excluded:
            said["exclude"] = EventQuery(event_types=excluded)
        return EventQuery(**said)
    except QueryError as exc:
        raise click.UsageError(str(exc)) from exc


def _any_of(
    fields: tuple[tuple[str, list[Any]], ...],
) -> dict[str, list[Any]]:
    """
    The values by their paths; of one path any is wanted.
    """
    found: dict[str, list[Any]] = {}
    for path, values in fields:
        found.setdefault(path, []).extend(values)
    return found

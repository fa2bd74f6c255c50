"""
``auditlog export`` and ``auditlog convert``.
"""

from __future__ import annotations

import contextlib
import functools
import re

from typing import TYPE_CHECKING, Any

import click

from auditlog.cli.formats import FORMATS

from ._options import config_file
from ._output import hushed, say, telling
from ._query import query_options
from ._source import source_named, source_options


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from auditlog.abc import EventQuery
    from auditlog.cli.export import Writing
    from auditlog.cli.source import Asked


class Size(click.ParamType[int]):
    """
    A number of bytes, in thousands if need be.
    """

    name = "size"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """
        The number.
        """
        found = _SIZE.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is no size; say 5000000 or 5M.", param, ctx)
        return int(found[1]) * _UNITS[found[2].upper()]


_SIZE = re.compile(r"(\d{1,15})([kKmMgGtT]?)")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

_TABLE = (
    click.option(
        "--layout",
        type=click.Choice(["events", "records"]),
        help="Columns of CSV: of events, or of a topic's records.",
    ),
    click.option(
        "--columns",
        metavar="NAME,...",
        help="Columns of CSV, in that order.",
    ),
    click.option(
        "--metadata-keys",
        metavar="KEY,...",
        help="Members of metadata with columns of their own in CSV.",
    ),
    click.option(
        "--delimiter",
        type=click.Choice([*_DELIMITERS]),
        help="Between the cells of CSV.",
    ),
    click.option(
        "--headers",
        is_flag=True,
        help="With --layout records, a column for the records' headers.",
    ),
    click.option(
        "--guard",
        type=click.Choice(["spreadsheet", "none"]),
        help="Whether texts that a spreadsheet would run get a ' before "
        "them in CSV; by default they do.",
    ),
)

_WRITING = (
    click.option(
        "--format",
        "named",
        type=click.Choice(FORMATS),
        help="By default what the file's name ends in, or jsonl.",
    ),
    *_TABLE,
    click.option(
        "--max-file-bytes",
        type=Size(),
        help="Longest that a file may be, as 100M; then there are several, "
        "such as audit-00001.csv.",
    ),
    click.option(
        "--resume",
        is_flag=True,
        help="Go on where the same command was ended before it was done.",
    ),
    click.option(
        "--follow",
        is_flag=True,
        help="Write what is new since the last time into a further file.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=1,
        metavar="N",
        help="Processes that read and render at once; the file is the same.",
    ),
    click.option(
        "--no-overwrite",
        is_flag=True,
        help="Leave a file that exists as it is, and exit with 1.",
    ),
    click.option(
        "--strict",
        is_flag=True,
        help="End at the first record that is no audit event.",
    ),
    click.option(
        "--progress/--no-progress",
        default=None,
        help="Show how far it has come; by default where a person watches.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print no report."),
    click.option(
        "--json", "as_json", is_flag=True, help="Print the report as JSON."
    ),
)

_TABLE_NAMES = (
    "layout",
    "columns",
    "metadata_keys",
    "delimiter",
    "headers",
    "guard",
)


def writing_options(command: Callable[..., None]) -> Callable[..., None]:
    """
    Give *command* the options that say how to write, as one argument *how*.
    """

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        table = {name: given.pop(name) for name in _TABLE_NAMES}
        command(
            how={
                "format": given.pop("named"),
                "table": {k: _meant(k, v) for k, v in table.items() if v},
                "common": _given(max_file_bytes=given.pop("max_file_bytes")),
                "going_on": _going_on(given),
                "workers": given.pop("workers"),
                "overwrite": not given.pop("no_overwrite"),
                "errors": "raise" if given.pop("strict") else "report",
                "progress": given.pop("progress"),
            },
            **given,
        )

    for option in reversed(_WRITING):
        wrapped = option(wrapped)
    return wrapped


def _going_on(given: dict[str, Any]) -> dict[str, bool]:
    names = [name for name in ("resume", "follow") if given.pop(name)]
    return dict.fromkeys(names, True)


def _given(**settings: Any) -> dict[str, Any]:
    return {k: v for k, v in settings.items() if v is not None}


def _meant(name: str, value: str) -> Any:
    if name in {"columns", "metadata_keys"}:
        return tuple(value.split(","))
    if name == "delimiter":
        return _DELIMITERS[value]
    return None if (name, value) == ("guard", "none") else value


_EXPORTS = """\b
Examples:
  auditlog export -o audit.csv --since yesterday
  auditlog export topic --format ecs | gzip > audit.ndjson.gz
  auditlog export -o audit.jsonl.gz --follow
  auditlog export old.csv --outcome denied --outcome failure
"""

_CONVERSIONS = """\b
Examples:
  auditlog convert events.csv events.jsonl.gz
  auditlog convert events.jsonl.gz - --format cef
"""


@click.command(epilog=_EXPORTS)
@source_options
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Where to; - is the standard output, the default.",
)
@writing_options
@query_options
def export(
    asked: Asked,
    output: str,
    how: dict[str, Any],
    **rest: Any,
) -> None:
    """
    Write events of SOURCE to a file, whole or not at all.

    SOURCE is database, topic or spool of the settings, topic:[CLUSTER/]NAME,
    a file such as events.csv or events.jsonl.gz, or a folder of a spool. By
    default it is what the settings have first of these.
    """
    from auditlog.cli.export import Writing  # noqa: PLC0415

    _write(asked, Writing(target=output, **how), **rest)


@click.command(epilog=_CONVERSIONS)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT", type=click.Path(allow_dash=True))
@writing_options
@query_options
@config_file
def convert(
    source: str,
    target: str,
    file: str | None,
    how: dict[str, Any],
    **rest: Any,
) -> None:
    """
    Write the events of the file IN to the file OUT in another format.

    What a file holds is told by its name; "csv:NAME" and "jsonl:NAME" say it
    of one that doesn't tell, --format of OUT. Both may be -.
    """
    from auditlog.cli.export import Writing  # noqa: PLC0415

    _write(source_named(source, file), Writing(target=target, **how), **rest)


def _write(
    asked: Asked,
    how: Writing,
    *,
    query: EventQuery,
    as_json: bool,
    quiet: bool,
) -> None:
    from auditlog.cli import export, source  # noqa: PLC0415

    with hushed(), telling(), _interrupted(how):
        report = export.export(source.source(asked).reader, query, how)
    if as_json:
        # Where events go to standard output, the report must not.
        click.echo(export.as_json(report), err=how.target == "-")
    elif not quiet:
        for line in export.summary(report):
            say(line)


@contextlib.contextmanager
def _interrupted(how: Writing) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if how.going_on:
            say("interrupted; the same command goes on from here")
        elif how.target != "-":
            say(f"interrupted; {how.target} is as it was")
        raise

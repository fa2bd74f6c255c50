"""
Where a command reads events: the same argument and options for all.
"""

from __future__ import annotations

import functools
import os
import re

from typing import TYPE_CHECKING, Any

import click

from ._options import config_file
from ._query import Moment


if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    from auditlog.cli.source import Asked
    from auditlog.config import AuditLogConfig


def _complete(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    from auditlog.cli.source import CONFIGURED  # noqa: PLC0415

    words = [each for each in CONFIGURED if each.startswith(incomplete)]
    items = [CompletionItem(each) for each in words] if incomplete else []
    return items or [CompletionItem(incomplete, type="file")]


class Start(click.ParamType[Any]):
    """
    Where in a topic to begin.
    """

    name = "start"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """
        A moment, offsets by partition, or a consumer group.
        """
        if _OFFSETS.fullmatch(value):
            pairs = (each.split(":") for each in value.split(","))
            return {int(number): int(offset) for number, offset in pairs}
        if value.startswith("group:"):
            from auditlog.kafka import ConsumerGroup  # noqa: PLC0415

            return ConsumerGroup(value.removeprefix("group:"))
        if value == "beginning":
            return value
        return Moment().convert(value, param, ctx)


_OFFSETS = re.compile(r"\d+:\d+(,\d+:\d+)*")

_OPTIONS = (
    click.argument("source", required=False, shell_complete=_complete),
    click.option(
        "--start",
        type=Start(),
        help="Where to begin in a topic: a time, by the records' timestamps; "
        "offsets, as in 0:1500,1:20; or group:NAME, where that consumer "
        "group stands.",
    ),
    click.option(
        "--partition",
        "partitions",
        multiple=True,
        type=click.IntRange(min=0),
        help="Of a topic, only this partition.",
    ),
    config_file,
)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """
    Give *command* the argument SOURCE and its options as one, *asked*.
    """

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        asked = source_named(
            given.pop("source"),
            given.pop("file"),
            start=given.pop("start"),
            partitions=given.pop("partitions"),
        )
        command(asked=asked, **given)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def source_named(
    name: str | None,
    file: str | None,
    *,
    start: Any = None,
    partitions: tuple[int, ...] = (),
) -> Asked:
    """
    What was said about a source, with the settings of *file* if it is one.
    """
    from auditlog.cli.source import Asked  # noqa: PLC0415

    topic = {"start": start, "partitions": partitions or None}
    given = {key: each for key, each in topic.items() if each is not None}
    return Asked(name, lambda: _configured(file), given)


def _configured(file: str | None) -> AuditLogConfig:
    from auditlog.cli import settings  # noqa: PLC0415

    return settings.loaded(file, os.environ).config

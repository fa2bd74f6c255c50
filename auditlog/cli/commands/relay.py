"""
``auditlog relay``.
"""

from __future__ import annotations

import os

import click

from ._options import config_file
from ._output import telling


@click.group()
def relay() -> None:
    """
    Carry events from the database to the topic.
    """


@relay.command()
@config_file
@click.option(
    "--shutdown-timeout",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Longest that what is under way may take at the end, in seconds.",
)
def run(file: str | None, *, shutdown_timeout: float) -> None:
    """
    Relay in this process until SIGTERM or SIGINT.

    For applications whose own processes have relay.run switched off. Of
    several such processes one ships at a time.
    """
    from auditlog.cli import relay, settings  # noqa: PLC0415

    with telling():
        config = settings.loaded(file, os.environ).config
        relay.run(config, shutdown_timeout=shutdown_timeout)

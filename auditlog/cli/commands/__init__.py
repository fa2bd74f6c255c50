"""
The commands and their options; what they do stands in modules of their own.
"""

from __future__ import annotations

from typing import Any

import click

from ._output import ending
from .config import config
from .db import db
from .demo import demo
from .export import convert, export
from .letters import dead_letters
from .look import clusters, doctor, status, topics
from .relay import relay
from .show import show
from .stats import stats
from .tail import tail


__all__ = ["auditlog"]


_SECTIONS = {
    "Events": (tail, show, stats, export, convert),
    "Care": (doctor, status, clusters, topics, dead_letters, relay),
    "Set-up": (config, db, demo),
}


class _Commands(click.Group):
    """
    All commands, in sections.
    """

    def invoke(self, ctx: click.Context) -> Any:
        with ending():
            return super().invoke(ctx)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        width = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (each.name or "", each.get_short_help_str(width))
                        for each in commands
                    ]
                )


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="auditlog-publisher")
def auditlog() -> None:
    """
    An audit log for Python applications.
    """


for _commands in _SECTIONS.values():
    for _command in _commands:
        auditlog.add_command(_command)

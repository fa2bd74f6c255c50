"""
``auditlog demo``.
"""

from __future__ import annotations

from pathlib import Path

import click

from ._output import hushed, telling


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("auditlog-demo"),
    show_default=True,
    help="Folder for the exported files.",
)
def demo(output: Path) -> None:
    """
    Show the main job on a real PostgreSQL and a real Apache Kafka.

    Starts both, publishes a day of a Kafka console's events, shows what an
    unknown cluster does and how it recovers, exports the topic, compares the
    bytes everywhere, and stops both again.
    """
    from rich.console import Console  # noqa: PLC0415 - costs 20 ms

    from auditlog.cli.demo import run_demo  # noqa: PLC0415

    with hushed(), telling():
        run_demo(Console(stderr=False, highlight=False), output)

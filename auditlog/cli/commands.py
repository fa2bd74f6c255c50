"""
The commands and their options; what they do stands in modules of their own.
"""

from __future__ import annotations

import logging
import sys

from pathlib import Path

import click

from rich.console import Console

from auditlog.errors import AuditLogError


FAILED = 1
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="auditlog-publisher")
def auditlog() -> None:
    """
    An audit log for Python applications.
    """


@auditlog.command()
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
    from auditlog.cli.demo import run_demo  # noqa: PLC0415

    # A driver's view of an outage is none of the story.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    console = Console(stderr=False, highlight=False)
    try:
        run_demo(console, output)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (AuditLogError, OSError) as exc:
        Console(stderr=True).print(f"auditlog demo: {exc}", markup=False)
        sys.exit(FAILED)

"""
Commands that look and change nothing: doctor, status, clusters, topics.
"""

from __future__ import annotations

import os

import click

from ._options import config_file, json_flag
from ._output import exit_by, hushed, print_findings, print_rows, telling


_NO_CLUSTERS = (
    "No cluster is configured; set CDK_CLUSTERS_0_ID and "
    "CDK_CLUSTERS_0_BOOTSTRAPSERVERS."
)
_NO_TOPICS = "There is no topic that this login may see."


@click.command()
@config_file
@json_flag
def doctor(file: str | None, *, as_json: bool) -> None:
    """
    Try everything, from the installation to the topic; change nothing.

    Says of each thing that is wrong what to do, and exits with 1 if there is
    one.
    """
    from auditlog.cli.doctor import examine  # noqa: PLC0415

    with hushed():
        found = examine(file, os.environ)
    print_findings(found, as_json=as_json)


@click.command()
@config_file
@json_flag
@click.option(
    "--max-lag",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Longest that an event may be undelivered, in seconds.",
)
def status(file: str | None, *, as_json: bool, max_lag: float) -> None:
    """
    Tell how the journal stands: relays, dead letters, what is in the way.

    Changes nothing; of a spool it only reads the files. Exits with 1 if
    something needs attention, and says what to do.
    """
    from auditlog.cli import settings, status  # noqa: PLC0415

    with hushed(), telling():
        seen = status.see(settings.loaded(file, os.environ).config, max_lag)
    if as_json:
        click.echo(status.as_json(seen))
        exit_by(seen.findings)
    else:
        print_findings(seen.findings, as_json=False)


@click.command()
@config_file
@json_flag
def clusters(file: str | None, *, as_json: bool) -> None:
    """
    List the Kafka clusters, and why one can't be used.

    Exits with 1 if there is one that can't.
    """
    from auditlog.cli import clusters, settings  # noqa: PLC0415

    with hushed(), telling():
        found = clusters.clusters(settings.loaded(file, os.environ).config)
    rows = [row for row, _ in found]
    seen = [finding for _, finding in found]
    if not found:
        click.echo(_NO_CLUSTERS, err=True)
    print_findings(seen, as_json=as_json, rows=rows, what="cluster")


@click.command()
@click.argument("cluster", required=False)
@config_file
@json_flag
def topics(cluster: str | None, file: str | None, *, as_json: bool) -> None:
    """
    List the topics of the cluster of that ID that our login may see.

    By default that of the cluster where events are published.
    """
    from auditlog.cli import clusters, settings  # noqa: PLC0415

    with hushed(), telling():
        config = settings.loaded(file, os.environ).config
        found = clusters.topics(config, cluster)
    if not found:
        click.echo(_NO_TOPICS, err=True)
    print_rows(found, as_json=as_json)

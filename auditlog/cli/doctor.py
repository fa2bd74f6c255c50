"""
What is wrong here, from the installation to the topic.
"""

from __future__ import annotations

import platform
import shutil
import tempfile

from importlib import metadata
from typing import TYPE_CHECKING

from auditlog.cli import settings
from auditlog.errors import (
    AuditLogError,
    ClusterNotFoundError,
    ConfigError,
    MissingExtraError,
)
from auditlog.findings import Finding
from auditlog.kafka.inspection import inspect_cluster
from auditlog.postgres import inspect_database
from auditlog.wiring import NOTHING


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auditlog.config import AuditLogConfig, DatabaseConfig
    from auditlog.postgres.privileges import Part


_PACKAGES = ("auditlog-publisher", "psycopg", "kafka-python")
_LEAST_FREE = 512 * 2**20


def examine(path: str | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """
    Look at everything, one after the other; changes nothing.
    """
    yield _versions()
    yield _neighbour()
    yield _disk()
    try:
        config = settings.loaded(path, environ).config
    except ConfigError as exc:
        for mistake in exc.mistakes:
            yield Finding("configuration", "failed", mistake, _READ)
        return
    except (MissingExtraError, OSError) as exc:
        yield Finding("configuration", "failed", str(exc))
        return
    yield from _configured(config)


_READ = "see the configuration reference, and auditlog config show"


def _configured(config: AuditLogConfig) -> Iterator[Finding]:
    publisher = config.publisher
    if config.database is None and publisher.cluster is None:
        yield Finding("configuration", "failed", *NOTHING.split(": ", 1))
        return
    yield Finding("configuration", "ok", "no mistakes")
    if config.database is not None:
        needs: list[Part] = ["writer"]
        if publisher.cluster is not None and config.relay.run:
            needs.append("relay")
        yield from _database(config.database, needs)
    yield from _kafka(config)


def _database(
    database: DatabaseConfig, needs: list[Part]
) -> Iterator[Finding]:
    try:
        yield from inspect_database(database, needs=needs)
    except (AuditLogError, OSError) as exc:
        yield Finding("database.connection", "failed", str(exc))


def _kafka(config: AuditLogConfig) -> Iterator[Finding]:
    publisher = config.publisher
    if publisher.cluster is None or publisher.topic_name is None:
        yield Finding("kafka.cluster", "skipped", "no topic is configured")
        return
    try:
        cluster = config.cluster(publisher.cluster)
    except ClusterNotFoundError as exc:
        yield Finding(
            "kafka.cluster",
            "failed",
            str(exc),
            "set audit_log_publisher.cluster to the ID of one of clusters "
            f"({', '.join(exc.known) or 'there are none'})",
        )
        return
    yield Finding("kafka.cluster", "ok", f"cluster {cluster.id!r} is known")
    try:
        yield from inspect_cluster(
            cluster.with_properties(publisher.properties),
            publisher.topic_name,
            topic_config=publisher.topic_config,
        )
    except MissingExtraError as exc:
        yield Finding("kafka.connection", "failed", str(exc))


# This machine


def _versions() -> Finding:
    found = [
        f"{name} {version}"
        for name in _PACKAGES
        if (version := _version(name))
    ]
    return Finding(
        "installation.versions",
        "ok",
        ", ".join([*found, f"Python {platform.python_version()}"]),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _neighbour() -> Finding:
    check = "installation.neighbours"
    if _version("django-auditlog") is None:
        return Finding(check, "ok", "no other package is called auditlog")
    return Finding(
        check,
        "failed",
        "django-auditlog is installed here too, and both are the package "
        "'auditlog': neither works reliably",
        "keep auditlog-publisher and django-auditlog in separate environments",
    )


def _disk() -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    detail = f"{folder} has {free / 2**30:.1f} GiB free"
    if free >= _LEAST_FREE:
        return Finding("machine.disk", "ok", detail)
    return Finding("machine.disk", "warning", detail, "free space there")

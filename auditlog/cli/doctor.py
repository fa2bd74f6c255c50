"""
What is wrong here, from the installation to the topic.
"""

from __future__ import annotations

import platform
import shutil
import tempfile

from importlib import metadata
from typing import TYPE_CHECKING

from auditlog.cli import mistakes, settings
from auditlog.cli.stages import bounded
from auditlog.errors import ClusterNotFoundError, ConfigError
from auditlog.findings import Finding
from auditlog.kafka import inspect_cluster
from auditlog.kafka.inspection import skipped
from auditlog.postgres import inspect_database
from auditlog.spool import inspect_spool
from auditlog.wiring import NOTHING


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auditlog.config import AuditLogConfig
    from auditlog.postgres.privileges import Part


_PACKAGES = ("auditlog-publisher", "psycopg", "kafka-python")
_LEAST_FREE = 512 * 2**20


def examine(path: str | None, environ: Mapping[str, str]) -> list[Finding]:
    """
    Look at everything, one after the other; changes nothing.
    """
    found = bounded("python.versions", _python)
    found += bounded("machine.disk", _machine)
    look = _Settings(path, environ)
    found += bounded(mistakes.CHECK, look.findings)
    if (config := look.config) is not None:
        found += bounded("database.connection", lambda: _database(config))
        found += bounded("spool.folder", lambda: _spool(config))
        found += bounded("kafka.connection", lambda: _kafka(config))
    return found


# This machine


def _python() -> Iterator[Finding]:
    found = [
        f"{name} {version}"
        for name in _PACKAGES
        if (version := _version(name))
    ]
    versions = ", ".join([f"Python {platform.python_version()}", *found])
    yield Finding("python.versions", "ok", versions)
    yield _neighbours()


def _neighbours() -> Finding:
    check = "python.neighbours"
    if _version("django-auditlog") is None:
        return Finding(check, "ok", "no other package is called auditlog")
    return Finding(
        check,
        "failed",
        "django-auditlog is installed here too, and both are the package "
        "'auditlog': neither works reliably",
        "make a new environment, and install only one of auditlog-publisher "
        "and django-auditlog into it",
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _machine() -> Iterator[Finding]:
    check = "machine.disk"
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        way_out = "set TMPDIR to a folder that can be written to"
        detail = "there is no folder for temporary files"
        yield Finding(check, "failed", detail, way_out)
        return
    free = shutil.disk_usage(folder).free
    detail = f"{folder} has {_size(free)} free"
    if free >= _LEAST_FREE:
        yield Finding(check, "ok", detail)
    else:
        way_out = f"free space in {folder}, or set TMPDIR to another folder"
        yield Finding(check, "warning", detail, way_out)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


# The settings


class _Settings:
    """
    A look at the settings, which leaves the config behind if it can be used.
    """

    def __init__(self, path: str | None, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self.config: AuditLogConfig | None = None

    def findings(self) -> Iterator[Finding]:
        check = mistakes.CHECK
        try:
            found = settings.loaded(self._path, self._environ)
        except ConfigError as exc:
            yield from map(mistakes.finding, exc.mistakes)
            return
        if _is_nothing(found.config):
            yield Finding(check, "failed", *NOTHING.split(": ", 1))
            return
        self.config = found.config
        count = len(found.given)
        noun = "setting" if count == 1 else "settings"
        yield Finding(check, "ok", f"no mistakes in {count} {noun}")


def _is_nothing(config: AuditLogConfig) -> bool:
    return (
        config.database is None
        and config.spool is None
        and config.publisher.cluster is None
    )


# The services


def _database(config: AuditLogConfig) -> list[Finding]:
    if config.database is None:
        detail = "no database is set (CDK_DATABASE_URL)"
        return [Finding("database.connection", "skipped", detail)]
    return inspect_database(config.database, needs=_needs(config))


def _needs(config: AuditLogConfig) -> list[Part]:
    relays = config.publisher.cluster is not None and config.relay.run
    return ["writer", "relay"] if relays else ["writer"]


def _spool(config: AuditLogConfig) -> list[Finding]:
    spool = config.spool
    if spool is None:
        return []
    return inspect_spool(spool.path, max_bytes=spool.max_bytes)


def _kafka(config: AuditLogConfig) -> Iterator[Finding]:
    publisher, check = config.publisher, "kafka.cluster"
    if publisher.cluster is None or publisher.topic_name is None:
        detail = "no topic is set (CDK_AUDITLOGPUBLISHER_CLUSTER, _TOPICNAME)"
        yield Finding(check, "skipped", detail)
        return
    try:
        cluster = config.cluster(publisher.cluster)
    except ClusterNotFoundError as exc:
        unknown = Finding(check, "failed", str(exc), _way_to_cluster(exc))
        yield from [unknown, *skipped([unknown])]
        return
    number = config.clusters.index(cluster)
    detail = f"cluster {cluster.id!r} is known, as clusters[{number}]"
    yield Finding(check, "ok", detail)
    yield from inspect_cluster(
        cluster.with_properties(publisher.properties),
        publisher.topic_name,
        topic_config=publisher.topic_config,
    )


def _way_to_cluster(exc: ClusterNotFoundError) -> str:
    add = "CDK_CLUSTERS_0_ID and CDK_CLUSTERS_0_BOOTSTRAPSERVERS"
    if not exc.known:
        return f"set {add}, as no cluster is configured"
    known = " or ".join(map(repr, exc.known))
    return (
        "set audit_log_publisher.cluster (CDK_AUDITLOGPUBLISHER_CLUSTER) to "
        f"{known}, or configure a cluster of the ID {exc.cluster!r}"
    )

"""
An audit log for Python applications: who did what to which resource.

Each name below is loaded when it is first asked for, so that importing the
package costs an application next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditlog import _shadow as _shadow


if TYPE_CHECKING:
    from auditlog import context
    from auditlog._engine.receipt import PendingReceipt, Receipt
    from auditlog.abc import EventQuery, Record
    from auditlog.config import (
        AuditLogConfig,
        ClusterConfig,
        ClusterRegistry,
        DatabaseConfig,
        DatabaseHost,
        PublisherConfig,
        RelayConfig,
        Secret,
        SpoolConfig,
        TopicConfig,
    )
    from auditlog.errors import AuditLogError
    from auditlog.event import (
        Actor,
        AuditEvent,
        Change,
        Outcome,
        RequestContext,
        Resource,
        event_type,
    )
    from auditlog.exporters import (
        CSVExporter,
        CSVReader,
        ExportReport,
        JSONExporter,
        JSONLinesReader,
        LinesExporter,
        ParquetExporter,
        ParquetReader,
        read_csv,
        read_parquet,
    )
    from auditlog.kafka import KafkaReader, KafkaSink
    from auditlog.memory import InMemoryReader, InMemorySink
    from auditlog.postgres import PostgresReader, PostgresSink
    from auditlog.publisher import AuditLogPublisher
    from auditlog.relay import Relay
    from auditlog.spool import SpoolReader, SpoolSink


__all__ = [
    "Actor",
    "AuditEvent",
    "AuditLogConfig",
    "AuditLogError",
    "AuditLogPublisher",
    "CSVExporter",
    "CSVReader",
    "Change",
    "ClusterConfig",
    "ClusterRegistry",
    "DatabaseConfig",
    "DatabaseHost",
    "EventQuery",
    "ExportReport",
    "InMemoryReader",
    "InMemorySink",
    "JSONExporter",
    "JSONLinesReader",
    "KafkaReader",
    "KafkaSink",
    "LinesExporter",
    "Outcome",
    "ParquetExporter",
    "ParquetReader",
    "PendingReceipt",
    "PostgresReader",
    "PostgresSink",
    "PublisherConfig",
    "Receipt",
    "Record",
    "Relay",
    "RelayConfig",
    "RequestContext",
    "Resource",
    "Secret",
    "SpoolConfig",
    "SpoolReader",
    "SpoolSink",
    "TopicConfig",
    "context",
    "event_type",
    "read_csv",
    "read_parquet",
]

_HOMES = {
    "_engine.receipt": ("PendingReceipt", "Receipt"),
    "abc": ("EventQuery", "Record"),
    "config": (
        "AuditLogConfig",
        "ClusterConfig",
        "ClusterRegistry",
        "DatabaseConfig",
        "DatabaseHost",
        "PublisherConfig",
        "RelayConfig",
        "Secret",
        "SpoolConfig",
        "TopicConfig",
    ),
    "errors": ("AuditLogError",),
    "event": (
        "Actor",
        "AuditEvent",
        "Change",
        "Outcome",
        "RequestContext",
        "Resource",
        "event_type",
    ),
    "exporters": (
        "CSVExporter",
        "CSVReader",
        "ExportReport",
        "JSONExporter",
        "JSONLinesReader",
        "LinesExporter",
        "ParquetExporter",
        "ParquetReader",
        "read_csv",
        "read_parquet",
    ),
    "kafka": ("KafkaReader", "KafkaSink"),
    "memory": ("InMemoryReader", "InMemorySink"),
    "postgres": ("PostgresReader", "PostgresSink"),
    "publisher": ("AuditLogPublisher",),
    "relay": ("Relay",),
    "spool": ("SpoolReader", "SpoolSink"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version(
            "auditlog-publisher"
        )
    if name == "context":
        return import_module("auditlog.context")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    found = getattr(import_module(f"auditlog.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""
An audit log for Python applications: who did what to which resource.
"""

from __future__ import annotations

from auditlog import _shadow as _shadow
from auditlog import context
from auditlog._engine.receipt import PendingReceipt, Receipt
from auditlog.abc import EventQuery, Record
from auditlog.config import (
    AuditLogConfig,
    ClusterConfig,
    ClusterRegistry,
    DatabaseConfig,
    PublisherConfig,
    RelayConfig,
    Secret,
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
    read_csv,
)
from auditlog.kafka import KafkaReader, KafkaSink
from auditlog.memory import InMemoryReader, InMemorySink
from auditlog.postgres import PostgresReader, PostgresSink
from auditlog.publisher import AuditLogPublisher
from auditlog.relay import Relay


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
    "EventQuery",
    "ExportReport",
    "InMemoryReader",
    "InMemorySink",
    "JSONExporter",
    "JSONLinesReader",
    "KafkaReader",
    "KafkaSink",
    "Outcome",
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
    "TopicConfig",
    "context",
    "event_type",
    "read_csv",
]


def __getattr__(name: str) -> str:
    """
    ``__version__``, looked up when it is asked for.
    """
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib.metadata import version  # noqa: PLC0415

    return version("auditlog-publisher")

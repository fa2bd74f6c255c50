"""
What an audit log needs to know: where events are kept and published.
"""

from __future__ import annotations

from .clusters import ClusterRegistry
from .model import (
    AuditLogConfig,
    ClusterConfig,
    DatabaseConfig,
    DatabaseHost,
    PublisherConfig,
    RelayConfig,
    SpoolConfig,
    TopicConfig,
)
from .secret import Secret


__all__ = [
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
]

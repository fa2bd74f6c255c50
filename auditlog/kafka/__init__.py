"""
Audit events in a Kafka topic: the sink that fills it, the reader of it.
"""

from __future__ import annotations

from .inspection import inspect_cluster
from .reader import KafkaReader
from .sink import KafkaSink
from .starts import ConsumerGroup


__all__ = ["ConsumerGroup", "KafkaReader", "KafkaSink", "inspect_cluster"]

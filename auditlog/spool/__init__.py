"""
A sink and journal on local disk.
"""

from __future__ import annotations

from .inspection import inspect_spool
from .reader import SpoolReader
from .sink import SpoolSink


__all__ = ["SpoolReader", "SpoolSink", "inspect_spool"]

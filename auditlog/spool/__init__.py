"""
A sink and journal on local disk.
"""

from __future__ import annotations

from .inspection import inspect_spool
from .sink import SpoolSink


__all__ = ["SpoolSink", "inspect_spool"]

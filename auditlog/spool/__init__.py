"""
A sink and journal on local disk.
"""

from __future__ import annotations

from .sink import SpoolSink


__all__ = ["SpoolSink"]

"""
How many events there are, when, and by whom: what plots are made of.
"""

from __future__ import annotations

from ._counts import EventCounts


__all__ = ["EventCounts"]

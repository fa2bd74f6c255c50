"""
Events as tables: Arrow batches of one fixed schema, made when asked for.
"""

from __future__ import annotations

from ._batches import record_batch, record_batches
from ._columns import LAYOUTS
from ._schema import pyarrow, schema


__all__ = ["LAYOUTS", "pyarrow", "record_batch", "record_batches", "schema"]

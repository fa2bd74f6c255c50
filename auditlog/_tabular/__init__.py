"""
Events as tables: Arrow batches of one fixed schema, made when asked for.
"""

from __future__ import annotations

from ._batches import (
    can_read,
    chunks,
    needs_events,
    record_batch,
    record_batches,
)
from ._columns import LAYOUTS, RECORD_COLUMNS
from ._schema import plain_schema, pyarrow, schema
from ._tables import Tables


__all__ = [
    "LAYOUTS",
    "RECORD_COLUMNS",
    "Tables",
    "can_read",
    "chunks",
    "needs_events",
    "plain_schema",
    "pyarrow",
    "record_batch",
    "record_batches",
    "schema",
]

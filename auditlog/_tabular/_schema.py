"""
The Arrow schema of events, fixed here and never inferred from data.
"""

from __future__ import annotations

import functools

from typing import TYPE_CHECKING, Any

from auditlog.errors import MissingExtraError

from ._columns import COLUMNS, LAYOUTS


if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


def pyarrow(what: str) -> Any:
    """
    The package, imported when it is first needed.

    Args:
        what: The class or function that needs it.

    Raises:
        MissingExtraError: If pyarrow isn't installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415
    except ImportError as exc:
        raise MissingExtraError(what, "arrow") from exc
    return pa


def schema(names: Sequence[str] = LAYOUTS["events"]) -> pa.Schema:
    """
    The schema of the columns *names*, by default those of an event.

    Raises:
        MissingExtraError: If pyarrow isn't installed.
    """
    return _schema(tuple(names))


@functools.cache
def _schema(names: tuple[str, ...]) -> pa.Schema:
    pa = pyarrow("an Arrow table")
    kinds = _types(pa)
    return pa.schema([(name, kinds[COLUMNS[name].kind]) for name in names])


def plain_schema(names: Sequence[str]) -> pa.Schema:
    """
    As :func:`schema`, without dictionaries: how values become Python's.
    """
    pa = pyarrow("an Arrow table")
    kinds = _types(pa) | {"word": pa.string()}
    return pa.schema([(name, kinds[COLUMNS[name].kind]) for name in names])


def _types(pa: Any) -> dict[str, Any]:
    header = pa.struct([("name", pa.string()), ("value", pa.binary())])
    return {
        "text": pa.string(),
        "word": pa.dictionary(pa.int32(), pa.string()),
        "time": pa.timestamp("us", "UTC"),
        "number": pa.int64(),
        "small": pa.int32(),
        "bytes": pa.binary(),
        "headers": pa.list_(header),
    }

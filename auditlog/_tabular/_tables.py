"""
What a reader gives, as tables of Arrow, pandas and polars.
"""

from __future__ import annotations

import logging

from abc import abstractmethod
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from auditlog import _reasons
from auditlog.errors import ConfigError, MissingPackageError

from ._batches import reason_of, record_batches
from ._columns import COLUMNS, LAYOUTS
from ._html import page_of
from ._schema import pyarrow, schema


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from auditlog.abc import Record, Skipped


logger = logging.getLogger("auditlog.tables")


class Tables:
    """
    Hands over what :meth:`scan` finds as tables; each call reads anew.
    """

    __slots__ = ()

    @abstractmethod
    def scan(self) -> Iterator[Record | Skipped]:
        """
        The records and, in between, what was passed over.
        """

    @abstractmethod
    def _first(self, count: int) -> Iterator[Record | Skipped]:
        """
        As :meth:`scan`, up to *count* records.
        """

    def to_arrow(self, *, columns: Sequence[str] | None = None) -> pa.Table:
        """
        Read all events into an Arrow table.

        The schema is fixed, whatever the events hold: see
        :doc:`/reference/parquet` for columns and types. What
        is no audit event isn't in the table, and is logged at WARNING on
        ``auditlog.tables`` with the count for each reason.

        Args:
            columns:
                Names of columns, in order; None takes those of an event and
                its place. ``value``, ``timestamp``, ``key`` and ``headers``
                can be named, too.

        Raises:
            MissingExtraError: If pyarrow isn't installed.

            ConfigError: If there is no such column.

            ReadError: If the reader fails.

        .. versionadded:: 0.1.0
        """
        pa = pyarrow("Events.to_arrow()")
        names = _checked(columns)
        batches = self._batches(names)
        table = pa.Table.from_batches(batches, schema=schema(names))
        return table.unify_dictionaries()

    def to_arrow_batches(
        self, *, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """
        Read events into one Arrow batch after the other, in flat memory.

        A batch has 4,096 events, or fewer that are long.

        Args:
            columns: See :meth:`to_arrow`.

        Raises:
            MissingExtraError: If pyarrow isn't installed.

            ConfigError: If there is no such column.

            ReadError: While batches are taken, if the reader fails.

        .. versionadded:: 0.1.0
        """
        pyarrow("Events.to_arrow_batches()")
        return self._batches(_checked(columns))

    def to_pandas(
        self, *, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """
        Read all events into a pandas data frame.

        Times are ``datetime64[us, UTC]``, words such as *event_type* are
        categories, and numbers are pandas' own integers, so that offsets
        stay exact where some are missing.

        Args:
            columns: See :meth:`to_arrow`.

        Raises:
            MissingPackageError: If pandas isn't installed.

            MissingExtraError: If pyarrow isn't installed.

            ConfigError: If there is no such column.

            ReadError: If the reader fails.

        .. versionadded:: 0.1.0
        """
        pandas = _package("pandas", "Events.to_pandas()")
        pa = pyarrow("Events.to_pandas()")
        integers = {
            pa.int32(): pandas.Int32Dtype(),
            pa.int64(): pandas.Int64Dtype(),
        }
        table = self.to_arrow(columns=columns)
        return table.to_pandas(types_mapper=integers.get)

    def to_polars(
        self, *, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """
        Read all events into a polars data frame.

        Args:
            columns: See :meth:`to_arrow`.

        Raises:
            MissingPackageError: If polars isn't installed.

            MissingExtraError: If pyarrow isn't installed.

            ConfigError: If there is no such column.

            ReadError: If the reader fails.

        .. versionadded:: 0.1.0
        """
        polars = _package("polars", "Events.to_polars()")
        table = self.to_arrow(columns=columns)
        frame: pl.DataFrame = polars.DataFrame(table)
        return frame

    def __arrow_c_schema__(self) -> object:
        """
        The schema of :meth:`__arrow_c_stream__`; nothing is read.
        """
        capsule: object = schema().__arrow_c_schema__()
        return capsule

    def __arrow_c_stream__(
        self, requested_schema: object | None = None
    ) -> object:
        """
        A new stream for each consumer: DuckDB, polars, pandas, nanoarrow.

        Some ask several times for one query, so each call reads anew, once
        the stream is taken from.

        Args:
            requested_schema:
                A capsule with the schema that the consumer would like: the
                same columns in types that these can be cast to.

        Raises:
            MissingExtraError: If pyarrow isn't installed.

        .. versionadded:: 0.1.0
        """
        pa = pyarrow("Events.__arrow_c_stream__()")
        names = LAYOUTS["events"]
        reader = pa.RecordBatchReader.from_batches(
            schema(names), self._batches(names)
        )
        capsule: object = reader.__arrow_c_stream__(requested_schema)
        return capsule

    def _repr_html_(self) -> str:
        return page_of(self._first, repr(self))

    def _batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        skipped = Counter[str]()

        def skip(_: Record, reason: str) -> None:
            _reasons.count(skipped, reason)

        records = _records(self.scan(), skipped)
        yield from record_batches(records, names, skip=skip)
        if skipped:
            logger.warning(
                "%d records were no audit events and are not in the table: %s",
                skipped.total(),
                dict(skipped),
            )


def _records(
    found: Iterator[Record | Skipped], skipped: Counter[str]
) -> Iterator[Record]:
    for item in found:
        reason = reason_of(item)
        if reason is None:
            yield cast("Record", item)
        else:
            _reasons.count(skipped, reason)


def _checked(columns: Sequence[str] | None) -> tuple[str, ...]:
    if columns is None:
        return LAYOUTS["events"]

    names = (columns,) if isinstance(columns, str) else tuple(columns)
    known = ", ".join(COLUMNS)
    mistakes = [
        f"'columns' has {name!r}; known are {known}"
        for name in names
        if name not in COLUMNS
    ]
    if len({*names}) < len(names):
        mistakes.append("'columns' must name each column once")
    if not names:
        mistakes.append("'columns' must not be empty")
    if mistakes:
        raise ConfigError(mistakes)
    return names


def _package(name: str, what: str) -> Any:
    try:
        return import_module(name)
    except ImportError as exc:
        raise MissingPackageError(what, name) from exc

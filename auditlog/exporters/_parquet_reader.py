"""
Events out of Parquet files.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from auditlog import codec
from auditlog._tabular import RECORD_COLUMNS, plain_schema, pyarrow
from auditlog.abc import Origin, Reader, Record, Skipped, select
from auditlog.errors import DecodingError, ReadError

from ._fields import Fields


if TYPE_CHECKING:
    import os

    from collections.abc import Iterator, Sequence

    from auditlog.abc import EventQuery, Events


BATCH_ROWS = 1_000


class ParquetReader(Reader):
    """
    Reads a file that `ParquetExporter` wrote, row group by row group.

    Brings back equal events of ``layout="events"``, and the stored bodies
    where there is a column ``value``. A file of another tool will do, too,
    if it has the same columns, in any order. A row that holds no audit event
    is passed over and told with file, row and reason.

    Args:
        path: The file.

    Raises:
        MissingExtraError: If pyarrow isn't installed.

    .. versionadded:: 0.1.0
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._pa = pyarrow("ParquetReader")

    def __repr__(self) -> str:
        """
        The class and the path.
        """
        return f"<{type(self).__name__} {str(self._path)!r}>"

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        See :meth:`auditlog.abc.Reader.scan`.

        Raises:
            ReadError: If the file can't be read, or is of another kind.
        """
        with self._told():
            self._path.stat()
        return select(self._found(query), query)

    def _found(self, query: EventQuery) -> Iterator[Record | Skipped]:
        newest = query.order == "newest"
        with self._told(), contextlib.closing(self._opened()) as file:
            rows = self._rows(file.schema_arrow)
            for start, batch in _numbered(file, rows.names, newest=newest):
                numbered = [*enumerate(self._values(batch, rows), start)]
                for number, row in numbered[:: -1 if newest else 1]:
                    yield self._item(rows, number, row, query)

    def _opened(self) -> Any:
        from pyarrow import parquet  # noqa: PLC0415

        # Arrow's own messages for these are less clear than Python's.
        self._path.open("rb").close()
        return parquet.ParquetFile(self._path)

    def _rows(self, found: Any) -> _Rows:
        try:
            return _Rows.of(found.names)
        except ReadError as exc:
            raise ReadError(f"can't read {self._path}: {exc}") from exc

    def _values(self, batch: Any, rows: _Rows) -> Iterator[tuple[Any, ...]]:
        columns = [
            self._column(batch.column(field.name), field).to_pylist()
            for field in plain_schema(rows.names)
        ]
        return zip(*columns, strict=True)

    def _column(self, column: Any, field: Any) -> Any:
        types = self._pa.types
        naive = types.is_timestamp(column.type) and column.type.tz is None
        try:
            if naive:
                raise ReadError(
                    f"can't read {self._path}: column {field.name!r} has no "
                    "time zone; write it as UTC"
                )
            # Finer times than microseconds are cut, as in any body.
            safe = not types.is_timestamp(field.type)
            return column.cast(field.type, safe=safe)
        except self._pa.ArrowException as exc:
            raise ReadError(
                f"can't read {self._path}: column {field.name!r} is "
                f"{column.type}, not {field.type}"
            ) from exc

    def _item(
        self, rows: _Rows, number: int, row: Sequence[Any], query: EventQuery
    ) -> Record | Skipped:
        try:
            record = rows.record(row)
            if query.filters:
                _ = record.event  # fails here, where the row is known
        except DecodingError as exc:
            return Skipped(place=f"{self._path}:{number}", reason=str(exc))
        return record

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            reason = exc.strerror or "the file is damaged"
            raise ReadError(f"can't read {self._path}: {reason}") from exc
        except self._pa.ArrowException as exc:
            raise ReadError(
                f"can't read {self._path}: it is no Parquet file, or damaged"
            ) from exc


def read_parquet(path: str | os.PathLike[str], /) -> Events:
    """
    The events in a Parquet file; each iteration reads it again.

    Args:
        path: A file that `ParquetExporter` wrote.

    Raises:
        MissingExtraError: If pyarrow isn't installed.

        ReadError: When iterated, if the file can't be read.

    .. versionadded:: 0.1.0
    """
    return ParquetReader(path).read()


@attrs.frozen
class _Rows:
    """
    Makes records of rows: first *members* of the event, then its *places*.
    """

    members: tuple[str, ...]
    places: tuple[str, ...]
    fields: Fields

    @classmethod
    def of(cls, found: Sequence[str]) -> _Rows:
        members = tuple(n for n in found if n not in RECORD_COLUMNS)
        places = tuple(n for n in RECORD_COLUMNS if n in found)
        if "value" in places:
            return cls((), places, Fields([*members, "value"]))
        return cls(members, places, Fields(members))

    @property
    def names(self) -> tuple[str, ...]:
        return self.members + self.places

    def record(self, row: Sequence[Any]) -> Record:
        width = len(self.members)
        place = dict(zip(self.places, row[width:], strict=True))
        event_id, body = self._body(row[:width], place)
        return Record(
            event_id=event_id,
            body=body,
            index=place.get("index"),
            recorded_at=_utc(place.get("recorded_at")),
            origin=_origin(place),
        )

    def _body(self, cells: Sequence[Any], place: dict[str, Any]) -> Any:
        if "value" in place:
            body = place["value"] or b""
            return codec.peek(body).event_id, body

        event = self.fields.event(cells)
        return event.event_id, functools.partial(codec.encode, event)


def _numbered(
    file: Any, names: Sequence[str], *, newest: bool
) -> Iterator[tuple[int, Any]]:
    """
    The batches of *file*, each with the number of its first row, from 1.
    """
    first = 1
    starts = []
    for group in range(file.num_row_groups):
        starts.append((group, first))
        first += file.metadata.row_group(group).num_rows
    for group, start in reversed(starts) if newest else starts:
        batches = _of_group(file, names, group, start)
        yield from reversed([*batches]) if newest else batches


def _of_group(
    file: Any, names: Sequence[str], group: int, start: int
) -> Iterator[tuple[int, Any]]:
    for batch in file.iter_batches(
        BATCH_ROWS, row_groups=[group], columns=[*names]
    ):
        yield start, batch
        start += batch.num_rows


def _utc(time: dt.datetime | None) -> dt.datetime | None:
    return None if time is None else time.astimezone(dt.UTC)


def _origin(place: dict[str, Any]) -> Origin | None:
    partition, offset = place.get("partition"), place.get("offset")
    if partition is None or offset is None:
        return None

    headers = place.get("headers") or ()
    return Origin(
        topic=place.get("topic") or "",
        partition=partition,
        offset=offset,
        timestamp=_utc(place.get("timestamp")),
        key=place.get("key"),
        headers=tuple((each["name"], each["value"]) for each in headers),
    )

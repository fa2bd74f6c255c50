"""
Events as Parquet, written row group by row group.
"""

from __future__ import annotations

import contextlib

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import attrs

from auditlog._pages import page_of
from auditlog._tabular import (
    LAYOUTS,
    can_read,
    chunks,
    needs_events,
    pyarrow,
    record_batch,
    schema,
)
from auditlog.errors import ConfigError, ExportError

from ._base import FileExporter
from ._names import name_of


if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from os import PathLike
    from typing import BinaryIO

    from auditlog._pages import Page
    from auditlog._progress import Progress
    from auditlog.abc import Record
    from auditlog.event import AuditEvent

    from ._compression import Encoder
    from ._report import ExportReport
    from ._tally import Exportable, Tally


# A row group waits in memory; events of usual size stay far below this.
GROUP_BYTES = 64 * 1024 * 1024
BATCH_ROWS = 5_000

_LEVELS = range(1, 23)
_OUTSIDE = {".gz", ".zst", ".zstd", ".bz2", ".xz", ".lz4", ".br", ".zip"}


@attrs.frozen(kw_only=True)
class ParquetExporter:
    """
    Writes events as Parquet, for data frames and databases.

    Types are fixed, whatever the events hold, and in a file without events
    too: times are UTC to the microsecond, texts are strings, what has
    members, such as *metadata* and *changes*, is compact JSON.
    `read_parquet()` brings back equal events. Equal events give equal files,
    as long as pyarrow is the same.

    Attributes:
        layout:
            ``"events"`` has a column for each field of an event, named as in
            CSV files, and behind them ``index``, ``recorded_at``, ``topic``,
            ``partition`` and ``offset``, null where a reader doesn't know
            them. ``"records"`` has what a store knows of a record and its
            stored body as ``value``, which is never decoded, with
            ``timestamp``, ``key`` and ``headers``.

        body: Whether ``"events"`` has ``value``, too: the stored bytes.

        compression: ``"zstd"``, ``"snappy"``, or None.

        compression_level: Of zstd, from 1 to 22; None is 1.

        row_group_rows:
            How many rows a row group has. A row group is held in memory
            until it is written; one of 64 MiB is written in any case.

    Raises:
        ConfigError: If a setting is none of those named.

        MissingExtraError: If pyarrow isn't installed.

    .. versionadded:: 0.1.0
    """

    layout: Literal["events", "records"] = "events"
    body: bool = False
    compression: Literal["zstd", "snappy"] | None = "zstd"
    compression_level: int | None = None
    row_group_rows: int = 50_000

    def __attrs_post_init__(self) -> None:
        """
        Refuse settings that can't work, all at once.
        """
        if mistakes := list(self._mistakes()):
            raise ConfigError(mistakes)
        pyarrow("ParquetExporter")

    def export(
        self,
        events: Iterable[Record | AuditEvent],
        target: str | PathLike[str] | BinaryIO,
        /,
        *,
        progress: bool | Progress | None = None,
        errors: Literal["report", "raise"] = "report",
        overwrite: bool = True,
    ) -> ExportReport:
        """
        Write *events* to *target* in flat memory and report what was written.

        A path appears whole or not at all, as by `JSONExporter.export()`,
        where all arguments are described.

        Returns:
            What was written and what was passed over.

        Raises:
            ExportError:
                If *target* can't be written, or what was given aren't events,
                or with ``errors="raise"`` at the first record that isn't one.

            ReadError: If the reader fails.
        """
        _refuse_suffix(target)
        return self._file().export(
            events,
            target,
            progress=progress,
            errors=errors,
            overwrite=overwrite,
        )

    def iter_bytes(
        self, events: Iterable[Record | AuditEvent], /
    ) -> Iterator[bytes]:
        """
        The bytes of a file, piece by piece, as for a streamed HTTP response.

        A piece is a row group; nothing is read before the first is asked for.
        What was passed over is logged at WARNING on ``auditlog.exporters``,
        with the count for each reason.

        Raises:
            ExportError: As `export()`, while the pieces are taken.
        """
        return self._file().iter_bytes(events)

    def _mistakes(self) -> Iterator[str]:
        for name, allowed in (
            ("layout", tuple(LAYOUTS)),
            ("compression", ("zstd", "snappy", None)),
        ):
            value = getattr(self, name)
            if value not in allowed:
                choice = ", ".join(map(repr, allowed))
                yield f"{name!r} must be one of {choice} (got {value!r})"
        level, rows = self.compression_level, self.row_group_rows
        if level is not None and (
            self.compression != "zstd" or level not in _LEVELS
        ):
            yield (
                "'compression_level' must be from 1 to 22, and goes with "
                f"'zstd' only (got {level!r})"
            )
        if rows < 1:
            yield f"'row_group_rows' must be at least 1 (got {rows!r})"

    def _file(self) -> _File:
        # The file itself is never compressed: its columns are.
        return _File(settings=self, compression=None)

    def _names(self) -> tuple[str, ...]:
        names = LAYOUTS[self.layout]
        adds_body = self.body and "value" not in names
        return (*names, "value") if adds_body else names

    def _level(self) -> int | None:
        if self.compression == "zstd":
            return self.compression_level or 1
        return None


def _refuse_suffix(target: object) -> None:
    name = name_of(target)
    is_path = isinstance(target, str) or hasattr(target, "__fspath__")
    if is_path and PurePath(name).suffix.lower() in _OUTSIDE:
        raise ExportError(
            f"can't write {name}: Parquet compresses its columns itself; "
            "give a name that ends in .parquet"
        )


@attrs.frozen(kw_only=True)
class _File(FileExporter):
    """
    The bytes of a Parquet file, for what all exporters have in common.
    """

    settings: ParquetExporter

    def _rendered(
        self,
        events: Exportable,
        tally: Tally,
        encoder: Encoder,  # noqa: ARG002
    ) -> Generator[bytes]:
        with contextlib.closing(tally.batches(events)) as pages:
            yield from self._chunks(pages, tally)

    def _chunks(self, pages: Iterator[Page], tally: Tally) -> Generator[bytes]:
        drain = _Drain()
        with contextlib.closing(self._writer(drain)) as writer:
            for group in self._groups(pages, tally):
                writer.write_table(group)
                yield drain.take()
        yield drain.take()

    def _writer(self, drain: _Drain) -> Any:
        from pyarrow import parquet  # noqa: PLC0415

        settings = self.settings
        return parquet.ParquetWriter(
            drain,
            schema(settings._names()),  # noqa: SLF001
            compression=settings.compression or "none",
            compression_level=settings._level(),  # noqa: SLF001
        )

    def _groups(self, pages: Iterator[Page], tally: Tally) -> Iterator[Any]:
        pa = pyarrow("ParquetExporter")
        most = self.settings.row_group_rows
        group: list[Any] = []
        for batch in self._batches(pages, tally):
            group.append(batch)
            rows = sum(each.num_rows for each in group)
            size = sum(each.nbytes for each in group)
            if rows >= most or size >= GROUP_BYTES:
                table = pa.Table.from_batches(group)
                yield _one_dictionary(table.slice(0, most))
                group = table.slice(most).to_batches()
        if group:
            yield _one_dictionary(pa.Table.from_batches(group))

    def _batches(self, pages: Iterator[Page], tally: Tally) -> Iterator[Any]:
        names = self.settings._names()  # noqa: SLF001
        records = (record for page in pages for record in page.records)
        if needs_events(names):
            skip = tally.skip_record
            records = (record for record in records if can_read(record, skip))
        rows = min(BATCH_ROWS, self.settings.row_group_rows)
        for chunk in chunks(records, rows):
            yield record_batch(chunk, names)
            tally.count(page_of(chunk))


def _one_dictionary(table: Any) -> Any:
    # Whatever the batches were: equal rows give equal bytes.
    return table.unify_dictionaries()


class _Drain:
    """
    What a Parquet writer writes to, emptied after each row group.
    """

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        """
        Keep *data* until it is taken.
        """
        self._parts.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        """
        How much was ever written; a writer notes where its columns are.
        """
        return self._size

    def flush(self) -> None:
        """
        Do nothing: what is kept is as good as written.
        """

    def take(self) -> bytes:
        """
        What was written since the last call.
        """
        data = b"".join(self._parts)
        self._parts.clear()
        return data

"""
Events as Parquet, written row group by row group.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import attrs

from auditlog._tabular import LAYOUTS, pyarrow
from auditlog.errors import ConfigError, ExportError

from ._groups import GroupOutput, GroupWork, TableForm
from ._names import name_of
from ._rows import RowExporter


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from typing import BinaryIO

    from auditlog._progress import Progress
    from auditlog.abc import Record
    from auditlog.event import AuditEvent

    from ._compression import Encoder
    from ._report import ExportReport
    from ._target import Store


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
            until it is written; one whose events have 64 MiB is written in
            any case.

        max_file_bytes:
            Longest that a file may be; then there are several, cut between
            two events, each whole in itself: ``audit-00001.parquet`` and so
            on. A row group that doesn't fit into what is left begins the
            next file, and is halved until it fits into one. An event that
            needs more has a file of its own, of some 9,000 bytes at least.

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
    max_file_bytes: int | None = None

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
        resume: bool = False,
        follow: bool = False,
        workers: int = 1,
    ) -> ExportReport:
        """
        Write *events* to *target* in flat memory and report what was written.

        A path appears whole or not at all, as by `JSONExporter.export()`,
        where all arguments are described. With *resume* and *follow* it goes
        on behind the last row group that was noted; the file is then the
        same, byte for byte, as long as pyarrow is. Of *workers*, all but one
        make columns; that one compresses and writes them.

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
            resume=resume,
            follow=follow,
            workers=workers,
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
        level = self.compression_level
        if level is not None and (
            self.compression != "zstd" or level not in _LEVELS
        ):
            yield (
                "'compression_level' must be from 1 to 22, and goes with "
                f"'zstd' only (got {level!r})"
            )
        for name in ("row_group_rows", "max_file_bytes"):
            least = getattr(self, name)
            if least is not None and least < 1:
                yield f"{name!r} must be at least 1 (got {least!r})"

    def _file(self) -> _File:
        # The file itself is never compressed: its columns are.
        return _File(
            settings=self, compression=None, max_file_bytes=self.max_file_bytes
        )

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
class _File(RowExporter):
    """
    Files of row groups, for what all exporters have in common.
    """

    settings: ParquetExporter

    def _work(self) -> GroupWork:
        return GroupWork(self.settings._names())  # noqa: SLF001

    @property
    def asked(self) -> ParquetExporter:
        """
        What was asked for, by the names that a user knows.
        """
        return self.settings

    def _output(
        self,
        encoder: Encoder,  # noqa: ARG002 - columns are compressed, not files
        store: Store,
        number: int | None,
    ) -> GroupOutput:
        settings = self.settings
        table = TableForm(
            settings._names(),  # noqa: SLF001
            settings.compression,
            settings._level(),  # noqa: SLF001
        )
        return GroupOutput(
            table,
            store,
            rows=settings.row_group_rows,
            max_bytes=self.max_file_bytes,
            number=number,
        )

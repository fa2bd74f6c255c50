"""
What all exporters to files have in common: batches, counting, targets.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import time
import zlib

from abc import abstractmethod
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sized
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import attrs

from auditlog import codec
from auditlog._progress import watched
from auditlog.abc import Events, Origin, Reader, Record, Skipped
from auditlog.errors import ConfigError, ExportError
from auditlog.event import AuditEvent

from ._report import ExportReport
from ._target import StdoutClosedError, name_of, opened


if TYPE_CHECKING:
    from os import PathLike
    from typing import BinaryIO
    from uuid import UUID

    from auditlog._progress import Progress

    Exportable = Iterable[Record | AuditEvent | Skipped]


# A batch holds this many events at most: 8 MiB of the longest bodies.
BATCH = 128

MAX_REASONS = 100
MAX_EXAMPLES = 100

_UNSUPPORTED = {".zst", ".zstd", ".bz2", ".xz", ".lz4", ".br", ".zip"}

logger = logging.getLogger("auditlog.exporters")


class Tally:
    """
    Makes batches of records of whatever was given, and counts them.
    """

    def __init__(self, errors: str) -> None:
        if errors not in {"report", "raise"}:
            raise ConfigError(
                [f"'errors' must be 'report' or 'raise' (got {errors!r})"]
            )
        self.rows = 0
        self.cut = 0
        self.first: Record | None = None
        self.last: Record | None = None
        self.skipped: Counter[str] = Counter()
        self.skipped_first: list[Skipped] = []
        self.warnings: list[str] = []
        self._errors = errors

    def batches(self, events: Exportable) -> Iterator[list[Record]]:
        """
        The records of *events*; what isn't one is counted and left out.
        """
        items = _items(events)
        with contextlib.closing(items):
            while batch := list(islice(items, BATCH)):
                # The usual case costs no look at each item in Python.
                if {*map(type, batch)} == {Record}:
                    yield batch
                else:
                    yield list(self._records(batch))

    def count(self, records: list[Record]) -> None:
        """
        Take note that *records* are written.
        """
        if not records:
            return

        self.rows += len(records)
        self.first = self.first or records[0]
        self.last = records[-1]

    def skip_record(self, record: Record, reason: str) -> None:
        """
        Take note that *record* is left out.
        """
        place = str(_position(record))
        self.skip(Skipped(place=place, reason=reason, origin=record.origin))

    def skip(self, skipped: Skipped) -> None:
        """
        Take note of *skipped*.

        Raises:
            ExportError: If errors are to be raised.
        """
        if self._errors == "raise":
            raise ExportError(
                f"can't export {skipped.place}: {skipped.reason}"
            )

        reason = skipped.reason
        if reason not in self.skipped and len(self.skipped) >= MAX_REASONS:
            reason = "other reasons"
        self.skipped[reason] += 1
        if len(self.skipped_first) < MAX_EXAMPLES:
            self.skipped_first.append(skipped)

    def _records(self, items: Iterable[object]) -> Iterator[Record]:
        for item in items:
            if isinstance(item, Record):
                yield item
            elif isinstance(item, AuditEvent):
                # Keeps the event, unless its body has to be cut.
                body = functools.partial(codec.encode, item)
                yield Record(event_id=item.event_id, body=body)
            elif isinstance(item, Skipped):
                self.skip(item)
            else:
                raise ExportError(
                    f"can't export a {type(item).__name__}; events are "
                    "Record or AuditEvent"
                )


def _items(events: Any) -> Any:
    if isinstance(events, Reader):
        events = events.read()
    if not isinstance(events, Iterable) or isinstance(events, str | bytes):
        raise ExportError(
            f"can't export a {type(events).__name__}; give a reader, what its "
            "read() returns, or an iterable of events"
        )
    items = events.scan() if isinstance(events, Events) else iter(events)
    return items if hasattr(items, "close") else (item for item in items)


def _position(record: Record | None) -> Origin | int | UUID | None:
    if record is None:
        return None

    at = record.origin
    if at is None:
        return record.index or record.event_id
    # Without the key and the headers, which are content.
    return Origin(topic=at.topic, partition=at.partition, offset=at.offset)


class _Output:
    """
    Counts and hashes what is written.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._sha256 = hashlib.sha256()

    def add(self, data: bytes) -> None:
        self.bytes += len(data)
        self._sha256.update(data)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()


def _compressed(chunks: Iterator[bytes], level: int) -> Iterator[bytes]:
    # Unlike gzip.open, zlib writes neither a time nor a name into the header,
    # so that equal events give equal files.
    gzip = zlib.compressobj(level, zlib.DEFLATED, 31)
    for chunk in chunks:
        if data := gzip.compress(chunk):
            yield data
    yield gzip.flush()


@attrs.frozen(kw_only=True)
class FileExporter:
    """
    Renders events as bytes; what CSV and JSON have in common.

    Holds settings only, so one object may be used again, and by several
    threads.

    Attributes:
        compression: Whether files are compressed.

        compression_level: How well.
    """

    compression: Literal["infer", "gzip"] | None = "infer"
    compression_level: int | None = None

    def __attrs_post_init__(self) -> None:
        """
        Refuse settings that can't work, all at once.
        """
        if mistakes := list(self._mistakes()):
            raise ConfigError(mistakes)

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

        A path appears whole or not at all: the bytes go to a hidden file
        beside it, are synced to disk, and take the name at the end. On any
        exception, a ``KeyboardInterrupt`` too, the hidden file is removed and
        a file that was there before is as it was. Only a killed process
        leaves its hidden file, ``.<name>.<process id>.<random>.tmp``.

        Args:
            events:
                A reader, what its ``read()`` returns, or any iterable of
                records and events. A reader is read anew by each call, and
                what it passed over is in the report.

            target:
                A path, ``"-"`` for standard output, or a binary file object,
                which is left open. A pipe, a device and a file object get
                the bytes as they come, so after an error they hold a part.

            progress:
                None shows on a terminal or in a notebook how far it has
                come, if it takes longer than a second; True shows it
                wherever standard error leads, False never. A function is
                called with what is done, the total or None, and the unit;
                see `auditlog.exporters.Progress`.

            errors:
                What becomes of records that aren't audit events:
                ``"report"`` counts them in the report, ``"raise"`` ends the
                export.

            overwrite: Whether a file that exists may be replaced.

        Returns:
            What was written and what was passed over. When the reader of
            standard output goes away, as ``head`` does, the export ends
            without an error and a warning in the report says so.

        Raises:
            ExportError:
                If *target* can't be written, or what was given aren't events,
                or with ``errors="raise"`` at the first record that isn't one.

            ReadError: If the reader fails.
        """
        started = time.monotonic()
        tally = Tally(errors)
        chunks = self._rendered(
            events, tally, compresses=self._compresses(target)
        )
        output = _Output()
        total = len(events) if isinstance(events, Sized) else None

        with contextlib.closing(chunks), watched(progress, total) as told:
            try:
                with opened(target, overwrite=overwrite) as write:
                    for chunk in chunks:
                        write(chunk)
                        output.add(chunk)
                        told(tally.rows)
            except StdoutClosedError:
                tally.warnings.append("standard output was closed early")

        return _report(name_of(target), tally, output, started)

    def iter_bytes(
        self, events: Iterable[Record | AuditEvent], /
    ) -> Iterator[bytes]:
        """
        The bytes of a file, piece by piece, as for a streamed HTTP response.

        Nothing is read before the first piece is asked for. Compressed only
        with ``compression="gzip"``. What was passed over is logged at
        WARNING on ``auditlog.exporters``, with the count for each reason.

        Raises:
            ExportError: As `export()`, while the pieces are taken.
        """
        tally = Tally("report")
        compresses = self.compression == "gzip"
        yield from self._rendered(events, tally, compresses=compresses)
        if tally.skipped:
            logger.warning(
                "%d records were no audit events and were not exported: %s",
                tally.skipped.total(),
                dict(tally.skipped),
            )

    def dumps(self, events: Iterable[Record | AuditEvent], /) -> str:
        """
        A file's text, for results that are small; never compressed.

        What was passed over is logged as by `iter_bytes()`.

        Raises:
            ExportError: As `export()`.
        """
        plain = attrs.evolve(self, compression=None)
        return b"".join(plain.iter_bytes(events)).decode()

    def _mistakes(self) -> Iterator[str]:
        if self.compression not in {"infer", "gzip", None}:
            yield (
                "'compression' must be 'infer', 'gzip' or None "
                f"(got {self.compression!r})"
            )
        if self.compression_level not in {None, *range(10)}:
            yield (
                "'compression_level' must be from 0 to 9 "
                f"(got {self.compression_level!r})"
            )

    def _compresses(self, target: object) -> bool:
        if self.compression != "infer":
            return self.compression == "gzip"

        suffix = PurePath(name_of(target)).suffix.lower()
        if _is_path(target) and suffix in _UNSUPPORTED:
            raise ExportError(
                f"can't write {name_of(target)}: {suffix} is not supported; "
                "use .gz, or pass compression=None to write it plain"
            )
        return _is_path(target) and suffix == ".gz"

    def _rendered(
        self, events: Exportable, tally: Tally, *, compresses: bool
    ) -> Generator[bytes]:
        batches = tally.batches(events)
        with contextlib.closing(self._chunks(batches, tally)) as chunks:
            if not compresses:
                yield from chunks
                return

            level = self.compression_level
            yield from _compressed(chunks, 1 if level is None else level)

    @abstractmethod
    def _chunks(
        self, batches: Iterator[list[Record]], tally: Tally
    ) -> Generator[bytes]:
        """
        The bytes of a file; what is written is counted by *tally*.
        """


def _is_path(target: object) -> bool:
    return hasattr(target, "__fspath__") or isinstance(target, str)


def _report(
    target: str, tally: Tally, output: _Output, started: float
) -> ExportReport:
    return ExportReport(
        target=target,
        rows=tally.rows,
        cut=tally.cut,
        bytes=output.bytes,
        sha256=output.sha256,
        first=_position(tally.first),
        last=_position(tally.last),
        skipped=tally.skipped,
        skipped_first=tuple(tally.skipped_first),
        elapsed=time.monotonic() - started,
        warnings=tuple(tally.warnings),
    )

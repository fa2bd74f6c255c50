"""
What all exporters to files have in common: batches, counting, targets.
"""

from __future__ import annotations

import logging
import time

from abc import abstractmethod
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import attrs

from auditlog.errors import ConfigError, ExportError

from ._compression import (
    LEVELS,
    SUFFIXES,
    UNSUPPORTED,
    Encoder,
    encoder_of,
)
from ._names import is_path, name_of
from ._report import ExportReport
from ._tally import Tally


if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from auditlog.abc import Record
    from auditlog.event import AuditEvent

    from ._compression import Kind
    from ._report import ExportedPart
    from ._tally import Exportable


logger = logging.getLogger("auditlog.exporters")


@attrs.frozen(kw_only=True)
class FileExporter:
    """
    Renders events as bytes; see `RowExporter`, which writes them to files.

    Holds settings only, so one object may be used again, and by several
    threads.

    Attributes:
        compression: Whether files are compressed.

        compression_level: How well.
    """

    compression: Literal["infer", "gzip", "zstd"] | None = "infer"
    compression_level: int | None = None

    def __attrs_post_init__(self) -> None:
        """
        Refuse settings that can't work, all at once.
        """
        if mistakes := list(self._mistakes()):
            raise ConfigError(mistakes)

    def iter_bytes(
        self, events: Iterable[Record | AuditEvent], /
    ) -> Iterator[bytes]:
        """
        The bytes of a file, piece by piece, as for a streamed HTTP response.

        Nothing is read before the first piece is asked for. Compressed only
        with ``compression="gzip"`` or ``"zstd"``. What was passed over is
        logged at WARNING on ``auditlog.exporters``, with the count for each
        reason.

        Raises:
            ExportError: As `export()`, while the pieces are taken.
        """
        tally = Tally("report")
        yield from self._rendered(events, tally, self._encoder(None))
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
        if self.compression not in {"infer", "gzip", "zstd", None}:
            yield (
                "'compression' must be 'infer', 'gzip', 'zstd' or None "
                f"(got {self.compression!r})"
            )
        levels = LEVELS["zstd" if self.compression == "zstd" else "gzip"]
        if self.compression_level not in {None, *levels}:
            yield (
                f"'compression_level' must be from 0 to {levels[-1]} "
                f"(got {self.compression_level!r})"
            )

    def _encoder(self, target: object) -> Encoder:
        """
        What compresses what goes to *target*.
        """
        kind = self.compression
        if kind == "infer":
            kind = _inferred(target)
        return encoder_of(kind, self.compression_level)

    @abstractmethod
    def _rendered(
        self, events: Exportable, tally: Tally, encoder: Encoder
    ) -> Generator[bytes]:
        """
        The bytes of a file; what is written is counted by *tally*.
        """


def _inferred(target: object) -> Kind | None:
    if not is_path(target):
        return None

    suffix = PurePath(name_of(target)).suffix.lower()
    if suffix in UNSUPPORTED:
        raise ExportError(
            f"can't write {name_of(target)}: {suffix} is not supported; "
            "use .zst or .gz, or pass compression=None to write it plain"
        )
    return SUFFIXES.get(suffix)


def report_of(
    target: str,
    tally: Tally,
    size: int,
    sha256: str,
    *,
    started: float,
    parts: Iterable[ExportedPart] = (),
) -> ExportReport:
    """
    What was written, and what was passed over.
    """
    return ExportReport(
        target=target,
        rows=tally.rows,
        cut=tally.cut,
        bytes=size,
        sha256=sha256,
        first=tally.first,
        last=tally.last,
        skipped=tally.skipped,
        skipped_first=tuple(tally.skipped_first),
        elapsed=time.monotonic() - started,
        warnings=tuple(tally.warnings),
        parts=tuple(parts),
    )

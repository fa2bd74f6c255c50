"""
Exports of rows: one file or several, whole at once.
"""

from __future__ import annotations

import contextlib
import time

from abc import abstractmethod
from collections.abc import Sized
from typing import TYPE_CHECKING, Literal

import attrs

from auditlog._progress import watched
from auditlog.errors import ExportError

from ._base import FileExporter, report_of
from ._names import name_of
from ._output import Output
from ._resumed import ResumedExport
from ._tally import Tally
from ._target import StdoutClosedError, stored


if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from os import PathLike
    from typing import BinaryIO

    from auditlog._progress import Progress
    from auditlog.abc import Record
    from auditlog.event import AuditEvent

    from ._compression import Encoder
    from ._local import Write
    from ._rendering import Rendering
    from ._report import ExportReport
    from ._tally import Exportable
    from ._target import Store


@attrs.frozen(kw_only=True)
class RowExporter(FileExporter):
    """
    Renders each event as a row; what CSV and JSON have in common.

    Attributes:
        max_file_bytes: Longest that a file may be.
    """

    max_file_bytes: int | None = None

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
    ) -> ExportReport:
        """
        Write *events* to *target* in flat memory and report what was written.

        A path appears whole or not at all: the bytes go to a hidden file
        beside it, are synced to disk, and take the name at the end. On any
        exception, a ``KeyboardInterrupt`` too, the hidden file is removed and
        a file that was there before is as it was. Only a killed process
        leaves its hidden file, ``.<name>.<process id>.<random>.tmp``. With
        *max_file_bytes* all parts appear together, the first one last.

        Args:
            events:
                A reader, what its ``read()`` returns, or any iterable of
                records and events. A reader is read anew by each call, and
                what it passed over is in the report.

            target:
                A path, a URL such as ``s3://bucket/audit.jsonl.gz`` (needs
                the extra ``remote``), ``"-"`` for standard output, or a
                binary file object, which is left open. An object of a store
                appears when it is complete, as far as the store can. A pipe,
                a device and a file object get the bytes as they come, so
                after an error they hold a part.

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

            overwrite:
                Whether files that exist may be replaced. Parts of a former
                export that had more of them are then deleted.

            resume:
                Whether to go on where a process stopped that exported the
                same with ``resume=True``, if one did. The file is then, byte
                for byte, what an export without a break would have written
                of what was there when it was begun. *target* has to be a
                path, *events* of a reader that can do so, as all do that
                come with this library and read a database, a topic or lines
                of a file.

            follow:
                Whether to export what is new since the last run into a new
                file, ``audit-00000001.jsonl`` and so on: each event is in
                exactly one. For databases and topics; a run that was killed
                is resumed. No file is written if nothing is new.

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
        if resume or follow:
            export = ResumedExport(
                self,
                events,
                target,
                tally,
                options={"errors": errors},
                follows=follow,
                overwrite=overwrite,
            )
            with watched(progress, None) as told:
                ended = export.run(told)
            tally.warnings += self._rendering().warnings(tally)
            return report_of(
                name_of(target),
                tally,
                sum(part.bytes for part in ended.parts),
                ended.sha256,
                started=started,
                parts=ended.parts if ended.number is not None else (),
            )
        encoder = self._encoder(target)
        total = len(events) if isinstance(events, Sized) else None
        parted = self.max_file_bytes is not None

        with watched(progress, total) as told:
            try:
                with stored(
                    target, overwrite=overwrite, numbered=parted
                ) as store:
                    output = self._output(encoder, store)
                    self._write(events, tally, output, told)
            except StdoutClosedError:
                tally.warnings.append("standard output was closed early")

        return report_of(
            name_of(target),
            tally,
            output.size,
            output.sha256,
            started=started,
            parts=output.parts if parted else (),
        )

    def _mistakes(self) -> Iterator[str]:
        yield from super()._mistakes()
        if self.max_file_bytes is not None and self.max_file_bytes < 1:
            yield (
                "'max_file_bytes' must be at least 1 "
                f"(got {self.max_file_bytes!r})"
            )

    @abstractmethod
    def _rendering(self) -> Rendering:
        """
        What makes rows.
        """

    def _output(self, encoder: Encoder, store: Store) -> Output:
        return Output(
            self._rendering(),
            encoder,
            store,
            max_bytes=self.max_file_bytes,
            number=None if self.max_file_bytes is None else 1,
        )

    def _write(
        self,
        events: Exportable,
        tally: Tally,
        output: Output,
        told: Callable[[int], None],
    ) -> None:
        for _ in self._steps(events, tally, output):
            told(tally.rows)

    def _steps(
        self, events: Exportable, tally: Tally, output: Output
    ) -> Generator[None]:
        """
        Write batch by batch.
        """
        output.open()
        rendering = output.rendering
        batches = tally.batches(events, of_bodies=rendering.of_bodies)
        with contextlib.closing(batches):
            for page in batches:
                output.write(rendering.rows(page, tally))
                if output.is_due:
                    output.cut()
                yield
        output.close()
        tally.warnings += rendering.warnings(tally)
        yield

    def _rendered(
        self, events: Exportable, tally: Tally, encoder: Encoder
    ) -> Generator[bytes]:
        if self.max_file_bytes is not None:
            raise ExportError(
                "can't give pieces of several files; leave out "
                "max_file_bytes, or export to a path"
            )
        pieces = _Pieces()
        output = self._output(encoder, pieces)
        for _ in self._steps(events, tally, output):
            yield from pieces.taken()


class _Pieces:
    """
    Gives away what was written.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def begin(self, number: int | None) -> tuple[str, Write]:
        assert number is None
        return "", self._pieces.append

    def end(self) -> None:
        pass

    def taken(self) -> list[bytes]:
        """
        What was written since the last call.
        """
        pieces = self._pieces[:]
        self._pieces.clear()
        return pieces

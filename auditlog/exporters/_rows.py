"""
Exports of events: one file or several, whole at once.
"""

from __future__ import annotations

import contextlib
import time

from abc import abstractmethod
from collections.abc import Sized
from typing import TYPE_CHECKING, Any, Literal

import attrs

from auditlog._progress import watched
from auditlog.errors import ConfigError, ExportError

from ._base import FileExporter, report_of
from ._names import name_of
from ._parallel import made_by_workers
from ._resumed import ResumedExport
from ._tally import Tally
from ._target import StdoutClosedError, stored


if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from os import PathLike
    from typing import BinaryIO

    from auditlog._progress import Progress
    from auditlog.abc import Record
    from auditlog.event import AuditEvent

    from ._compression import Encoder
    from ._local import Write
    from ._output import Output
    from ._report import ExportReport
    from ._tally import Exportable
    from ._target import Store
    from ._worker import Work


@attrs.frozen(kw_only=True)
class RowExporter(FileExporter):
    """
    Writes each event into a row; what all exporters have in common.

    Attributes:
        max_file_bytes: Longest that a file may be.
    """

    max_file_bytes: int | None = None

    @property
    def asked(self) -> Any:
        """
        Whose settings have to be the same for who goes on.
        """
        return self

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

            workers:
                Processes of this machine that read and render at once, each
                a stretch of the table or the topic; the file is the same,
                byte for byte. Pays where rendering or reading takes long, as
                for profiles, CSV and topics, and for more than some ten
                thousand events. What can't be divided, such as a list, a
                file, or a query with *limit*, *last* or, from a topic, the
                newest first, is exported by one. Not with *resume* and
                *follow*.

        Returns:
            What was written and what was passed over. When the reader of
            standard output goes away, as ``head`` does, the export ends
            without an error and a warning in the report says so.

        Raises:
            ExportError:
                If *target* can't be written, or what was given aren't events,
                or with ``errors="raise"`` at the first record that isn't one;
                with several *workers* if settings can't be pickled, or if one
                of them dies.

            ConfigError: If *errors* or *workers* can't mean anything.

            ReadError: If the reader fails.
        """
        started = time.monotonic()
        tally = Tally(errors)
        _check_workers(workers, is_kept=resume or follow)
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
            tally.warnings += self._warnings(tally)
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
                    output = self._output(encoder, store, self._first)
                    for _ in self._steps(events, tally, output, workers):
                        told(tally.rows)
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
    def _output(
        self, encoder: Encoder, store: Store, number: int | None
    ) -> Output:
        """
        What writes events to *store*, in files from that *number* on.
        """

    @abstractmethod
    def _work(self) -> Work:
        """
        What makes of a page what an output of :meth:`_output` takes.
        """

    def _warnings(self, tally: Tally) -> Iterator[str]:  # noqa: ARG002
        """
        What a person should know about the rows.
        """
        yield from ()

    @property
    def _first(self) -> int | None:
        return None if self.max_file_bytes is None else 1

    def _added(
        self,
        events: Exportable,
        tally: Tally,
        output: Output,
        workers: int,
    ) -> Generator[None]:
        """
        Add *events* to *output*, batch by batch.
        """
        made = None
        if workers > 1:
            made = made_by_workers(self, events, tally, count=workers)
        if made is not None:
            with contextlib.closing(made):
                for each in made:
                    output.take(each)
                    yield
            return
        found = tally.batches(
            events, room=output.room, of_bodies=output.of_bodies
        )
        with contextlib.closing(found):
            for page in found:
                output.add(page, tally)
                yield

    def _steps(
        self, events: Exportable, tally: Tally, output: Output, workers: int
    ) -> Generator[None]:
        """
        Write batch by batch.
        """
        output.open()
        added = self._added(events, tally, output, workers)
        with contextlib.closing(added):
            for _ in added:
                if output.is_due:
                    output.cut()
                yield
        output.close()
        tally.warnings += self._warnings(tally)
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
        output = self._output(encoder, pieces, None)
        for _ in self._steps(events, tally, output, 1):
            yield from pieces.taken()


def _check_workers(workers: int, *, is_kept: bool) -> None:
    if type(workers) is not int or workers < 1:
        raise ConfigError([f"'workers' must be at least 1 (got {workers!r})"])
    if workers > 1 and is_kept:
        raise ConfigError(
            ["'workers' can't be more than 1 with resume or follow"]
        )


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

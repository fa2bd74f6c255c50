"""
Exports that go on where a killed one stopped, or an earlier one ended.
"""

from __future__ import annotations

import contextlib
import os
import time

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from auditlog.abc import (
    Events,
    FollowableReader,
    Reader,
    ResumableReader,
)
from auditlog.errors import ExportError, ReadError

from . import _sidecar
from ._kept import KeptFiles, alone
from ._local import found_at
from ._names import FOLLOW_DIGITS, PART_DIGITS, is_path, name_of
from ._output import Part
from ._settings import differences, settings_of
from ._sidecar import State
from ._target import local_path


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from hashlib import _Hash as HASH

    from auditlog.abc import EventQuery, ResumableScan

    from ._output import Output
    from ._report import ExportedPart
    from ._rows import RowExporter
    from ._tally import Tally


# Seconds between two notes on the disk, which is waited for.
SAVED_EVERY = 1.0


class ResumedExport:
    """
    One run of an export that can be resumed.

    Args:
        exporter: Whose settings it has.

        events: What a reader's ``read()`` gave, or the reader.

        target: A path.

        tally: What counts.

        options: What else must be the same in each process.

        follows: Whether an earlier run's end is where this one begins.

        overwrite: Whether files that exist may be replaced.

    Raises:
        ExportError: If *events* or *target* can't be resumed.
    """

    def __init__(
        self,
        exporter: RowExporter,
        events: Any,
        target: Any,
        tally: Tally,
        *,
        options: dict[str, Any],
        follows: bool,
        overwrite: bool,
    ) -> None:
        self._exporter = exporter
        self._follows = follows
        self._tally = tally
        self._reader, self._query = _resumable(events, follows=follows)
        self._target = target
        self._path = _path(target, is_numbered=self._is_numbered)
        self._settings = settings_of(
            {"exporter": exporter.asked, "query": self._query, **options}
        )
        kind = "follow" if follows else "resume"
        name = f".{self._path.name}.{kind}.json"
        self._sidecar = self._path.with_name(name)
        digits = FOLLOW_DIGITS if follows else PART_DIGITS
        self._files = KeptFiles(self._path, digits, overwrite=overwrite)
        self._source: dict[str, str] = {}
        self._unsaved: State | None = None
        self._saved_at = 0.0
        self._kept: State | None = None

    @property
    def _is_numbered(self) -> bool:
        return self._follows or self._exporter.max_file_bytes is not None

    def run(self, told: Callable[[int], None]) -> State:
        """
        Export what is left, and say how it ended.

        Raises:
            ExportError:
                If what was noted doesn't fit; nothing is touched then.
        """
        with (
            alone(self._path, self._sidecar),
            contextlib.closing(self._files),
        ):
            before = _sidecar.load(self._sidecar)
            if before is not None:
                self._check(
                    "what is asked for", before.settings, self._settings
                )
            if before is not None and before.status == "complete":
                before = self._finish(before)
                if not self._follows:
                    _sidecar.restore_tally(self._tally, before.tally)
                    return before
            return self._export(before, told)

    def _export(
        self, before: State | None, told: Callable[[int], None]
    ) -> State:
        scan = self._scan(before)
        self._source = dict(scan.source)
        if before is not None:
            self._check("the source", before.source, scan.source)
        output = self._output(before)
        self._kept = before
        with self._telling():
            if before is None or before.status != "running":
                self._note(scan, output)
                self._save()
            self._write(scan, output, told)
            return self._complete(scan, output)

    def _scan(self, before: State | None) -> ResumableScan:
        reader, query = self._reader, self._query
        if before is not None and before.status == "running":
            return reader.resume_scan(query, before.place)
        if self._follows:
            assert isinstance(reader, FollowableReader)
            place = None if before is None else before.place
            return reader.follow_scan(query, place)
        return reader.begin_scan(query)

    def _check(self, what: str, before: Any, now: Any) -> None:
        if found := differences(before, now):
            listed = "; ".join(found)
            raise ExportError(
                f"can't go on with {self._path}: {what} differs: {listed}; "
                f"ask for the same again, or delete {self._sidecar} to begin "
                "anew"
            )

    def _output(self, before: State | None) -> Output:
        number = 1 if self._is_numbered else None
        if before is not None:
            number = before.number
        encoder = self._exporter._encoder(self._target)  # noqa: SLF001
        output = self._exporter._output(  # noqa: SLF001
            encoder, self._files, number
        )
        if before is not None and before.status == "running":
            self._go_on(output, before)
        elif not self._follows:
            output.open()
        return output

    def _go_on(self, output: Output, before: State) -> None:
        whole = [output.whole] if output.whole else []
        for part in before.parts:
            self._files.verified(part, *whole)
        last = None
        if before.part is not None:
            sha256 = self._files.verified(before.part, *whole)
            last = self._reopened(before.part, sha256, output)
        output.go_on(list(before.parts), last, before.inner)
        _sidecar.restore_tally(self._tally, before.tally)

    def _reopened(
        self, part: ExportedPart, sha256: HASH, output: Output
    ) -> Part:
        opened = self._files.go_on(part)
        found = Part(self._files, opened, output.whole)
        found.bytes, found.rows = part.bytes, part.rows
        found.sha256 = sha256
        return found

    def _write(
        self,
        scan: ResumableScan,
        output: Output,
        told: Callable[[int], None],
    ) -> None:
        tally = self._tally
        found = tally.batches(scan.items, room=output.room)
        with contextlib.closing(found) as pages:
            for page in pages:
                output.add(page, tally)
                if output.is_due:
                    output.cut()
                    self._note(scan, output)
                    if time.monotonic() >= self._saved_at + SAVED_EVERY:
                        self._save()
                told(tally.rows)
        output.close()

    def _note(self, scan: ResumableScan, output: Output) -> None:
        """
        Remember how it stands where the file may be cut.
        """
        self._unsaved = State(
            status="running",
            settings=self._settings,
            source=self._source,
            place=scan.place(),
            tally=_sidecar.tally_note(self._tally),
            parts=tuple(output.parts),
            part=output.part.so_far() if output.part else None,
            inner=output.inner,
            number=output.number,
        )

    def _save(self) -> None:
        """
        Note it beside the file, which has to be on the disk before.
        """
        if self._unsaved is not None:
            self._files.sync()
            _sidecar.save(self._sidecar, self._unsaved)
            self._kept, self._unsaved = self._unsaved, None
        self._saved_at = time.monotonic()

    def _complete(self, scan: ResumableScan, output: Output) -> State:
        self._note(scan, output)
        assert self._unsaved is not None
        self._unsaved = attrs.evolve(
            self._unsaved, status="complete", sha256=output.sha256
        )
        state = self._unsaved
        self._save()
        self._finish(state)
        return state

    def _finish(self, state: State) -> State:
        """
        Let the files appear; may be done again after a kill.
        """
        self._files.complete(state.parts)
        if self._follows:
            idle = attrs.evolve(state, status="idle", parts=(), part=None)
            _sidecar.save(self._sidecar, idle)
            return idle
        if state.number is not None:
            self._files.remove_beyond(state.number - 1)
        _sidecar.remove(self._sidecar)
        return state

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """
        Keep what is written, and say so.
        """
        try:
            yield
        except BaseException as exc:
            with contextlib.suppress(ExportError):
                self._save()
            if type(exc) in {ReadError, ExportError}:
                told = f"{exc}; {self._way_on()}"
                raise type(exc)(told) from exc
            exc.add_note(self._way_on())
            raise

    def _way_on(self) -> str:
        kept = self._kept.tally if self._kept else {"rows": 0}
        way = "the next run" if self._follows else "resume=True"
        if not kept["rows"]:
            return f"nothing is kept yet, {way} goes on from the start"
        last = _sidecar.position_in(kept["last"])
        return f"{kept['rows']:,} events are kept, {way} goes on behind {last}"


def _resumable(
    events: Any, *, follows: bool
) -> tuple[ResumableReader, EventQuery]:
    """
    The reader and the query of *events*.
    """
    if isinstance(events, Reader):
        events = events.read()
    what = "follow" if follows else "resume an export of"
    if not isinstance(events, Events):
        raise ExportError(
            f"can't {what} a {type(events).__name__}; give a reader, or what "
            "its read() returns"
        )
    wanted = FollowableReader if follows else ResumableReader
    if not isinstance(events.reader, wanted):
        raise ExportError(
            f"can't {what} {events.reader!r}, which is no {wanted.__name__}"
        )
    query = events.query
    if getattr(query, "last", None) is not None:
        raise ExportError(f"can't {what} the last events; leave out 'last'")
    if follows and (query.limit is not None or query.order == "newest"):
        raise ExportError(
            "can't follow with a limit or from the end; leave out 'limit' and "
            "'order'"
        )
    return events.reader, query


def _path(target: Any, *, is_numbered: bool) -> Path:
    path = local_path(os.fsdecode(target)) if is_path(target) else None
    if path is None or target == "-":
        raise ExportError(
            f"can't resume an export to {name_of(target)!r}; give a path"
        )
    if is_numbered:
        return path
    found_at(path)
    # What stands behind a link is replaced, not the link.
    return Path(os.path.realpath(path))

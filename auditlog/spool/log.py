"""
The segments of one spool as one sequence of events.
"""

from __future__ import annotations

import os
import threading
import time

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import accumulate, repeat, zip_longest
from typing import TYPE_CHECKING
from uuid import UUID

from auditlog.abc import Record
from auditlog.errors import (
    DuplicateEventError,
    PartialWriteError,
    SinkError,
    SinkSetupError,
    SinkUnavailableError,
)

from . import missing
from . import segment as segments
from .files import read_all, write_all
from .frame import PARTS, SIZE, Frame, encode, scan
from .recovery import recover


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from .ladder import Ladder
    from .segment import Segment


# Most bytes of one page, so that a reader's memory is bounded.
PAGE = 8 * 1024 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Log:
    """
    Appends events, each once, and reads them back.

    Args:
        passed: The index up to which no relay needs anything any more.

        trimming: Is told, before, up to which index events are deleted.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        segment_bytes: int,
        passed: Callable[[], int],
        trimming: Callable[[int], None],
        ladder: Ladder,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._passed = passed
        self._trimming = trimming
        self._ladder = ladder
        self._lock = threading.RLock()
        self._segments: list[Segment] = []
        self._next = 1
        self._top = b""  # the highest id in segments that get no more
        self._fd: int | None = None
        self._stopped = False

    def open(self, given: int, trimmed: int | None) -> None:
        """
        Learn what is there, after mending it.

        Args:
            given: An index up to which all have been given.

            trimmed: Up to which index events were deleted, if it is known.
        """
        found = segments.find(self._folder)
        self._next = given + 1
        if found and trimmed is not None:
            self._check_first(found[0][0], max(trimmed, self._passed()) + 1)
        for (first, path), until in self._needed(found):
            self._next = max(self._next, first)
            if mended := recover(path, first, until):
                self._segments.append(mended.segment)
                self._next = max(self._next, mended.next)
            if mended and until is not None:
                passed = self._passed()
                missing.behind(self._folder, mended.segment, until, passed)
        for each in self._segments[:-1]:
            self._freeze(each)
        self._continue()
        self._ladder.look(self.used)

    def _check_first(self, first: int, expected: int) -> None:
        if first > expected:
            missing.count(self._folder, expected, first - expected)
            self._trimming(first - 1)

    def _needed(
        self, found: list[tuple[int, Path]]
    ) -> Iterator[tuple[tuple[int, Path], int | None]]:
        """
        Each file, and where the next one begins; what is passed is deleted.
        """
        firsts = [first for first, _ in found]
        keep = max(bisect_right(firsts, self._passed() + 1) - 1, 0)
        if keep:
            self._trimming(firsts[keep] - 1)
        for _, path in found[:keep]:
            path.unlink()
        return zip_longest(found[keep:], firsts[keep + 1 :])

    def _continue(self) -> None:
        """
        Go on at the end, unless indexes are lost there.

        A new segment remembers by its name which not to give again.
        """
        if not self._segments:
            return
        end = self._segments[-1]
        if end.last + 1 == self._next:
            self._fd = os.open(end.path, os.O_WRONLY)
        else:
            self._roll()

    def stop(self, timeout: float) -> bool:
        """
        Write no more, once what is under way has ended; whether it has.
        """
        if not self._lock.acquire(timeout=timeout):
            return False
        try:
            self._stopped = True
            self.let_go()
        finally:
            self._lock.release()
        return True

    def let_go(self) -> None:
        """
        Close the file that is written to.
        """
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _check(self) -> None:
        # Another process may have the folder by now.
        if self._stopped:
            raise SinkUnavailableError(
                f"spool {str(self._folder)!r} was closed meanwhile; the next "
                "call opens it again"
            )

    @property
    def used(self) -> int:
        """
        Bytes in segments.
        """
        return sum(each.size for each in self._segments)

    @property
    def last(self) -> int:
        """
        The highest index that can be read, or could before it was passed.
        """
        for each in reversed(self._segments):
            if len(each):
                return each.last
        return self._passed()

    # Writing

    def append(
        self, records: Sequence[Record], *, keep_times: bool = False
    ) -> None:
        """
        Store *records* with one sync; what is there is stored already.

        Args:
            keep_times: Whether they were recorded before.

        Raises:
            PartialWriteError: If some were refused, or have no room.

            SinkUnavailableError: If there is no room for any.
        """
        with self._lock:
            self._check()
            ids = [each.event_id.int.to_bytes(16, "big") for each in records]
            failed, stored, fresh = self._sift(ids, records)
            if len(fresh) < len(ids):
                ids = [each.event_id.bytes for each in fresh]
            times = _times(fresh) if keep_times else repeat(_now())
            taken = self._store(ids, times, fresh) if fresh else 0
        if not failed and taken == len(fresh):
            return
        stored += [record.event_id for record in fresh[:taken]]
        if not stored and not failed:
            raise self._full()
        raise PartialWriteError(stored, failed)

    def _sift(
        self, ids: list[bytes], records: Sequence[Record]
    ) -> tuple[dict[UUID, SinkError], list[UUID], Sequence[Record]]:
        """
        Which are refused, which are there, which are new.
        """
        if self._all_new(ids):
            return {}, [], records
        failed: dict[UUID, SinkError] = {}
        stored, fresh = [], []
        for record in records:
            body = self._body_of(record.event_id.bytes)
            if body is None:
                fresh.append(record)
            elif body == record.body:
                stored.append(record.event_id)
            else:
                failed[record.event_id] = DuplicateEventError(
                    f"another event with id {record.event_id} is stored"
                )
        return failed, stored, fresh

    def _all_new(self, ids: list[bytes]) -> bool:
        """
        Whether no segment has any of them, as is nearly always so.
        """
        end = self._segments[-1:]
        lowest = min(ids)
        return lowest > self._top and all(
            lowest > each.top or each.has_none_of(ids) for each in end
        )

    def _body_of(self, event_id: bytes) -> bytes | None:
        among = self._segments
        if event_id > self._top:  # as that of a new event, nearly always
            among = among[-1:]
        for each in among:
            number = each.number(event_id)
            if number is not None:
                start, end = each.start(number), each.start(number + 1)
                return self._bytes(each, start + SIZE, end)
        return None

    def _store(
        self,
        ids: list[bytes],
        times: Iterable[int],
        records: Sequence[Record],
    ) -> int:
        """
        Store as many as there is room for; how many.
        """
        bodies = [record.body for record in records]
        parts = encode(self._next, ids, times, bodies)
        lengths = [SIZE + len(body) for body in bodies]
        if (taken := self._fitting(lengths)) < len(ids):
            self._make_room()
            taken = self._fitting(lengths)
        if taken:
            end = self._end()
            self._write(end, b"".join(parts[: taken * PARTS]))
            end.add(self._next, ids[:taken], lengths[:taken])
            self._next += taken
            self._ladder.look(self.used)
        return taken

    def _fitting(self, lengths: list[int]) -> int:
        """
        How many of them there is room for.
        """
        room = self._max_bytes - self.used
        if sum(lengths) <= room:
            return len(lengths)
        return bisect_right([*accumulate(lengths)], room)

    def _write(self, end: Segment, data: bytes) -> None:
        """
        Write behind *end*; durable on return, or as if it never was.
        """
        fd = self._fd
        assert fd is not None
        try:
            write_all(fd, data, end.size)
        except OSError:
            self._take_back(end)
            raise
        try:
            os.fdatasync(fd)
        except OSError:
            # What the system says of these pages from now on is no proof.
            self._take_back(end)
            self.let_go()
            raise
        if not os.fstat(fd).st_nlink:
            self.let_go()  # the next batch goes to a new file
            raise SinkSetupError(f"{str(end.path)!r} was deleted")

    def _take_back(self, end: Segment) -> None:
        try:
            assert self._fd is not None
            os.ftruncate(self._fd, end.size)
        except OSError:
            # The name of the next segment says that the rest is void.
            self.let_go()

    def _end(self) -> Segment:
        """
        The segment to write to.
        """
        if self._fd is None or (
            self._segments[-1].size >= self._segment_bytes
        ):
            self._roll()
        return self._segments[-1]

    def _roll(self) -> None:
        self.let_go()
        if self._segments:
            end = self._segments[-1]
            if end.first == self._next:  # nothing in it was acknowledged
                end.path.unlink(missing_ok=True)
                self._segments.pop()
            else:
                self._freeze(end)
        made = segments.make(self._folder, self._next)
        self._segments.append(made)
        self._fd = os.open(made.path, os.O_WRONLY)

    def _freeze(self, segment: Segment) -> None:
        segment.freeze()
        self._top = max(self._top, segment.top)

    def _full(self) -> SinkUnavailableError:
        return SinkUnavailableError(
            f"spool {str(self._folder)!r} is full ({self.used} of "
            f"{self._max_bytes} bytes); it goes on once relays have "
            "delivered, or raise 'max_bytes'"
        )

    # Making room

    def trim(self) -> None:
        """
        Delete the segments that nobody needs any more.
        """
        with self._lock:
            self._check()
            passed = self._passed()
            firsts = [each.first for each in self._segments]
            keep = bisect_right(firsts, passed + 1) - 1
            if keep > 0:
                self._trimming(firsts[keep] - 1)
            for _ in range(keep):
                self._segments[0].path.unlink(missing_ok=True)
                del self._segments[0]
            self._ladder.look(self.used)

    def _make_room(self) -> None:
        passed = self._passed()
        if self._segments and passed >= self._next - 1:
            self._roll()
        self.trim()

    # Reading

    def read(self, after: int, limit: int) -> list[Record]:
        """
        The next events behind *after*, at most *limit* and 8 MiB.
        """
        found: list[Record] = []
        most = PAGE
        while len(found) < limit and most > 0:
            part = self._read(after, limit - len(found), most)
            if not part:
                break
            found += part
            after = part[-1].index or 0
            most -= sum(len(record.body) for record in part)
        return found

    def _read(self, after: int, limit: int, most: int) -> list[Record]:
        """
        The next events that lie in one segment.
        """
        while True:
            with self._lock:
                segment = self._behind(after)
                if segment is None:
                    return []
                number = segment.behind(after)
                last = segment.before(number)
                start = segment.start(number)
                end = segment.start(segment.within(number, limit, most))
                try:
                    fd = os.open(segment.path, os.O_RDONLY)
                except FileNotFoundError:
                    self._forgo(segment)
                    continue
            try:
                data = read_all(fd, start, end)
            finally:
                os.close(fd)
            found = [*scan(data, 0, last)]
            frames = [each for each in found if isinstance(each, Frame)]
            if len(frames) == len(found) and len(data) == end - start:
                return [_record(data, frame) for frame in frames]
            self._mend(segment)

    def _behind(self, after: int) -> Segment | None:
        for each in self._segments:
            if len(each) and each.last > after:
                return each
        return None

    def _bytes(self, segment: Segment, start: int, end: int) -> bytes:
        fd = os.open(segment.path, os.O_RDONLY)
        try:
            return read_all(fd, start, end)
        finally:
            os.close(fd)

    def _mend(self, segment: Segment) -> None:
        """
        Set aside what was damaged behind our back.
        """
        with self._lock:
            self._check()
            if segment not in self._segments:
                return
            at = self._segments.index(segment)
            behind = self._segments[at + 1 :]
            until = behind[0].first if behind else self._next
            if not behind:
                self.let_go()
            mended = recover(segment.path, segment.first, until)
            assert mended is not None
            self._freeze(mended.segment)
            self._segments[at] = mended.segment

    def _forgo(self, segment: Segment) -> None:
        """
        Go on without a file that was deleted behind our back.
        """
        self._check()
        at = self._segments.index(segment)
        behind = self._segments[at + 1 :]
        until = behind[0].first if behind else self._next
        first = max(segment.first, self._passed() + 1)
        if until > first:  # fails if the whole folder was deleted
            missing.count(self._folder, first, until - first)
        if not behind:  # a file has to tell which indexes were given
            self._roll()
        self._segments.remove(segment)


def _now() -> int:
    return time.time_ns() // 1000


def _times(records: Sequence[Record]) -> list[int]:
    return [
        (record.recorded_at - _EPOCH) // _MICROSECOND
        if record.recorded_at
        else _now()
        for record in records
    ]


def recorded_at(frame: Frame) -> datetime:
    """
    When the event in *frame* was stored.
    """
    return _EPOCH + frame.recorded_at * _MICROSECOND


def _record(data: bytes, frame: Frame) -> Record:
    return Record(
        event_id=UUID(bytes=frame.event_id),
        body=data[frame.body],
        index=frame.index,
        recorded_at=recorded_at(frame),
    )

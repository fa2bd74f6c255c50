"""
Files as rows: bounded, decompressed, forwards and backwards in flat memory.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import sys
import tempfile
import zlib

from abc import abstractmethod
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self, cast

import attrs

from auditlog._limited import Limited
from auditlog.abc import Reader, Record, ResumableScan, Skipped, select
from auditlog.errors import DecodingError, ReadError

from ._compression import load_zstd


if TYPE_CHECKING:
    import os

    from collections.abc import Callable, Iterator, Mapping

    from auditlog.abc import EventQuery


# Bodies have 64 KiB at most; those of other programs may be longer.
MAX_ROW = 16 * 1024 * 1024

BOM = b"\xef\xbb\xbf"

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_DAMAGED = "the compressed data is damaged or ends early"
_CHUNK = 1000

# What of a file tells it from another one of the same name.
_START = 4096


class Mark(NamedTuple):
    """
    A place in a file.
    """

    offset: int = 0
    line: int = 1


class Row(NamedTuple):
    """
    One row: where it begins, and its bytes or why there are none.
    """

    offset: int
    line: int
    data: bytes
    fault: str | None = None


@attrs.define
class _Spot:
    """
    The row that was given last.
    """

    mark: Mark | None


class FileReader(Reader):
    """
    Reads events from a file; what all kinds of files have in common.

    Args:
        path: The file; gzip and zstd are known by its bytes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def __repr__(self) -> str:
        """
        The class and the path.
        """
        return f"<{type(self).__name__} {str(self._path)!r}>"

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        See :meth:`auditlog.abc.Reader.scan`.

        The end is that of the file at the time of the call.

        Raises:
            ReadError: If the file can't be read, or is of another kind.
        """
        with self._told():
            size = self._path.stat().st_size
        return select(self._found(query, size), query)

    def begin_scan(self, query: EventQuery, /) -> ResumableScan:
        """
        See :meth:`auditlog.abc.ResumableReader.begin_scan`.
        """
        with self._told():
            size = self._path.stat().st_size
        return self._placed(query, {"size": size, "left": query.limit})

    def resume_scan(
        self, query: EventQuery, place: Mapping[str, Any], /
    ) -> ResumableScan:
        """
        See :meth:`auditlog.abc.ResumableReader.resume_scan`.

        A compressed file is unpacked up to *place*.

        Raises:
            ReadError: If the file became shorter.
        """
        with self._told():
            size = self._path.stat().st_size
        if size < place["size"]:
            raise ReadError(
                f"can't go on reading {self._path}: it has {size:,} bytes, "
                f"not {place['size']:,} as before"
            )
        return self._placed(query, place)

    def _placed(
        self, query: EventQuery, place: Mapping[str, Any]
    ) -> ResumableScan:
        if query.order == "newest":
            raise ReadError(
                f"can't go on reading {self._path} from its end; use "
                "order='oldest'"
            )
        size, left = place["size"], place["left"]
        query = attrs.evolve(query, limit=left)
        spot = _Spot(Mark(*place["row"]) if "row" in place else None)
        found = self._found(query, size, spot)
        items = Limited(select(found, query), left)

        def here() -> dict[str, Any]:
            row = {"row": [*spot.mark]} if spot.mark else {}
            return {"size": size, "left": items.left, **row}

        return ResumableScan(
            items=iter(items), source=self._source(size), place=here
        )

    def _source(self, size: int) -> dict[str, str]:
        with self._told(), self._path.open("rb") as file:
            start = file.read(min(size, _START))
        return {
            "file": str(self._path.absolute()),
            "SHA-256 of its start": hashlib.sha256(start).hexdigest(),
        }

    @abstractmethod
    def _begin(self, file: IO[bytes]) -> tuple[Mark, Any]:
        """
        Look at the start of *file*: where the first event stands, and what
        :meth:`_record` has to know.
        """

    @abstractmethod
    def _rows(self, lines: Iterator[Row]) -> Iterator[Row]:
        """
        The rows that *lines* make up, without blank ones.
        """

    @abstractmethod
    def _record(self, data: bytes, begun: Any) -> Record:
        """
        The record in a row.

        Raises:
            DecodingError: If it is none.
        """

    def _found(
        self, query: EventQuery, size: int, spot: _Spot | None = None
    ) -> Iterator[Record | Skipped]:
        newest = query.order == "newest"
        spot = spot or _Spot(None)
        with self._told(), _opened(self._path, size) as file:
            mark, begun = self._begin(file)
            rows = (_backwards if newest else _forwards)(
                file, spot.mark or mark, self._rows
            )
            if spot.mark:
                next(rows, None)  # which was given before
            for row in rows:
                spot.mark = Mark(row.offset, row.line)
                yield self._item(row, begun, decodes=query.filters)

    def _item(
        self, row: Row, begun: Any, *, decodes: bool
    ) -> Record | Skipped:
        place = f"{self._path}:{row.line}"
        if row.fault is not None:
            return Skipped(place=place, reason=row.fault)
        try:
            record = self._record(row.data, begun)
            if decodes:
                _ = record.event  # fails here, where the line is known
        except DecodingError as exc:
            return Skipped(place=place, reason=str(exc))
        return record

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _damage() as exc:
            raise ReadError(f"can't read {self._path}: {_DAMAGED}") from exc
        except OSError as exc:
            reason = exc.strerror or exc
            raise ReadError(f"can't read {self._path}: {reason}") from exc


class _Head(io.RawIOBase):
    """
    The first bytes of a file, however much is appended meanwhile.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any, /) -> int:
        left = max(self._size - self._file.tell(), 0)
        read: int = self._file.readinto(  # type: ignore[attr-defined]
            memoryview(buffer)[:left]
        )
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


def _opened(path: Path, size: int) -> IO[bytes]:
    raw = path.open("rb", buffering=0)
    head = io.BufferedReader(_Head(raw, size), 128 * 1024)
    try:
        return _decompressed(head, path)
    except BaseException:
        head.close()
        raise


def _decompressed(head: Any, path: Path) -> IO[bytes]:
    start = head.peek(4)[:4]
    if start.startswith(_UTF_16):
        raise ReadError(f"can't read {path}: it is UTF-16; save it as UTF-8")
    if start.startswith(_GZIP):
        return cast(IO[bytes], _Packed(gzip.GzipFile(fileobj=head), head))
    if start == _ZSTD:
        zstd: Any = load_zstd(f"reading {path}")
        return cast(IO[bytes], _Packed(zstd.ZstdFile(head), head))
    return cast(IO[bytes], head)


class _Packed:
    """
    A compressed file; closes the file below, too.

    No buffer of its own: it would lose what stands before a damage.
    """

    def __init__(self, unpacked: Any, below: IO[bytes]) -> None:
        self._unpacked = unpacked
        self._below = below
        self.read = unpacked.read
        self.read1 = unpacked.read1
        self.readline = unpacked.readline
        self.seek = unpacked.seek

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self._unpacked.close()
        self._below.close()


def _damage() -> tuple[type[Exception], ...]:
    """
    What tells that compressed data are damaged.
    """
    known = (EOFError, zlib.error, gzip.BadGzipFile)
    for name in ("compression.zstd", "backports.zstd"):
        if zstd := sys.modules.get(name):
            return (*known, zstd.ZstdError)
    return known


def lines(file: IO[bytes], mark: Mark) -> Iterator[Row]:
    r"""
    The lines of *file* from *mark*, with their line breaks.

    Only ``\n`` breaks lines: in JSON, what else Unicode takes for line breaks
    may stand within one.
    """
    file.seek(mark.offset)
    read = partial(file.readline, MAX_ROW)
    offset, line = mark
    try:
        while data := read():
            length = len(data)
            if length < MAX_ROW or data.endswith(b"\n"):
                yield Row(offset, line, data)
            else:
                length += _rest_of_line(read)
                yield Row(offset, line, b"", "longer than 16 MiB")
            offset += length
            line += 1
    except _damage():
        yield Row(offset, line, b"", _DAMAGED)


def _rest_of_line(read: Callable[[], bytes]) -> int:
    length = 0
    while data := read():
        length += len(data)
        if data.endswith(b"\n"):
            break
    return length


def _forwards(
    file: IO[bytes],
    mark: Mark,
    rows_of: Callable[[Iterator[Row]], Iterator[Row]],
) -> Iterator[Row]:
    return rows_of(lines(file, mark))


def _backwards(
    file: IO[bytes],
    mark: Mark,
    rows_of: Callable[[Iterator[Row]], Iterator[Row]],
) -> Iterator[Row]:
    # A row's start is known only from before, so a first pass marks every
    # thousandth. What is compressed can't be read from its middle.
    if isinstance(file, _Packed):
        with tempfile.TemporaryFile() as plain:
            if _is_damaged_copy(file, plain):
                yield Row(0, 0, b"", _DAMAGED)
            yield from _backwards(plain, mark, rows_of)
        return

    rows = enumerate(rows_of(lines(file, mark)))
    marks = [
        Mark(row.offset, row.line)
        for number, row in rows
        if number % _CHUNK == 0
    ]
    for begin in reversed(marks):
        chunk = list(islice(rows_of(lines(file, begin)), _CHUNK))
        yield from reversed(chunk)


def _is_damaged_copy(file: _Packed, copy: IO[bytes]) -> bool:
    file.seek(0)
    try:
        # Unlike read(), read1() gives what stands before the damage.
        while data := file.read1(128 * 1024):
            copy.write(data)
    except _damage():
        return True
    return False

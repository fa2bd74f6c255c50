"""
Events out of CSV files.
"""

from __future__ import annotations

import re

from collections import deque
from typing import IO, TYPE_CHECKING, Literal

import attrs

from auditlog.errors import ConfigError, DecodingError, ReadError

from ._cells import DELIMITERS, unguarded
from ._fields import Fields
from ._files import BOM, MAX_ROW, FileReader, Mark, Row, lines


if TYPE_CHECKING:
    import os

    from collections.abc import Iterator, Sequence

    from auditlog.abc import Events, Record


_NEVER_CLOSED = "a quote is never closed"


class CSVReader(FileReader):
    r"""
    Reads a file that `CSVExporter` wrote, plain or compressed by gzip
    or zstd.

    Brings back equal events of ``layout="events"``, and of
    ``layout="records"`` the stored bodies. A row that holds no audit event is
    passed over and told with file, line and reason.

    Args:
        path: The file.

        guard:
            ``"spreadsheet"`` takes back the ``'`` before texts that a
            spreadsheet would run, None takes every text as it is,
            ``"auto"`` knows by the header which of both the exporter did.

        delimiter: None finds it by the header; else as of the exporter.

        columns: What the columns are, for a file without a header.

    Raises:
        ConfigError: If *guard* or *delimiter* is none of those named.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        guard: Literal["auto", "spreadsheet"] | None = "auto",
        delimiter: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path)
        self._guard = guard
        self._delimiter = delimiter
        self._columns = columns
        _check("guard", guard, ("auto", "spreadsheet", None))
        _check("delimiter", delimiter, (None, *DELIMITERS))

    def _begin(self, file: IO[bytes]) -> tuple[Mark, _Table]:
        start = Mark(len(BOM) if file.read(3) == BOM else 0)
        if self._columns is not None:
            names = list(self._columns)
            return start, self._table(names, self._delimiter or ",")

        row = next(self._rows(lines(file, start)), None)
        if row is None or row.fault:
            raise self._wrong((row and row.fault) or "it has no header")
        after = Mark(
            row.offset + len(row.data), row.line + row.data.count(b"\n")
        )
        return after, self._headed(row.data)

    def _headed(self, data: bytes) -> _Table:
        try:
            header = _text(data)
            delimiter = self._delimiter or _delimiter(header)
            names = [name or "" for name in Splitter(delimiter)(header)]
        except DecodingError as exc:
            raise self._wrong(f"its header is broken: {exc}") from exc
        plain = _says_plain(header.split(delimiter))
        return self._table(names, delimiter, plain=plain)

    def _table(
        self, names: list[str], delimiter: str, *, plain: bool = False
    ) -> _Table:
        guard = not plain if self._guard == "auto" else self._guard is not None
        try:
            fields = Fields(names)
        except ReadError as exc:
            raise self._wrong(str(exc)) from exc
        return _Table(split=Splitter(delimiter), guard=guard, fields=fields)

    def _wrong(self, reason: str) -> ReadError:
        return ReadError(f"can't read {self._path}: {reason}")

    def _rows(self, lines: Iterator[Row]) -> Iterator[Row]:
        """
        A line break within quotes belongs to its row.

        A quote that is never closed costs the row in which it stands only:
        the lines behind it are read again, each as a row.
        """
        again: deque[Row] = deque()
        while (line := _next(again, lines)) is not None:
            parts = [line]
            size = len(line.data)
            is_open = _opens(line)
            while is_open and size < MAX_ROW and (more := _next(again, lines)):
                parts.append(more)
                size += len(more.data)
                is_open ^= _opens(more)
            if is_open:
                again.extendleft(reversed(parts[1:]))
                yield line._replace(data=b"", fault=_NEVER_CLOSED)
            elif line.fault or not line.data.isspace():
                yield line._replace(data=b"".join(p.data for p in parts))

    def _record(self, data: bytes, begun: _Table) -> Record:
        return begun.record(_text(data))


def read_csv(
    path: str | os.PathLike[str],
    /,
    *,
    guard: Literal["auto", "spreadsheet"] | None = "auto",
    delimiter: str | None = None,
    columns: Sequence[str] | None = None,
) -> Events:
    """
    The events in a CSV file; each iteration reads it again.

    Args:
        path: A file that `CSVExporter` wrote.

        guard: See `CSVReader`.

        delimiter: See `CSVReader`.

        columns: See `CSVReader`.

    Raises:
        ReadError: When iterated, if the file can't be read.

    .. versionadded:: 0.1.0
    """
    reader = CSVReader(path, guard=guard, delimiter=delimiter, columns=columns)
    return reader.read()


class Splitter:
    """
    Splits a row into cells: null is None, ``""`` an empty text.

    The standard library's reader can't tell them apart, and its limit for
    cells holds for the whole process.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        end = re.escape(delimiter)
        self._cells = re.compile(
            f'("[^"]*(?:""[^"]*)*"{end}|[^"{end}]*{end})'
        ).findall

    def __call__(self, text: str) -> list[str | None]:
        """
        The cells of *text*.

        Raises:
            DecodingError: If a quote stands where none may.
        """
        if '"' not in text:
            return [cell or None for cell in text.split(self._delimiter)]

        cells = self._cells(text + self._delimiter)
        if sum(map(len, cells)) != len(text) + 1:
            raise DecodingError("a quote stands where none may")
        return [
            cell[1:-2].replace('""', '"')
            if cell.startswith('"')
            else cell[:-1] or None
            for cell in cells
        ]


@attrs.frozen(kw_only=True)
class _Table:
    split: Splitter
    guard: bool
    fields: Fields

    def record(self, text: str) -> Record:
        cells = self.split(text)
        if self.guard:
            cells = [cell and unguarded(cell) for cell in cells]
        return self.fields.record(cells)


def _check(name: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed:
        choice = ", ".join(map(repr, allowed))
        mistake = f"{name!r} must be one of {choice} (got {value!r})"
        raise ConfigError([mistake])


def _next(again: deque[Row], lines: Iterator[Row]) -> Row | None:
    return again.popleft() if again else next(lines, None)


def _opens(line: Row) -> bool:
    return line.data.count(b'"') % 2 == 1


def _text(data: bytes) -> str:
    try:
        return data.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError as exc:
        raise DecodingError("not UTF-8") from exc


def _says_plain(names: list[str]) -> bool:
    """
    Whether the header says that texts aren't guarded.

    The exporter then quotes the first name, which needs no quotes; who else
    writes a header quotes no name or every one.
    """
    return names[0].startswith('"') and not all(
        name.startswith('"') or name.endswith('"') for name in names
    )


def _delimiter(header: str) -> str:
    def cells(delimiter: str) -> int:
        return header.count(delimiter)

    return max(DELIMITERS, key=cells)

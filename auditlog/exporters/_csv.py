"""
Events as CSV that databases, data frames and spreadsheets read alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from auditlog import codec
from auditlog.abc import Record
from auditlog.codec._cells import cells_of
from auditlog.errors import DecodingError, ExportError

from ._cells import DELIMITERS, Cells, quoted
from ._columns import (
    COLUMNS,
    EVENT_COLUMNS,
    LAYOUTS,
    ORIGIN_COLUMNS,
    event_cells,
    metadata_column,
)
from ._rendering import Rendering
from ._text import TextExporter


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from auditlog._pages import Page

    from ._tally import Tally


EXCEL_ROWS = 1_048_576


def _names(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@attrs.frozen(kw_only=True)
class CSVExporter(TextExporter):
    r"""
    Writes events as CSV (RFC 4180: CRLF, quotes doubled, a header line).

    Null is an empty cell, an empty text is ``""``. Times are UTC with six
    fraction digits, ``2026-01-05T11:00:00.000000Z``. What has members, such
    as *metadata* and *changes*, is compact JSON. `read_csv()` brings
    back equal events. Equal events give equal files.

    Attributes:
        layout:
            ``"events"`` has a column for each field of an event,
            ``"records"`` has ``timestamp, partition, offset, key, value`` of
            records of a Kafka topic, where *value* is the stored body.

        headers:
            Whether *layout*'s columns of ``"records"`` are followed by
            ``headers``, the record's headers as JSON.

        columns:
            Names of columns, in the order to write, instead of *layout*'s.
            Any of both layouts, and ``topic``, ``headers``, ``index``,
            ``recorded_at``.

        metadata_keys:
            Members of *metadata* that get a column of their own behind the
            others, such as ``metadata_cluster``. They stay in *metadata*,
            too.

        separator:
            ``"_"`` or ``"."``, in names of nested fields: ``actor_id`` or
            ``actor.id``.

        guard:
            ``"spreadsheet"`` puts a ``'`` before a text that begins, behind
            blanks, with what makes spreadsheets run it: ``= + - @``, a TAB,
            CR, LF or NUL. None writes every text as it is, for machines;
            the first name in the header is then quoted, by which
            `read_csv()` knows.

        delimiter: ``","``, ``";"``, a TAB or ``"|"``.

        header: Whether the first line names the columns.

        encoding:
            ``"utf-8"``, or ``"utf-8-sig"`` with a byte order mark, by which
            Excel knows UTF-8.

        compression:
            ``"infer"`` compresses a path that ends in ``.gz`` or ``.zst``,
            ``"gzip"`` and ``"zstd"`` always, None never. zstd is faster and
            makes smaller files, and needs the extra ``zstd`` before Python
            3.14.

        compression_level:
            From 0 to 9, and to 22 with ``compression="zstd"``; None is 1,
            which is several times as fast as 9 and makes files a fifth
            larger.

        max_file_bytes:
            Longest that a file may be, as it lies on the disk; then there
            are several, cut between two events, each whole in itself:
            ``audit-00001.jsonl.gz`` and so on. An event that is longer has
            a file of its own.

    Raises:
        ConfigError: If a setting is none of those named.

    .. versionadded:: 0.1.0
    """

    layout: Literal["events", "records"] = "events"
    headers: bool = False
    columns: tuple[str, ...] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_names)
    )
    metadata_keys: tuple[str, ...] = attrs.field(default=(), converter=_names)
    separator: Literal["_", "."] = "_"
    guard: Literal["spreadsheet"] | None = "spreadsheet"
    delimiter: str = ","
    header: bool = True
    encoding: Literal["utf-8", "utf-8-sig"] = "utf-8"

    def _mistakes(self) -> Iterator[str]:
        yield from super()._mistakes()
        for name, allowed in (
            ("layout", tuple(LAYOUTS)),
            ("separator", ("_", ".")),
            ("guard", ("spreadsheet", None)),
            ("delimiter", DELIMITERS),
            ("encoding", ("utf-8", "utf-8-sig")),
        ):
            value = getattr(self, name)
            if value not in allowed:
                choice = ", ".join(map(repr, allowed))
                yield f"{name!r} must be one of {choice} (got {value!r})"

        if self.headers and (self.layout != "records" or self.columns):
            yield "'headers' is for layout='records' without 'columns'"

        known = [self._written(name) for name in COLUMNS]
        for name in self.columns or ():
            if name not in known:
                choice = ", ".join(known)
                yield f"'columns' has {name!r}; known are {choice}"
        if not self._names():
            yield "'columns' must not be empty"
        if len({*self._names()}) < len(self._names()):
            yield "'columns' and 'metadata_keys' must name each column once"

    def _written(self, name: str) -> str:
        return name.replace(".", self.separator)

    def _fields(self) -> list[str]:
        if self.columns is None:
            headers = ["headers"] if self.headers else []
            return [*LAYOUTS.get(self.layout, ()), *headers]

        known = {self._written(name): name for name in COLUMNS}
        return [known[name] for name in self.columns if name in known]

    def _names(self) -> list[str]:
        lifted = (f"metadata.{key}" for key in self.metadata_keys)
        return [self._written(name) for name in (*self._fields(), *lifted)]

    def _header(self) -> bytes:
        mark = b"\xef\xbb\xbf" if self.encoding == "utf-8-sig" else b""
        if not self.header:
            return mark

        cells = Cells(self.delimiter, guard=True)
        first, *others = [cells[name] for name in self._names()]
        if not self.guard and not first.startswith('"'):
            first = quoted(first)
        return mark + f"{self.delimiter.join((first, *others))}\r\n".encode()

    def _rendering(self) -> Rendering:
        cells = Cells(self.delimiter, guard=self.guard is not None)
        return _Table(
            self._fields(), self.metadata_keys, cells, self._header()
        )


class _Table(Rendering):
    """
    Renders records as rows.
    """

    def __init__(
        self,
        fields: Sequence[str],
        metadata_keys: Sequence[str],
        cells: Cells,
        head: bytes,
    ) -> None:
        self.head = head
        self._cells = cells
        self._columns = [
            *(COLUMNS[name] for name in fields),
            *map(metadata_column, metadata_keys),
        ]
        self._needs_event = bool(metadata_keys or {*fields} & {*EVENT_COLUMNS})
        # Where the cells of a row stand among those of an event's fields.
        self._places = (
            None
            if metadata_keys or not {*fields} <= {*EVENT_COLUMNS}
            else [[*EVENT_COLUMNS].index(name) for name in fields]
        )
        self._needs_origin = bool({*fields} & {*ORIGIN_COLUMNS})
        self.of_bodies = {*fields} <= {*EVENT_COLUMNS}
        self._text = cells.__getitem__
        self._delimiter = cells.delimiter

    def rows(self, page: Page, tally: Tally) -> list[str]:
        written = []
        rows = []
        for place, body in enumerate(page.bodies):
            row = page.rows[place]
            try:
                rows.append(self._row(body, row))
            except DecodingError as exc:
                tally.skip_record(page.record_of(row), str(exc))
            else:
                written.append(place)
        tally.count(page, written)
        tally.notes["guarded"] |= self._cells.guarded
        tally.notes["too long"] |= self._cells.too_long
        return rows

    def joined(self, rows: list[str], *, first: bool) -> bytes:  # noqa: ARG002
        return "".join(rows).encode()

    def warnings(self, tally: Tally) -> Iterator[str]:
        if tally.notes["guarded"]:
            yield (
                "texts that a spreadsheet would run as a formula begin with "
                "'; guard=None writes them as they are"
            )
        if tally.notes["too long"]:
            yield "Excel shows 32,767 characters of a cell; some have more"
        if tally.rows >= EXCEL_ROWS:
            yield f"Excel shows {EXCEL_ROWS:,} rows; there are {tally.rows:,}"

    def _row(self, body: bytes, row: object) -> str:
        cells = self._fields_of(body)
        if cells is None:
            record = row if isinstance(row, Record) else None
            cells = self._cells_of(body, record)
        # One null alone would make a blank line, which many tools leave out.
        return (self._delimiter.join(cells) or '""') + "\r\n"

    def _fields_of(self, body: bytes) -> list[str] | None:
        """
        The cells, if they can be told without building the event.
        """
        if self._places is None:
            return None
        fields = cells_of(body)
        if fields is None:
            return None
        cells = event_cells(fields, self._text)
        return [cells[place] for place in self._places]

    def _cells_of(self, body: bytes, record: Record | None) -> list[str]:
        if self._needs_origin and (record is None or record.origin is None):
            event_id = record and record.event_id
            raise ExportError(
                f"event {event_id} comes from no topic, so it has no "
                "partition and offset; use layout='events' or a KafkaReader"
            )
        event = None
        if self._needs_event:
            event = record.event if record else codec.decode(body)
        return [column(record, event, self._text) for column in self._columns]

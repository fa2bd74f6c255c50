"""
Writes events to Parquet files, row group by row group.
"""

from __future__ import annotations

import base64
import io

from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from auditlog._pages import page_of
from auditlog._tabular import (
    can_read,
    needs_events,
    plain_schema,
    pyarrow,
    record_batch,
    schema,
)

from ._footer import MAGIC, Footer, Group, group_of
from ._output import Output
from ._tally import BATCH


if TYPE_CHECKING:
    from auditlog._pages import Page
    from auditlog.abc import Record

    from ._output import Part
    from ._report import ExportedPart
    from ._tally import Tally
    from ._target import Store


# A row group waits in memory; events of usual size stay far below this.
GROUP_BYTES = 64 * 1024 * 1024

# Waiting records become columns as soon as there are so many.
BATCH_ROWS = 5_000
BATCH_BYTES = 8 * 1024 * 1024


@attrs.frozen
class TableForm:
    """
    What a row group looks like.

    Attributes:
        names: Its columns.

        compression: Of the columns.

        level: How well.
    """

    names: tuple[str, ...]
    compression: str | None
    level: int | None

    @cached_property
    def footer(self) -> Footer:
        """
        What files end with.
        """
        return Footer(self._written(None))

    def group(self, table: Any) -> Group:
        """
        The row group that *table* makes.
        """
        return group_of(self._written(table))

    def _written(self, table: Any) -> bytes:
        """
        A whole file of one row group, or of none.
        """
        from pyarrow import parquet  # noqa: PLC0415

        file = io.BytesIO()
        with parquet.ParquetWriter(
            file,
            schema(self.names),
            compression=self.compression or "none",
            compression_level=self.level,
            write_page_index=False,  # it says where pages are, too
        ) as writer:
            if table is not None:
                writer.write_table(table, row_group_size=table.num_rows)
        return file.getvalue()


class GroupOutput(Output):
    """
    Where row groups go.

    Args:
        form: What they look like.

        store: Where files come into being.

        rows: How many rows a row group has.

        max_bytes: Longest that a file may be; None for one file of any size.

        number: The number of the first file, if they are numbered.
    """

    def __init__(
        self,
        form: TableForm,
        store: Store,
        *,
        rows: int,
        max_bytes: int | None = None,
        number: int | None = None,
    ) -> None:
        super().__init__(store, number=number)
        self._form = form
        self._waiting = _Waiting(form.names, rows)
        self._max_bytes = max_bytes
        self._groups: list[bytes] = []
        self._is_due = False

    def go_on(
        self,
        parts: list[ExportedPart],
        part: Part | None,
        inner: tuple[str, ...],
    ) -> None:
        """
        See `Output.go_on()`.
        """
        super().go_on(parts, part, inner)
        self._groups = [base64.b64decode(each) for each in inner]

    @property
    def inner(self) -> tuple[str, ...]:
        """
        What the file has to tell of its row groups, at its end.
        """
        return tuple(base64.b64encode(each).decode() for each in self._groups)

    def room(self) -> int:
        """
        So many that a row group is never behind what was read.
        """
        return self._waiting.room

    def add(self, page: Page, tally: Tally) -> None:
        """
        Take in a *page*, and write the row group that it completes.
        """
        self._waiting.add(_readable(page, self._form.names, tally))
        if self._waiting.is_full:
            self._write()

    def take(self, made: Columns) -> None:
        """
        See `Output.take()`.
        """
        while made.sizes:
            made = self._waiting.take(made)
            if self._waiting.is_full:
                self._write()

    @property
    def is_due(self) -> bool:
        """
        Whether a row group was completed.
        """
        return self._is_due

    def cut(self) -> None:
        """
        Do nothing: row groups are written as a whole.
        """
        self._is_due = False

    def close(self) -> None:
        """
        See `Output.close()`.
        """
        self._write()
        super().close()

    def _write(self) -> None:
        if self._waiting.rows:
            self._put(self._waiting.taken())
            self._is_due = True

    def _put(self, table: Any) -> None:
        """
        Write *table* as one row group, or as several in several files.
        """
        group = self._form.group(table)
        if self._groups and not self._fits(group):
            self._end_part()
        if self._groups or self._fits(group) or group.rows == 1:
            self._append(group)
        else:
            self._put(table[: group.rows // 2])
            self._put(table[group.rows // 2 :])

    def _fits(self, group: Group) -> bool:
        if self._max_bytes is None:
            return True
        at, rows = self._end_of_groups()
        told = [*self._groups, group.told_at(at)]
        end = self._form.footer.around(told, rows + group.rows)
        return at + len(group.data) + len(end) <= self._max_bytes

    def _append(self, group: Group) -> None:
        at, _ = self._end_of_groups()
        part = self.open()
        part.write(group.data if self._groups else MAGIC + group.data)
        part.rows += group.rows
        self._groups.append(group.told_at(at))

    def _end_of_groups(self) -> tuple[int, int]:
        """
        How long the open file is, and how many rows it has.
        """
        if self.part is None or not self._groups:
            return len(MAGIC), 0
        return self.part.bytes, self.part.rows

    def _end(self, part: Part) -> None:
        end = self._form.footer.around(self._groups, part.rows)
        part.write(end if self._groups else MAGIC + end)
        self._groups = []


@attrs.frozen
class Columns:
    """
    Some rows, and how long the body of each is.
    """

    batch: Any
    sizes: list[int]


class GroupWork:
    """
    Makes columns in another process.
    """

    of_bodies = False

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __call__(self, page: Page, tally: Tally, /) -> Columns:
        """
        The columns of those of *page* that can be read.
        """
        records = _readable(page, self._names, tally)
        batch = record_batch(records, self._names)
        # Cut later on, a dictionary would hold words of other rows.
        batch = batch.cast(plain_schema(self._names))
        return Columns(batch, [len(each.body) for each in records])


def _readable(
    page: Page, names: tuple[str, ...], tally: Tally
) -> list[Record]:
    records = page.records
    if needs_events(names):
        skip = tally.skip_record
        records = [each for each in records if can_read(each, skip)]
    tally.count(page_of(records))
    return records


class _Waiting:
    """
    Records, or columns of them, that become a row group.

    Args:
        names: Its columns.

        most: How many rows it has.
    """

    def __init__(self, names: tuple[str, ...], most: int) -> None:
        self._names = names
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self.rows = 0
        self._size = 0
        self._batches: list[Any] = []
        self._records: list[Record] = []
        self._records_size = 0

    @property
    def room(self) -> int:
        """
        How many it takes until it is looked at next.
        """
        return min(BATCH - self.rows % BATCH, self._most - self.rows)

    @property
    def is_full(self) -> bool:
        """
        Whether there are enough rows, or bytes.
        """
        is_long = self._is_even and self._size >= GROUP_BYTES
        return is_long or self.rows == self._most

    def add(self, records: list[Record]) -> None:
        """
        Take in *records*, for which there is room.
        """
        size = sum(len(each.body) for each in records)
        self.rows += len(records)
        self._size += size
        self._records += records
        self._records_size += size
        is_long = self._records_size >= BATCH_BYTES
        if self._is_even and (is_long or len(self._records) >= BATCH_ROWS):
            self._settle()

    def take(self, made: Columns) -> Columns:
        """
        Take in as much of *made* as there is room for; what is left of it.
        """
        sizes, left = made.sizes[: self.room], made.sizes[self.room :]
        count = len(sizes)
        self._batches.append(made.batch[:count])
        self.rows += count
        self._size += sum(sizes)
        return Columns(made.batch[count:], left)

    def taken(self) -> Any:
        """
        The rows as a table; they wait no longer.
        """
        if self._records:
            self._settle()
        table = pyarrow("ParquetExporter").Table.from_batches(self._batches)
        table = table.cast(schema(self._names))
        self._begin()
        # Whatever the batches were: equal rows give equal bytes.
        return table.unify_dictionaries()

    @property
    def _is_even(self) -> bool:
        # Looked at in between, it would matter what was passed over.
        return not self.rows % BATCH

    def _settle(self) -> None:
        self._batches.append(record_batch(self._records, self._names))
        self._records = []
        self._records_size = 0

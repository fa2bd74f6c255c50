"""
The end of a Parquet file, which says where everything else lies in it.

pyarrow knows it of whole files only. Taken apart here, it lets a file grow
row group by row group, in one process after another.
"""

from __future__ import annotations

from typing import Any, NamedTuple


MAGIC = b"PAR1"

# Kinds of Thrift's compact protocol, in which it is written.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 7, 8, 9, 12
_NUMBERS = (4, 5, 6)
_LONG = 15  # in half a byte: a number of its own follows

# Numbers of fields in Parquet's own definition, parquet.thrift.
_ROWS, _GROUPS = 3, 4  # of FileMetaData
_COLUMNS, _GROUP_OFFSET = 1, 5  # of RowGroup
_COLUMN_OFFSET, _COLUMN = 2, 3  # of ColumnChunk
_PAGES = (9, 10, 11)  # of ColumnMetaData: of data, of an index, of words

Struct = dict[int, tuple[int, Any]]


class Group(NamedTuple):
    """
    A row group that may stand anywhere in a file.

    Attributes:
        data: Its bytes.

        rows: How many rows it has.

        told: What the end of a file says of it, if it stands first.
    """

    data: bytes
    rows: int
    told: Struct

    def told_at(self, offset: int) -> bytes:
        """
        What the end of a file says of it, if it stands at *offset*.
        """
        moved = dict(self.told)
        kind, columns = moved[_COLUMNS][1]
        by = offset - len(MAGIC)
        columns = [_column_moved(each, by) for each in columns]
        moved[_COLUMNS] = _LIST, (kind, columns)
        return _value(_STRUCT, _moved(moved, (_GROUP_OFFSET,), by))


class Footer:
    """
    The end of each file that has the same columns and settings.

    Args:
        empty: A whole file without rows.
    """

    def __init__(self, empty: bytes) -> None:
        self._fields = _taken_apart(empty)[1]

    def around(self, groups: list[bytes], rows: int) -> bytes:
        """
        The end of a file that has these *groups*, told at their places.
        """
        fields = self._fields | {
            _ROWS: (_NUMBERS[-1], rows),
            _GROUPS: (_LIST, (_STRUCT, groups)),
        }
        found = _value(_STRUCT, fields)
        return found + len(found).to_bytes(4, "little") + MAGIC


def group_of(file: bytes) -> Group:
    """
    The row group of a whole *file* that has one.
    """
    data, fields = _taken_apart(file)
    [told] = fields[_GROUPS][1][1]
    return Group(data, fields[_ROWS][1], told)


def _taken_apart(file: bytes) -> tuple[bytes, Struct]:
    size = int.from_bytes(file[-8:-4], "little")
    data = file[len(MAGIC) : -8 - size]
    fields: Struct = _Parser(file[-8 - size : -8]).value(_STRUCT)
    return data, fields


def _column_moved(column: Struct, by: int) -> Struct:
    moved = _moved(column, (_COLUMN_OFFSET,), by)
    moved[_COLUMN] = _STRUCT, _moved(column[_COLUMN][1], _PAGES, by)
    return moved


def _moved(fields: Struct, offsets: tuple[int, ...], by: int) -> Struct:
    # None of them is where the file begins, so 0 stands for nothing.
    moved = {
        number: (kind, value + by)
        for number, (kind, value) in fields.items()
        if number in offsets and value
    }
    return fields | moved


class _Parser:
    """
    Reads values that `_value()` writes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def value(self, kind: int) -> Any:
        """
        The next value, which is of that *kind*.
        """
        if kind in _NUMBERS:
            found = self._varint()
            return found >> 1 ^ -(found & 1)
        if kind == _BINARY:
            return self._take(self._varint())
        if kind == _LIST:
            return self._list()
        if kind == _STRUCT:
            return self._struct()
        return self._take({_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8}[kind])

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _varint(self) -> int:
        found = shift = 0
        while (byte := self._take(1)[0]) & 0x80:
            found |= (byte & 0x7F) << shift
            shift += 7
        return found | byte << shift

    def _list(self) -> tuple[int, list[Any]]:
        head = self._take(1)[0]
        count = head >> 4
        if count == _LONG:
            count = self._varint()
        kind = head & 15
        return kind, [self.value(kind) for _ in range(count)]

    def _struct(self) -> Struct:
        found: Struct = {}
        number = 0
        while head := self._take(1)[0]:
            kind = head & 15
            step = head >> 4
            number = number + step if step else self.value(_NUMBERS[0])
            found[number] = kind, self.value(kind)
        return found


def _value(kind: int, value: Any) -> bytes:
    if kind in _NUMBERS:
        return _varint(value << 1 ^ value >> 63)
    if kind == _BINARY:
        return _varint(len(value)) + bytes(value)
    if kind == _LIST:
        return _list(*value)
    if kind == _STRUCT and isinstance(value, dict):
        return _struct(value)
    return bytes(value)


def _varint(number: int) -> bytes:
    found = bytearray()
    while rest := number >> 7:
        found.append(number & 0x7F | 0x80)
        number = rest
    found.append(number)
    return bytes(found)


def _list(kind: int, values: list[Any]) -> bytes:
    count = len(values)
    head = bytes([min(count, _LONG) << 4 | kind])
    if count >= _LONG:
        head += _varint(count)
    return head + b"".join(_value(kind, each) for each in values)


def _struct(fields: Struct) -> bytes:
    found = bytearray()
    last = 0
    for number, (kind, value) in fields.items():
        step = number - last
        if step <= _LONG:
            found.append(step << 4 | kind)
        else:
            found += bytes([kind]) + _value(_NUMBERS[0], number)
        found += _value(kind, value)
        last = number
    return bytes(found) + b"\0"

"""
From the cells of a CSV row back to a record.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from auditlog import codec
from auditlog.abc import Origin, Record
from auditlog.errors import DecodingError, ReadError

from ._columns import BASE64, COLUMNS, EVENT_COLUMNS, JSON_COLUMNS


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auditlog.event import AuditEvent


# Where the body has a column's value; all others are in data, in camel case.
_ENVELOPE = {
    "occurred_at": "time",
    "event_id": "id",
    "correlation_id": "correlationid",
    "causation_id": "causationid",
    "traceparent": "traceparent",
}


class Fields:
    """
    Knows which cell of a row is which field.

    Args:
        names: The columns' names, with ``_`` or ``.`` for nesting.

    Raises:
        ReadError: If events can't be made of these columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        known = {name.replace(".", "_"): name for name in COLUMNS}
        columns = [_known(name, known) for name in names]
        self._width = len(columns)
        self._at = {name: i for i, name in enumerate(columns) if name}
        _check([name for name in columns if name])
        self._members = [
            (self._at[name], _path(name), _conversion(name))
            for name in EVENT_COLUMNS
            if name in self._at
        ]

    def record(self, cells: Sequence[str | None]) -> Record:
        """
        The record that *cells* make up.

        Raises:
            DecodingError: If they make up none.
        """
        if len(cells) != self._width:
            raise DecodingError(f"not {self._width} cells")

        body = self._body(cells)
        index = self._cell(cells, "index")
        recorded_at = self._cell(cells, "recorded_at")
        return Record(
            event_id=codec.peek(body).event_id,
            body=body,
            index=None if index is None else _int(index),
            recorded_at=None if recorded_at is None else _time(recorded_at),
            origin=self._origin(cells),
        )

    def event(self, cells: Sequence[str | None]) -> AuditEvent:
        """
        The event that *cells* make up, where each field has one.

        Raises:
            DecodingError: If they make up none.
        """
        members: dict[str, Any] = {
            "specversion": "1.0",
            "type": self._cell(cells, "event_type"),
            "source": "//csv",
        }
        for at, path, convert in self._members:
            if (text := cells[at]) is not None:
                _put(members, path, convert(text))
        return codec.decode(msgspec.json.encode(members))

    def _cell(self, cells: Sequence[str | None], name: str) -> str | None:
        at = self._at.get(name)
        return None if at is None else cells[at]

    def _body(self, cells: Sequence[str | None]) -> bytes:
        if "value" in self._at:
            return (self._cell(cells, "value") or "").encode()

        # The one form that the event has, whatever the cells looked like.
        return codec.encode(self.event(cells))

    def _origin(self, cells: Sequence[str | None]) -> Origin | None:
        partition = self._cell(cells, "partition")
        offset = self._cell(cells, "offset")
        if partition is None or offset is None:
            return None

        timestamp = self._cell(cells, "timestamp")
        return Origin(
            topic=self._cell(cells, "topic") or "",
            partition=_int(partition),
            offset=_int(offset),
            timestamp=None if timestamp is None else _time(timestamp),
            key=_key(self._cell(cells, "key")),
            headers=_headers(self._cell(cells, "headers")),
        )


def _known(name: str, known: dict[str, str]) -> str | None:
    """
    The column that *name* means; None for one that repeats metadata.
    """
    if name.startswith(("metadata_", "metadata.")):
        return None

    folded = name.replace(".", "_")
    if folded not in known:
        raise ReadError(f"no event has a column {name!r}")
    return known[folded]


def _check(columns: list[str]) -> None:
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise ReadError(f"a column stands twice: {_listed(twice)}")
    if "value" in columns:
        return

    missing = [name for name in EVENT_COLUMNS if name not in columns]
    if missing:
        raise ReadError(
            f"columns are missing: {_listed(missing)}; events are brought "
            "back by all columns of layout='events', or by 'value'"
        )


def _listed(names: list[str]) -> str:
    return ", ".join(name.replace(".", "_") for name in names)


def _path(name: str) -> tuple[str, ...]:
    if name in _ENVELOPE:
        return (_ENVELOPE[name],)

    return ("data", *map(_camel_case, name.split(".")))


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _put(members: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *parents, name = path
    for parent in parents:
        members = members.setdefault(parent, {})
    members[name] = value


def _conversion(name: str) -> Callable[[str], Any]:
    if name in JSON_COLUMNS:
        return _json
    return _int if name == "replaced" else str


def _json(text: str) -> msgspec.Raw:
    try:
        # Checked, so that a cell can't bring in members of its own.
        return msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise DecodingError("a cell holds broken JSON") from exc


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError as exc:
        raise DecodingError("a cell holds no number") from exc


def _time(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except (ValueError, OverflowError) as exc:
        raise DecodingError("a cell holds no time") from exc


def _key(text: str | None) -> bytes | None:
    if text is None:
        return None
    if not text.startswith(BASE64):
        return text.encode()

    try:
        return base64.b64decode(text.removeprefix(BASE64), validate=True)
    except binascii.Error as exc:
        raise DecodingError("a key holds broken Base64") from exc


_pairs = msgspec.json.Decoder(list[tuple[str, str | None]]).decode


def _headers(text: str | None) -> tuple[tuple[str, bytes | None], ...]:
    if text is None:
        return ()

    try:
        pairs = _pairs(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise DecodingError("a cell holds no headers") from exc
    return tuple((name, _key(value)) for name, value in pairs)

"""
Events out of JSON Lines files.
"""

from __future__ import annotations

import re

from typing import IO, TYPE_CHECKING

from auditlog import codec
from auditlog.abc import Record
from auditlog.errors import ReadError

from ._files import BOM, FileReader, Mark, Row


if TYPE_CHECKING:
    from collections.abc import Iterator


# Of objects, or with none: any other array is a line of somebody else's.
_ARRAY = re.compile(rb"\s*\[\s*(?:[{\]]|\Z)")


class JSONLinesReader(FileReader):
    """
    Reads a file with one event a line, plain or compressed by gzip or zstd.

    The bodies are those of the file, byte for byte. A line that holds no
    audit event is passed over and told with file, line and reason. Blank
    lines, CRLF and a byte order mark do no harm.

    Args:
        path: The file, such as one that `JSONExporter` wrote.

    .. versionadded:: 0.1.0
    """

    def _begin(self, file: IO[bytes]) -> tuple[Mark, None]:
        start = file.read(64)
        mark = Mark(len(BOM) if start.startswith(BOM) else 0)
        if _ARRAY.match(start, mark.offset):
            raise ReadError(
                f"can't read {self._path}: it is a JSON array, not one event "
                "a line; export it with framing='lines'"
            )
        return mark, None

    def _rows(self, lines: Iterator[Row]) -> Iterator[Row]:
        return (row for row in lines if row.fault or not row.data.isspace())

    def _record(self, data: bytes, begun: None) -> Record:  # noqa: ARG002
        body = data.rstrip(b"\r\n")
        return Record(event_id=codec.peek(body).event_id, body=body)

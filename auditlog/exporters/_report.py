"""
What an export wrote, and what it could not write.
"""

from __future__ import annotations

import html

from typing import TYPE_CHECKING, Any

import attrs


if TYPE_CHECKING:
    from collections import Counter
    from uuid import UUID

    from auditlog.abc import Origin, Skipped


@attrs.frozen(kw_only=True)
class ExportedPart:
    """
    One of the files that an export wrote.

    Attributes:
        target: Its name.

        rows: How many events are in it.

        bytes: How long it is.

        sha256: Its SHA-256, in hexadecimal digits.

    .. versionadded:: 0.1.0
    """

    target: str
    rows: int
    bytes: int
    sha256: str


@attrs.frozen(kw_only=True, repr=False)
class ExportReport:
    """
    What an export wrote, and what it passed over.

    Attributes:
        target: What the export was written to; never with a login.

        rows: How many events were written.

        bytes: The length of what was written, in bytes.

        sha256:
            The SHA-256 of what was written, after compression, in
            hexadecimal digits. Equal events give equal files. Of several
            parts, one after another.

        first:
            The place of the first event in its source: in a topic, in a
            journal, or its id where the source has no order.

        last: The place of the last event.

        skipped:
            How often something was passed over, for each reason; beyond 100
            reasons the rest is counted together.

        skipped_first: The first 100 things that were passed over.

        cut:
            How many of the events were cut, because a profile's line or a
            field of it can hold no more.

        parts: The files, in order, if they are numbered.

        elapsed: How long it took, in seconds.

        warnings: What a person should know about the file.

    .. versionadded:: 0.1.0
    """

    target: str
    rows: int
    bytes: int
    sha256: str
    first: Origin | int | UUID | None
    last: Origin | int | UUID | None
    skipped: Counter[str]
    skipped_first: tuple[Skipped, ...]
    elapsed: float
    warnings: tuple[str, ...]
    cut: int = 0
    parts: tuple[ExportedPart, ...] = ()

    def __repr__(self) -> str:
        """
        One line: target, counts and time.
        """
        return (
            f"<ExportReport {self.target!r} rows={self.rows} "
            f"bytes={self.bytes} skipped={self.skipped.total()} "
            f"warnings={len(self.warnings)} elapsed={self.elapsed:.2f}>"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th>"
            f"<td>{html.escape(str(value))}</td></tr>"
            for name, value in self._shown()
        )
        return f"<table>{rows}</table>"

    def _shown(self) -> list[tuple[str, Any]]:
        skipped = [
            (f"skipped: {reason}", f"{count:,}")
            for reason, count in self.skipped.most_common(5)
        ]
        return [
            ("target", self.target),
            ("rows", f"{self.rows:,}"),
            ("bytes", f"{self.bytes:,}"),
            ("SHA-256", self.sha256),
            *([("parts", f"{len(self.parts):,}")] if self.parts else []),
            ("first", self.first),
            ("last", self.last),
            *skipped,
            *([("cut", f"{self.cut:,}")] if self.cut else []),
            *(("warning", warning) for warning in self.warnings),
            ("elapsed", f"{self.elapsed:.2f} s"),
        ]

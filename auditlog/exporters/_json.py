"""
Events as JSON, each exactly as it is stored or in the shape of a SIEM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from auditlog.profiles import CloudEvents
from auditlog.profiles._cloudevents import on_one_line

from ._base import FileExporter
from ._profiles import mistakes_of, profile_of, rendered


if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from auditlog.abc import Record
    from auditlog.profiles import Profile

    from ._base import Tally


@attrs.frozen(kw_only=True)
class JSONExporter(FileExporter):
    """
    Writes events as JSON: the stored bytes of each, never decoded, or what
    a SIEM makes of them.

    A file has UTF-8 without a mark, LF and a final line break. Equal events
    give equal files, compressed too.

    Attributes:
        framing:
            ``"lines"`` writes one event a line (JSON Lines, NDJSON), which
            is what log shippers read; ``"array"`` one JSON array, one event
            a line too.

        profile:
            ``"cloudevents"`` writes the stored bytes; ``"ocsf"``, ``"ecs"``,
            ``"splunk-hec"``, ``"asim"`` and ``"gelf"`` write each event in
            that shape. A :class:`~auditlog.profiles.Profile` has settings of
            its own, such as ``OCSF(product="billing")``.

        compression:
            ``"infer"`` compresses a path that ends in ``.gz`` or ``.zst``,
            ``"gzip"`` and ``"zstd"`` always, None never. zstd is faster and
            makes smaller files, and needs the extra ``zstd`` before Python
            3.14.

        compression_level:
            From 0 to 9, and to 22 with ``compression="zstd"``; None is 1,
            which is several times as fast as 9 and makes files a fifth
            larger.

    Raises:
        ConfigError: If a setting is none of those named.

    .. versionadded:: 0.1.0
    """

    framing: Literal["lines", "array"] = "lines"
    profile: str | Profile = "cloudevents"

    def _mistakes(self) -> Iterator[str]:
        yield from super()._mistakes()
        if self.framing not in {"lines", "array"}:
            yield (
                f"'framing' must be 'lines' or 'array' (got {self.framing!r})"
            )
        yield from mistakes_of(self.profile, as_json=True)

    def _chunks(
        self, batches: Iterator[list[Record]], tally: Tally
    ) -> Generator[bytes]:
        profile = profile_of(self.profile)
        bodies = (
            _bodies(batches, tally)
            if isinstance(profile, CloudEvents)
            else rendered(batches, profile, tally)
        )
        return _lines(bodies) if self.framing == "lines" else _array(bodies)


def _lines(batches: Iterator[list[bytes]]) -> Generator[bytes]:
    for bodies in batches:
        yield b"\n".join([*bodies, b""])


def _array(batches: Iterator[list[bytes]]) -> Generator[bytes]:
    start = b"[\n"
    for bodies in batches:
        yield start + b",\n".join(bodies)
        start = b",\n"
    yield b"[\n]\n" if start == b"[\n" else b"\n]\n"


def _bodies(
    batches: Iterator[list[Record]], tally: Tally
) -> Iterator[list[bytes]]:
    mended = 0
    for records in batches:
        bodies = [record.body for record in records]
        joined = b"".join(bodies)
        if b"\n" in joined or b"\r" in joined:
            mended += sum(b"\n" in body or b"\r" in body for body in bodies)
            bodies = [on_one_line(body) for body in bodies]
        tally.count(records)
        if bodies:
            yield bodies
    if mended:
        tally.warnings.append(
            f"{mended:,} events had line breaks between their members, "
            "written as blanks"
        )

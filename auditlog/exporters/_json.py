"""
Events as JSON, each exactly as it is stored or in the shape of a SIEM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from auditlog.profiles import CloudEvents
from auditlog.profiles._cloudevents import on_one_line

from ._profiles import cut_by, mistakes_of, profile_of, rendered
from ._rendering import Lines, Rendering
from ._text import TextExporter


if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditlog._pages import Page
    from auditlog.profiles import Profile

    from ._tally import Tally


@attrs.frozen(kw_only=True)
class JSONExporter(TextExporter):
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

        max_file_bytes:
            Longest that a file may be, as it lies on the disk; then there
            are several, cut between two events, each whole in itself:
            ``audit-00001.jsonl.gz`` and so on. An event that is longer has
            a file of its own.

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

    def _rendering(self) -> Rendering:
        profile = profile_of(self.profile)
        of_profile = not isinstance(profile, CloudEvents)
        makes = profile if of_profile else None
        return _Lines(makes) if self.framing == "lines" else _Array(makes)


class _Bodies(Rendering):
    """
    The stored bytes of events, or what a profile makes of them.
    """

    def __init__(self, profile: Profile | None) -> None:
        self._profile = profile
        self.of_bodies = profile is None

    def rows(self, page: Page, tally: Tally) -> list[bytes]:
        if self._profile is not None:
            return rendered(page, self._profile, tally)

        bodies = page.bodies
        joined = b"".join(bodies)
        if b"\n" in joined or b"\r" in joined:
            mended = sum(b"\n" in body or b"\r" in body for body in bodies)
            tally.notes["mended"] += mended
            bodies = [on_one_line(body) for body in bodies]
        tally.count(page)
        return bodies

    def warnings(self, tally: Tally) -> Iterator[str]:
        if mended := tally.notes["mended"]:
            yield (
                f"{mended:,} events had line breaks between their members, "
                "written as blanks"
            )
        if self._profile is not None:
            yield from cut_by(self._profile, tally)


class _Lines(_Bodies, Lines):
    """
    One a line.
    """


class _Array(_Bodies):
    """
    One JSON array, one event a line too.
    """

    head = b"[\n"

    def joined(self, rows: list[bytes], *, first: bool) -> bytes:
        return b",\n".join(rows if first else [b"", *rows])

    def foot(self, *, empty: bool) -> bytes:
        return b"]\n" if empty else b"\n]\n"

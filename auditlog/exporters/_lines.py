"""
Events as lines of a format that is no JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._base import FileExporter
from ._profiles import mistakes_of, profile_of, rendered


if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from auditlog.abc import Record
    from auditlog.profiles import Profile

    from ._base import Tally


@attrs.frozen(kw_only=True)
class LinesExporter(FileExporter):
    """
    Writes events as CEF or LEEF, one a line.

    A file has UTF-8 without a mark, LF and a final line break. Equal events
    give equal files, compressed too.

    Attributes:
        profile:
            ``"cef"``, ``"leef"``, or a :class:`~auditlog.profiles.Profile`
            with settings of its own.

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

    profile: str | Profile

    def _mistakes(self) -> Iterator[str]:
        yield from super()._mistakes()
        yield from mistakes_of(self.profile, as_json=False)

    def _chunks(
        self, batches: Iterator[list[Record]], tally: Tally
    ) -> Generator[bytes]:
        for lines in rendered(batches, profile_of(self.profile), tally):
            yield b"\n".join([*lines, b""])

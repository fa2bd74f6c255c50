"""
Events as lines of a format that is no JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._profiles import cut_by, mistakes_of, profile_of, rendered
from ._rendering import Lines
from ._text import TextExporter


if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditlog._pages import Page
    from auditlog.profiles import Profile

    from ._rendering import Rendering
    from ._tally import Tally


@attrs.frozen(kw_only=True)
class LinesExporter(TextExporter):
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

        max_file_bytes:
            Longest that a file may be, as it lies on the disk; then there
            are several, cut between two events, each whole in itself:
            ``audit-00001.jsonl.gz`` and so on. An event that is longer has
            a file of its own.

    Raises:
        ConfigError: If a setting is none of those named.

    .. versionadded:: 0.1.0
    """

    profile: str | Profile

    def _mistakes(self) -> Iterator[str]:
        yield from super()._mistakes()
        yield from mistakes_of(self.profile, as_json=False)

    def _rendering(self) -> Rendering:
        return _Lines(profile_of(self.profile))


class _Lines(Lines):
    """
    What a profile makes of events.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def rows(self, page: Page, tally: Tally) -> list[bytes]:
        return rendered(page, self._profile, tally)

    def warnings(self, tally: Tally) -> Iterator[str]:
        yield from cut_by(self._profile, tally)

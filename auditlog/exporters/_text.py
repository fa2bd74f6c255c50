"""
Exports of rows of text.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import attrs

from ._output import RowOutput, RowWork
from ._rows import RowExporter


if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._compression import Encoder
    from ._rendering import Rendering
    from ._tally import Tally
    from ._target import Store


@attrs.frozen(kw_only=True)
class TextExporter(RowExporter):
    """
    Renders each event as text; what CSV and JSON have in common.
    """

    @abstractmethod
    def _rendering(self) -> Rendering:
        """
        What makes rows.
        """

    def _output(
        self, encoder: Encoder, store: Store, number: int | None
    ) -> RowOutput:
        return RowOutput(
            self._rendering(),
            encoder,
            store,
            max_bytes=self.max_file_bytes,
            number=number,
        )

    def _work(self) -> RowWork:
        return RowWork(self._rendering())

    def _warnings(self, tally: Tally) -> Iterator[str]:
        return self._rendering().warnings(tally)

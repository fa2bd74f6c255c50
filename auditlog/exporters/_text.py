"""
Exports of rows of text.
"""

from __future__ import annotations

import contextlib

from abc import abstractmethod
from typing import TYPE_CHECKING

import attrs

from ._output import RowOutput
from ._parallel import parallel_rows
from ._rows import RowExporter


if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ._compression import Encoder
    from ._output import Output
    from ._rendering import Rendering
    from ._tally import Exportable, Tally
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

    def _added(
        self,
        events: Exportable,
        tally: Tally,
        output: Output,
        workers: int,
    ) -> Generator[None]:
        rows = None
        if workers > 1:
            rows = parallel_rows(self, events, tally, count=workers)
        if rows is None:
            yield from super()._added(events, tally, output, workers)
            return
        assert isinstance(output, RowOutput)
        with contextlib.closing(rows):
            for batch in rows:
                output.write(batch)
                yield

    def _warnings(self, tally: Tally) -> Iterator[str]:
        return self._rendering().warnings(tally)

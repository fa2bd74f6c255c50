"""
What a process does that renders a part of an export for another one.
"""

from __future__ import annotations

import contextlib
import pickle
import signal

from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import attrs

from auditlog.errors import AuditLogError, ExportError

from ._tally import Tally


if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditlog._divided import DivisibleReader
    from auditlog._pages import Page
    from auditlog.abc import EventQuery

    from ._rendering import Rendering
    from ._text import TextExporter


@attrs.frozen
class Job:
    """
    What is the same for all stretches.
    """

    exporter: TextExporter
    reader: DivisibleReader
    query: EventQuery
    errors: str


@attrs.frozen
class Rows:
    """
    A row for each event, in order; None for one that can't be rendered.
    """

    rows: list[Any]


@attrs.frozen
class Done:
    """
    A stretch is read to its end; *tally* has counted it.
    """

    tally: Tally


@attrs.frozen
class Failed:
    """
    The work can't go on.
    """

    error: AuditLogError


def main(descriptor: int) -> None:
    """
    Work for whoever is at the other end of a socket, until it is closed.
    """
    # Ctrl-C in a terminal goes to all; who began the export ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (
        contextlib.suppress(EOFError, ConnectionError),
        Connection(descriptor) as other,
    ):
        try:
            _serve(other)
        except (EOFError, ConnectionError):
            raise
        except Exception as exc:  # noqa: BLE001 - told to the other
            other.send(Failed(_told(exc)))


def _serve(other: Connection) -> None:
    job: Job = other.recv()
    rendering = job.exporter._rendering()  # noqa: SLF001
    with job.reader.opened() as part_of:
        while (stretch := other.recv()) is not None:
            tally = _PlacedTally(job.errors)
            part = part_of(stretch).read(job.query)
            batches = tally.batches(part, of_bodies=rendering.of_bodies)
            with contextlib.closing(batches):
                for page in batches:
                    other.send(Rows(tally.placed(page, rendering)))
            other.send(Done(tally))


class _PlacedTally(Tally):
    """
    Knows, too, which of a page were written.
    """

    _places: Sequence[int] | None = None

    def count(self, page: Page, places: Sequence[int] | None = None) -> None:
        """
        See `Tally.count()`.
        """
        super().count(page, places)
        self._places = places

    def placed(self, page: Page, rendering: Rendering) -> list[Any]:
        """
        The rows of *page*, None for what has none.
        """
        rows = rendering.rows(page, self)
        if len(rows) == len(page):
            return rows
        placed = [None] * len(page)
        for place, row in zip(self._places or (), rows, strict=True):
            placed[place] = row
        return placed


def _told(error: Exception) -> AuditLogError:
    """
    The *error* as one that can be sent and understood.
    """
    if isinstance(error, AuditLogError):
        with contextlib.suppress(Exception):
            pickle.loads(pickle.dumps(error))  # noqa: S301 - it can be sent
            return error
    what = f"{type(error).__name__}: {error}"
    return ExportError(f"a process that worked for an export failed: {what}")

"""
What a process does that renders a part of an export for another one.
"""

from __future__ import annotations

import contextlib
import pickle
import signal

from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from auditlog.errors import AuditLogError, ExportError

from ._tally import Tally


if TYPE_CHECKING:
    from auditlog._divided import DivisibleReader
    from auditlog._pages import Page
    from auditlog.abc import EventQuery

    from ._rows import RowExporter


class Work(Protocol):
    """
    What is done with each page.

    Attributes:
        of_bodies: Whether records are hardly needed.
    """

    of_bodies: bool

    def __call__(self, page: Page, tally: Tally, /) -> Any:
        """
        What is made of those of a *page* that can be read; all are counted.
        """


@attrs.frozen
class Job:
    """
    What is the same for all stretches.
    """

    exporter: RowExporter
    reader: DivisibleReader
    query: EventQuery
    errors: str


@attrs.frozen
class Made:
    """
    What was made of a page.
    """

    made: Any


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
    work = job.exporter._work()  # noqa: SLF001
    with job.reader.opened() as part_of:
        while (stretch := other.recv()) is not None:
            tally = Tally(job.errors)
            part = part_of(stretch).read(job.query)
            pages = tally.batches(part, of_bodies=work.of_bodies)
            with contextlib.closing(pages):
                for page in pages:
                    other.send(Made(work(page, tally)))
            other.send(Done(tally))


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

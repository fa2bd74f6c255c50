"""
An export's work that several processes do, in the order of one.

Own processes and not those of `multiprocessing`, whose children run the main
module again, which breaks scripts, and which servers such as Celery forbid to
theirs.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import subprocess
import sys

from collections import deque
from multiprocessing import Pipe, spawn
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

import attrs

from auditlog._divided import DivisibleReader
from auditlog.abc import Events, Reader
from auditlog.config import Secret
from auditlog.errors import ExportError

from ._worker import Done, Failed, Job, Made


if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from multiprocessing.connection import Connection

    from ._rows import RowExporter
    from ._tally import Tally


# What is rendered and not written yet may take so much memory. Beyond it only
# what comes next in the file is read.
AHEAD = 48 * 1024 * 1024

_PROGRAM = """
import sys
sys.path[:] = {path!r}
from auditlog.exporters._worker import main
main({descriptor})
"""


def made_by_workers(
    exporter: RowExporter, events: Any, tally: Tally, *, count: int
) -> Generator[Any] | None:
    """
    What *count* processes make of *events*, page by page in their order.

    Returns:
        None if the source of *events* can't be divided.

    Raises:
        ExportError: If *exporter* or the reader can't go to other processes.
    """
    if isinstance(events, Reader):
        events = events.read()
    if not isinstance(events, Events):
        return None
    if not isinstance(events.reader, DivisibleReader):
        return None
    stretches = events.reader.stretches(events.query)
    if stretches is None:
        return None
    job = Job(exporter, events.reader, events.query, tally.errors)
    return _made(_pickled(job), stretches, tally, count)


def _made(
    job: bytes,
    stretches: Generator[Any],
    tally: Tally,
    count: int,
) -> Generator[Any]:
    # Closed here, as a reader that an error refers to would go on.
    with (
        contextlib.closing(stretches),
        contextlib.closing(_Team(job, stretches, count)) as team,
    ):
        for told in team.answers():
            if isinstance(told, Done):
                tally.add(told.tally)
            else:
                yield told.made


@attrs.define(eq=False)
class _Worker:
    """
    A process, and the socket to it.
    """

    process: subprocess.Popen[bytes]
    connection: Connection
    answers: deque[Any] | None = None


class _Team:
    """
    Processes that each work on a stretch, and what they have answered.
    """

    def __init__(
        self, job: bytes, stretches: Iterator[Any], count: int
    ) -> None:
        self._stretches = stretches
        self._upcoming: Any = None
        self._waiting = 0
        # The answers for each stretch, in the order of stretches.
        self._order: deque[deque[Any]] = deque()
        self._workers: list[_Worker] = []
        self._job = job
        self._count = count

    def answers(self) -> Iterator[Made | Done]:
        """
        All answers, in the order of the stretches.
        """
        self._upcoming = next(self._stretches, None)
        self._employ()
        while self._order:
            first = self._order[0]
            while not first:
                self._listen()
            size, told = first.popleft()
            self._waiting -= size
            if isinstance(told, Failed):
                raise told.error
            if isinstance(told, Done):
                self._order.popleft()
                self._employ()
            yield told

    def _employ(self) -> None:
        """
        Give those who have nothing to do the next stretches.
        """
        while self._upcoming is not None and (worker := self._free()):
            worker.answers = deque()
            self._order.append(worker.answers)
            self._say(worker, pickle.dumps(self._upcoming))
            self._upcoming = next(self._stretches, None)

    def _free(self) -> _Worker | None:
        if self._waiting > AHEAD:
            return None
        for worker in self._workers:
            if worker.answers is None:
                return worker
        if len(self._workers) == self._count:
            return None
        self._workers.append(_hired())
        self._say(self._workers[-1], self._job)
        return self._workers[-1]

    def _listen(self) -> None:
        """
        Take the next answers, and don't let anybody wait for work.
        """
        by_connection = {
            each.connection: each
            for each in self._workers
            if each.answers is not None
            and (self._waiting <= AHEAD or each.answers is self._order[0])
        }
        for connection in wait([*by_connection]):
            worker = by_connection[connection]  # type: ignore[index]
            self._hear(worker)
        self._employ()

    def _hear(self, worker: _Worker) -> None:
        assert worker.answers is not None
        try:
            data = worker.connection.recv_bytes()
        except (EOFError, OSError) as exc:
            raise _lost(worker) from exc
        told = pickle.loads(data)  # noqa: S301 - of a process of ours
        worker.answers.append((len(data), told))
        self._waiting += len(data)
        if isinstance(told, Done | Failed):
            worker.answers = None
        if isinstance(told, Failed):
            # It has ended, and so does the export when it gets there.
            self._upcoming = None

    def _say(self, worker: _Worker, data: bytes) -> None:
        try:
            worker.connection.send_bytes(data)
        except OSError as exc:
            raise _lost(worker) from exc

    def close(self) -> None:
        """
        End all processes; what they still do is of no use.
        """
        for worker in self._workers:
            worker.connection.close()
            worker.process.kill()
            worker.process.wait()


def _hired() -> _Worker:
    ours, theirs = Pipe()
    with theirs:
        program = _PROGRAM.format(path=sys.path, descriptor=theirs.fileno())
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [spawn.get_executable(), "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return _Worker(process, ours)


def _lost(worker: _Worker) -> ExportError:
    status = worker.process.wait()
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return ExportError(
        f"a process that worked for the export ended {how}; export again, "
        "with fewer workers if memory is short"
    )


def _pickled(job: Job) -> bytes:
    file = io.BytesIO()
    try:
        _Pickler(file).dump(job)
    except Exception as exc:
        raise ExportError(
            f"can't hand the export to other processes ({exc}); use classes "
            "and functions of a module, or leave out workers"
        ) from exc
    return file.getvalue()


class _Pickler(pickle.Pickler):
    """
    Takes secrets along, which stay in memory here.
    """

    def reducer_override(self, found: Any) -> Any:
        """
        How to make *found* again.
        """
        if isinstance(found, Secret):
            return Secret, (found.reveal(),)
        return NotImplemented

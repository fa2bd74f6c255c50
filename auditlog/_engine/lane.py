"""
Calls a sink from one thread, so that a caller can stop waiting for it.
"""

from __future__ import annotations

import threading

from queue import SimpleQueue
from typing import TYPE_CHECKING

from auditlog._engine.process import tell_after_fork
from auditlog._engine.receipt import Gate
from auditlog.errors import SinkError, SinkTimeoutError


if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditlog.abc import Record, Sink


class Job:
    """
    One write that waits for its turn, or is under way.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.ended = Gate()
        self.given_up = False
        self.error: BaseException | None = None

    def run(self, sink: Sink) -> None:
        """
        Write, unless nobody waits any more.
        """
        if self.given_up:
            return
        try:
            sink.write(self.records)
        except BaseException as exc:  # noqa: BLE001 - raised where one waits
            self.error = exc
        finally:
            self.ended.open()


class Lane:
    """
    A sink that is written to by one thread, one batch after the other.

    Args:
        sink: Where the batches go.

        name: For the thread.
    """

    def __init__(self, sink: Sink, *, name: str) -> None:
        self.sink = sink
        self._name = name
        self._reset()
        tell_after_fork(self)

    def _reset(self) -> None:
        # Reentrant: a signal handler may publish while its thread is in here.
        self._starting = threading.RLock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """
        The child has a thread of its own.
        """
        self._reset()

    def write(
        self, records: Sequence[Record], /, *, timeout: float | None = None
    ) -> None:
        """
        Write *records* after what came before them.

        Args:
            records: As for a sink.

            timeout:
                Longest wait, in seconds. A write that is under way then goes
                on, and may store them.

        Raises:
            SinkTimeoutError: If it takes longer.

            Exception: What the sink raises.
        """
        if not self._start():
            self.sink.write(records)
            return
        job = Job(records)
        self._jobs.put(job)
        if not job.ended.wait(timeout):
            job.given_up = True
            raise SinkTimeoutError(
                f"{type(self.sink).__name__} didn't answer within "
                f"{timeout:g} s"
            )
        error, job.error = job.error, None
        try:
            if isinstance(error, Exception):
                raise error
            if error is not None:  # it was meant for that thread
                name = type(self.sink).__name__
                said = f"{name} raised {type(error).__name__}"
                raise SinkError(said) from error
        finally:
            del error  # or it would hold its own traceback

    def end(self) -> None:
        """
        End the thread, after what came before.
        """
        with self._starting:
            thread, self.thread = self.thread, None
            if thread is not None:
                self._jobs.put(None)

    def _start(self) -> bool:
        """
        Whether there is a thread; none can be started at the process's end.
        """
        with self._starting:
            if self.thread is None:
                thread = threading.Thread(
                    target=self._run,
                    args=(self._jobs,),
                    name=f"auditlog-lane-{self._name}",
                    daemon=True,
                )
                try:
                    thread.start()
                except RuntimeError:
                    return False
                self.thread = thread
        return True

    def _run(self, jobs: SimpleQueue[Job | None]) -> None:
        while (job := jobs.get()) is not None:
            job.run(self.sink)
            del job

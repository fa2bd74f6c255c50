"""
Calls somebody from one thread, so that a caller can stop waiting for it.
"""

from __future__ import annotations

import threading

from queue import SimpleQueue
from typing import TYPE_CHECKING

from auditlog._engine.process import tell_after_fork
from auditlog._engine.receipt import Gate
from auditlog.errors import SinkError, SinkTimeoutError


if TYPE_CHECKING:
    from collections.abc import Callable


class Job:
    """
    One call that waits for its turn, or is under way.
    """

    def __init__(self, function: Callable[[], None], whom: str) -> None:
        self._function = function
        self._whom = whom
        self._ended = Gate()
        self._given_up = False
        self._error: BaseException | None = None
        self.done = False

    def run(self) -> None:
        """
        Make the call, unless nobody waits any more.
        """
        try:
            if not self._given_up:
                self._function()
        except BaseException as exc:  # noqa: BLE001 - raised where one waits
            self._error = exc
        finally:
            del self._function  # with what it holds
            self.done = True
            self._ended.open()

    def wait(self, timeout: float | None) -> None:
        """
        Wait for its end; called once.

        Args:
            timeout: Longest wait, in seconds. The call then goes on.

        Raises:
            SinkTimeoutError: If it takes longer.

            Exception: What the call raised.
        """
        if not self._ended.wait(timeout):
            self._given_up = True
            raise SinkTimeoutError(
                f"{self._whom} didn't answer within {timeout:g} s"
            )
        error, self._error = self._error, None
        try:
            if isinstance(error, Exception):
                raise error
            if error is not None:  # it was meant for that thread
                said = f"{self._whom} raised {type(error).__name__}"
                raise SinkError(said) from error
        finally:
            del error  # or it would hold its own traceback


class Lane:
    """
    One thread that calls somebody, one call after the other.

    Args:
        whom: Whom it calls, for messages.

        name: For the thread.
    """

    def __init__(self, whom: str, *, name: str) -> None:
        self._whom = whom
        self._name = name
        self._reset()
        tell_after_fork(self)

    def _reset(self) -> None:
        # Reentrant: a signal handler may publish while its thread is in here.
        self._starting = threading.RLock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._last: Job | None = None
        self.thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """
        The child has a thread of its own.
        """
        self._reset()

    @property
    def is_busy(self) -> bool:
        """
        Whether the call that was begun last has not ended.
        """
        return self._last is not None and not self._last.done

    def begin(self, function: Callable[[], None], /) -> Job:
        """
        Call *function* after what came before it.
        """
        self._last = job = Job(function, self._whom)
        if self._start():
            self._jobs.put(job)
        else:
            job.run()
        return job

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
            job.run()
            del job

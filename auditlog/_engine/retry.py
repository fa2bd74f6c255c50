"""
Trying again for ever, with full-jitter back-off, hurried and stopped at will.
"""

from __future__ import annotations

import threading
import time

from typing import TYPE_CHECKING, TypeVar

from auditlog.errors import (
    EventRefusedError,
    LeaseLostError,
    PartialWriteError,
)


if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState, Retrying

    from auditlog._engine.failures import FailureLog


T = TypeVar("T")

FIRST = 0.1
LONGEST = 30.0


def load() -> None:
    """
    Import what a thread of ours will need; call it before there is one.

    Not with the package, as it takes long. And not within the thread: if the
    process forked meanwhile, the child would wait for that import for ever.
    """
    import tenacity  # noqa: F401, PLC0415


class Patience:
    """
    Calls something until it works.

    The pause is random between 0 and a bound that doubles with each failure,
    from 0.1 s to 30 s, so that processes that lost the same server don't all
    come back at the same moment.

    Args:
        failures: Is told of each failure and of the success.

        longest: Longest pause, in seconds.

    Attributes:
        failures: As given.
    """

    def __init__(
        self, failures: FailureLog, *, longest: float = LONGEST
    ) -> None:
        self.stopped = False
        self.failures = failures
        self.longest = longest
        self._hurried = threading.Event()

    def call(self, attempt: Callable[[], T]) -> T:
        """
        What *attempt* returns, once it returns.

        Raises:
            LeaseLostError: Trying again would be wrong.

            EventRefusedError, PartialWriteError:
                Trying the same again would be useless.

            Exception: What the last attempt raised, if stopped.
        """
        result = self.insist(attempt)
        self.failures.worked()
        return result

    def insist(self, attempt: Callable[[], T]) -> T:
        """
        As :meth:`call`, where *attempt* itself knows if anything worked.
        """
        try:
            return attempt()
        except Exception as exc:  # noqa: BLE001 - raised again there
            failed = [exc]
        # Only now: for what works, tenacity would cost as much as the rest.

        def again() -> T:
            if failed:
                raise failed.pop()
            return attempt()

        return self._retrying()(again)

    def _retrying(self) -> Retrying:
        # See load().
        from tenacity import (  # noqa: PLC0415
            Retrying,
            retry_if_exception,
            wait_random_exponential,
        )

        return Retrying(
            retry=retry_if_exception(_may_pass),
            wait=wait_random_exponential(multiplier=FIRST, max=self.longest),
            stop=lambda _: self.stopped,
            sleep=self.pause,
            before_sleep=self._report,
            reraise=True,
        )

    def _report(self, state: RetryCallState) -> None:
        assert state.outcome is not None
        error = state.outcome.exception()
        assert isinstance(error, Exception)
        self.failures.failed(error)

    def pause(self, seconds: float) -> None:
        """
        Wait *seconds*, or until hurried; repeats what failed when it is due.
        """
        deadline = time.monotonic() + min(seconds, self.longest)
        while not self.stopped:
            left = deadline - time.monotonic()
            if left <= 0 or self._hurried.wait(min(left, self.failures.due())):
                break
            self.failures.repeat()
        self._hurried.clear()

    def hurry(self) -> None:
        """
        End the pause that is under way, or the next one, at once.
        """
        self._hurried.set()

    def stop(self) -> None:
        """
        No attempt after the one under way.
        """
        self.stopped = True
        self._hurried.set()


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, PartialWriteError):
        return not error.stored and not error.failed
    return isinstance(error, Exception) and not isinstance(
        error, (EventRefusedError, LeaseLostError)
    )

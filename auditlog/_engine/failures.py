"""
Says that publishing fails: at once, then every 30 s, then that it works.
"""

from __future__ import annotations

import contextlib
import time

from typing import TYPE_CHECKING

from auditlog.errors import AuditLogError, ClusterNotFoundError


if TYPE_CHECKING:
    import logging

    from collections.abc import Callable


INTERVAL = 30.0


class FailureLog:
    """
    One line for a failure that lasts, not one line for each event.

    Args:
        logger: Where it is said.

        who: What fails, for the structured extra, such as a relay's name.

        waiting: Counts the events that wait; None if that can't be known now.

        interval: Seconds between two lines with the same reason.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        who: str,
        waiting: Callable[[], int | None],
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._who = who
        self._waiting = waiting
        self._interval = interval
        self._clock = clock
        self._since: float | None = None
        self._last: Exception | None = None
        # Kept when it works again, for who looks later: text and time.
        self._kept: tuple[str, float] | None = None
        self._said: dict[str, float] = {}

    def failed(self, error: Exception) -> None:
        """
        An attempt failed because of *error*.
        """
        self.remember(error)
        self._tell(error)

    def remember(self, error: BaseException) -> None:
        """
        Keep *error* as the last one, without a word about it.
        """
        self._kept = " ".join(describe(error).split()), self._clock()

    def last_error(self) -> tuple[str, float] | tuple[None, None]:
        """
        The last error in one line, and its age in seconds.
        """
        kept = self._kept
        return (None, None) if kept is None else (kept[0], self._ago(kept[1]))

    def failing_for(self) -> float:
        """
        Seconds since the first failure behind the last success.
        """
        since = self._since
        return 0.0 if since is None else self._ago(since)

    def _ago(self, moment: float) -> float:
        return max(self._clock() - moment, 0.0)

    def _tell(self, error: Exception) -> None:
        now = self._clock()
        reason = describe(error)
        if self._since is None:
            self._since = now
        self._last = error
        said = self._said.get(reason)
        if said is None or now - said >= self._interval:
            self._said = {
                other: at
                for other, at in self._said.items()
                if now - at < self._interval
            }
            self._said[reason] = now
            # A logging handler that raises must not cost an event.
            with contextlib.suppress(Exception):
                self._say(error, reason)

    def due(self) -> float:
        """
        Seconds until the last failure has to be repeated.
        """
        if self._last is None:
            return self._interval
        said = self._said.get(describe(self._last), self._clock())
        return max(said + self._interval - self._clock(), 0.0)

    def repeat(self) -> None:
        """
        Say the last failure again, if it is time.
        """
        if self._last is not None and not self.due():
            self._tell(self._last)

    def worked(self) -> None:
        """
        An attempt succeeded.
        """
        if self._since is None:
            return

        lasted = self._clock() - self._since
        self._since = self._last = None
        self._said.clear()
        with contextlib.suppress(Exception):
            self._logger.info(
                "Publishing audit log events works again after %.1f s",
                lasted,
                extra={"auditlog_by": self._who},
            )

    def _say(self, error: Exception, reason: str) -> None:
        waiting = self._waiting()
        extra: dict[str, object] = {
            "auditlog_by": self._who,
            "auditlog_waiting": waiting,
        }
        known = None
        if isinstance(error, ClusterNotFoundError):
            known = extra["auditlog_known_clusters"] = error.known
        self._logger.error(
            "Failed to publish audit log event: %s", reason, extra=extra
        )
        said = []
        if waiting != 0:  # or a caller has been told
            said.append(
                f"{self._who} keeps {_events(waiting)} and tries again"
            )
        if known is not None:
            said.append(f"known cluster IDs: {', '.join(known) or 'none'}")
        if said:
            self._logger.warning("%s", "; ".join(said), extra=extra)


def _events(waiting: int | None) -> str:
    if waiting is None:
        return "the events that wait"
    return (
        f"{waiting} events that wait" if waiting != 1 else "1 event that waits"
    )


def describe(error: BaseException) -> str:
    """
    What may be said of *error*: a foreign one may quote an event.
    """
    if isinstance(error, AuditLogError):
        return str(error)
    return type(error).__name__

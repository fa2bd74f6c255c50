"""
Keeps event content, and floods, of kafka-python out of the logs.

At DEBUG it logs keys, values, headers and whole requests; while a broker is
away it logs the same lines several times a second. Both hold only for clients
of this library: what else the application does with kafka-python logs as ever.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# kafka-python names its threads after the client.
CLIENT_ID = "auditlog"
_THREADS = {f"{CLIENT_ID}-network-thread", f"kafka-io-{CLIENT_ID}"}
# What a producer's thread is called once nobody waits for it any more.
DISCARDED = f"{CLIENT_ID}-discarded"

INTERVAL = 30.0

# Said at ERROR of a topic that is about to be created; if it can't be, a line
# of ours says why.
_TOLD = "Topic %s not found in cluster metadata"

# Some lines differ each time.
_MOST_LINES = 1_000

_inside = threading.local()


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """
    What is logged by this thread meanwhile is logged on our behalf.
    """
    before = getattr(_inside, "on", False)
    _inside.on = True
    try:
        yield
    finally:
        _inside.on = before


class QuietFilter(logging.Filter):
    """
    Passes INFO, and each line from WARNING on once in *interval* seconds.

    Args:
        interval: Seconds.
    """

    def __init__(
        self,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._interval = interval
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """
        Whether *record* may be seen.
        """
        if record.threadName == DISCARDED:
            return False
        if not _is_ours(record):
            return True
        if record.levelno < logging.INFO or record.msg == _TOLD:
            return False
        return record.levelno < logging.WARNING or self._is_news(record)

    def _is_news(self, record: logging.LogRecord) -> bool:
        line = (record.name, str(record.msg))
        now = self._clock()
        if now - self._said.get(line, -self._interval) < self._interval:
            return False
        if len(self._said) >= _MOST_LINES:
            self._said.clear()
        self._said[line] = now
        return True


_filter = QuietFilter()


def hush() -> None:
    """
    Filter all loggers of kafka-python that there are by now.

    A logger's filter does not see what its children log, so each gets it.
    """
    for name in list(logging.root.manager.loggerDict):
        if name == "kafka" or name.startswith("kafka."):
            logging.getLogger(name).addFilter(_filter)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.threadName in _THREADS or getattr(_inside, "on", False)

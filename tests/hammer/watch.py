"""
Reads along as one would at first, past all faults of connections.
"""

from __future__ import annotations

import contextlib
import threading

import psycopg

from tests.postgres_tools import NaiveReader


PAUSE = 0.005


class Watch:
    """
    A naive reader beside ours.

    Attributes:
        seen: The ids that it has seen.
    """

    def __init__(self, url):
        self.url = url
        self.seen = set()
        self._last = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(30)

    def _run(self):
        while not self._ended.wait(0.05):
            # The server may be away.
            with contextlib.suppress(psycopg.Error):
                self._follow()

    def _follow(self):
        naive = NaiveReader(self.url)
        naive.seen, naive.last = self.seen, self._last
        try:
            while not self._ended.wait(PAUSE):
                naive.poll()
                self._last = naive.last
        finally:
            naive.connection.close()

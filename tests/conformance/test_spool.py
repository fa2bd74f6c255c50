"""
SpoolSink, held to the contracts of all of its kind.
"""

from __future__ import annotations

import pytest

from auditlog.spool import SpoolSink
from auditlog.testing.contracts import JournalContract


class TestSpoolSink(JournalContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path
        self.sinks = []
        yield
        for sink in self.sinks:
            sink.close()

    def make_sink(self):
        # Each is a spool of its own.
        sink = SpoolSink(self.folder / str(len(self.sinks)))
        self.sinks.append(sink)
        return sink

    def expire_lease(self, journal, relay):
        deliveries = journal._spool.deliveries
        deliveries._holders[relay].expires_at = 0.0


class TestSmallSegments(TestSpoolSink):
    """
    The same over many files.
    """

    def make_sink(self):
        sink = SpoolSink(
            self.folder / str(len(self.sinks)), segment_bytes=4096
        )
        self.sinks.append(sink)
        return sink

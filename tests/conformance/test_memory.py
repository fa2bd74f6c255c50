from __future__ import annotations

from auditlog.memory import InMemorySink
from auditlog.testing.contracts import JournalContract


class TestInMemorySink(JournalContract):
    def make_sink(self):
        return InMemorySink()

    def read_back(self, sink):
        return sink.records

    def expire_lease(self, journal, relay):
        journal._delivery(relay).expires_at = 0.0

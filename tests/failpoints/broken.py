"""
What a child may be made of instead, to see that it is noticed.
"""

from __future__ import annotations

from auditlog import Relay, SpoolSink


def advance_first():
    """
    A relay that keeps its position before it delivers.
    """

    def deliver(self, lease, records):
        self._advance(lease, records)
        self._writing.call(lambda: self._write(lease, records))

    Relay._deliver = deliver


def store_later():
    """
    A sink that returns at once, and stores with the next batch.
    """
    write, held = SpoolSink.write, []

    def later(self, records):
        batch, held[:] = held[:], records
        if batch:
            write(self, batch)

    SpoolSink.write = later


def nothing():
    """
    All is as it is.
    """

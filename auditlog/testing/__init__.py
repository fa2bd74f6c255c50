"""
What proves that an audit log works: contracts, faults on command, services.

The services have a module of their own, :mod:`auditlog.testing.services`.
"""

from __future__ import annotations

from auditlog.testing.clock import FakeClock
from auditlog.testing.contracts import JournalContract, SinkContract
from auditlog.testing.faults import FaultySink
from auditlog.testing.reader_contract import (
    FollowingReaderContract,
    GrowingReaderContract,
    ReaderContract,
)


__all__ = [
    "FakeClock",
    "FaultySink",
    "FollowingReaderContract",
    "GrowingReaderContract",
    "JournalContract",
    "ReaderContract",
    "SinkContract",
]

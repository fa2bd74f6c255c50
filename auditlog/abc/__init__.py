"""
What moves through this library and what a backend has to provide.

Written for the person who implements a sink, a journal or a reader.
`auditlog.testing` holds a contract suite for each.
"""

from __future__ import annotations

from auditlog.query import EventQuery

from ._exporter import Exporter
from ._readers import Events, Reader
from ._records import (
    DeadLetter,
    Origin,
    Record,
    Skipped,
)
from ._resumable import FollowableReader, ResumableReader, ResumableScan
from ._select import select, select_last, select_live
from ._sinks import (
    DeadLetterOffice,
    Journal,
    Lease,
    ReportingJournal,
    Sink,
    TransactionalSink,
)


__all__ = [
    "DeadLetter",
    "DeadLetterOffice",
    "EventQuery",
    "Events",
    "Exporter",
    "FollowableReader",
    "Journal",
    "Lease",
    "Origin",
    "Reader",
    "Record",
    "ReportingJournal",
    "ResumableReader",
    "ResumableScan",
    "Sink",
    "Skipped",
    "TransactionalSink",
    "select",
    "select_last",
    "select_live",
]

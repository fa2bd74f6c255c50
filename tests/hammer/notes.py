"""
What a writer notes outside of its memory, and what that says afterwards.
"""

from __future__ import annotations

import hashlib
import os

import attrs

from auditlog import codec


ATTEMPTED = "?"
# It stands in a transaction, beside an order of the same id.
ORDERED = "t"
# It stands in a transaction, or behind a savepoint, that is never committed.
DOOMED = "!"
# The topic cannot take it.
POISONED = "x"
ACCEPTED = ">"
ACKNOWLEDGED = "+"
CLOSED = "="


def sha256(body):
    return hashlib.sha256(body).hexdigest()


class Notes:
    """
    The notes of one process; a new process has a file of its own.

    A line is one write, so that a kill takes whole lines from the end. What
    was acknowledged is synced: nothing that is noted is ever untrue.
    """

    def __init__(self, path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL
        self._file = os.open(path, flags, 0o600)

    def attempt(self, event, mark=ATTEMPTED):
        self._write(f"{mark} {event.event_id} {sha256(codec.encode(event))}\n")

    def poison(self, event):
        self._write(f"{POISONED} {event.event_id}\n")

    def accept(self, event):
        self._write(f"{ACCEPTED} {event.event_id}\n")

    def acknowledge(self, *event_ids):
        self._write("".join(f"{ACKNOWLEDGED} {each}\n" for each in event_ids))
        os.fsync(self._file)

    def closed(self):
        """
        The publisher was closed, and said that all is stored.
        """
        self._write(f"{CLOSED}\n")

    def _write(self, text):
        os.write(self._file, text.encode())


@attrs.define
class Noted:
    """
    What all writers noted.

    Attributes:
        attempted: SHA-256 of each event that may be stored, by its id.

        ordered: Those of them that stand or fall with an order.

        doomed: Those that must not be stored.

        poisoned: Those that can be stored, but not delivered.

        acknowledged: Those that must be stored.

        promised: Those that must be stored, because a close returned.

        queues: What each process enqueued, in its order.
    """

    attempted: dict[str, str] = attrs.field(factory=dict)
    ordered: set[str] = attrs.field(factory=set)
    doomed: set[str] = attrs.field(factory=set)
    poisoned: set[str] = attrs.field(factory=set)
    acknowledged: set[str] = attrs.field(factory=set)
    promised: set[str] = attrs.field(factory=set)
    queues: list[list[str]] = attrs.field(factory=list)

    def add(self, text):
        """
        Add what one process noted; a torn last line does not count.
        """
        lines = [each.split() for each in text.splitlines(keepends=True)]
        if lines and not text.endswith("\n"):
            lines.pop()
        for mark, *rest in lines:
            self._add(mark, *rest)
        self.queues.append([each[1] for each in lines if each[0] == ACCEPTED])
        if [CLOSED] in lines:
            self.promised.update(self.queues[-1])

    def _add(self, mark, event_id=None, sha=None):
        if mark in {ATTEMPTED, ORDERED}:
            self.attempted[event_id] = sha
        kinds = {
            ORDERED: self.ordered,
            DOOMED: self.doomed,
            POISONED: self.poisoned,
            ACKNOWLEDGED: self.acknowledged,
        }
        if mark in kinds:
            kinds[mark].add(event_id)


def read_notes(folder):
    """
    What the writers of a round noted, in the files ``*.notes`` of *folder*.
    """
    noted = Noted()
    for path in folder.glob("*.notes"):
        noted.add(path.read_text())
    return noted

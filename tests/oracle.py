"""
Notes outside of a process what it tried and what was acknowledged to it.

Imported by the processes under test, so it needs nothing but the library.
"""

from __future__ import annotations

import os

from collections import Counter
from pathlib import Path

from auditlog import AuditEvent, Resource


def make_event(thing="1"):
    return AuditEvent(
        event_type="App.Order.Place",
        resource=Resource(type="order", id=str(thing)),
    )


class Notes:
    """
    Files in *folder*, to which any process may add.

    A line for each id: on the disk before the process goes on.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def publish(self, publisher, event=None, timeout=20):
        event = event or make_event()
        self.note("tried", event.event_id)
        publisher.publish(event, timeout=timeout)
        self.note("acknowledged", event.event_id)

    async def publish_async(self, publisher, event=None, timeout=20):
        event = event or make_event()
        self.note("tried", event.event_id)
        await publisher.publish_async(event, timeout=timeout)
        self.note("acknowledged", event.event_id)

    def enqueue(self, publisher, event=None):
        """
        Enqueue, and tell that the process ended well: then it is stored.
        """
        event = event or make_event()
        self.note("tried", event.event_id)
        receipt = publisher.enqueue(event)
        self.note("enqueued", event.event_id)
        return receipt

    def note(self, kind, what):
        path = self.folder / f"{kind}.{os.getpid()}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, f"{what}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)

    def read(self, kind):
        """
        What was noted, of the lines that are whole.
        """
        return {
            line
            for path in self.folder.glob(f"{kind}.*")
            for line in path.read_text().split("\n")[:-1]
        }

    def processes(self, kind):
        """
        How many processes noted something of that *kind*.
        """
        return len([*self.folder.glob(f"{kind}.*")])

    def check(self, stored, *, kinds=("acknowledged",)):
        """
        All of *kinds* is *stored*, nothing else than what was tried is, and
        nothing is twice.
        """
        times = Counter(map(str, stored))
        promised = set().union(*map(self.read, kinds))
        missing = promised - times.keys()
        assert promised, "the oracle saw nothing"
        assert not missing, f"{len(missing)} of {len(promised)} are lost"
        assert times.keys() <= self.read("tried")
        assert not [each for each in times if times[each] > 1]


class FileSink:
    """
    A line for each event, in a file to which several processes add.
    """

    def __init__(self, path, pause=0.0):
        self.path = path
        self.pause = pause

    def write(self, records):
        import time  # noqa: PLC0415 - only where a sink is slow

        time.sleep(self.pause)
        lines = "".join(f"{record.event_id}\n" for record in records)
        file = os.open(
            self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        os.write(file, lines.encode())
        os.fsync(file)
        os.close(file)


def lines_of(path):
    return Path(path).read_text().split() if Path(path).exists() else []

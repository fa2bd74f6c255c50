"""
A database, a topic and a few processes for one test.
"""

from __future__ import annotations

import contextlib
import time

from uuid import uuid4

from auditlog import PostgresSink
from auditlog.testing.services import create_database, drop_database
from tests.hammer.bench import holder
from tests.hammer.crew import Member
from tests.hammer.look import look, prepare
from tests.hammer.notes import sha256
from tests.kafka_tools import create
from tests.postgres_tools import execute


class Arena:
    """
    What is made in it ends with it.

    Args:
        server: The URL of a PostgreSQL server.

        address: Of the broker.

        proxied: The address that relays are given.

        route: Makes of a database's URL the one that processes are given.
    """

    def __init__(
        self,
        server,
        address,
        folder,
        *,
        proxied=None,
        route=None,
        **options,
    ):
        self.folder, self.address = folder, address
        self.topic = f"arena-{uuid4().hex}"
        self._server, self._name = server, self.topic.replace("-", "_")
        self.url = create_database(server, self._name)
        self._proxied = proxied or address
        self._given = (route or str)(self.url)
        self._options = options
        self._members = []
        prepare(self.url)
        create(address, self.topic, partitions=3)

    def relay(self, kind):
        return self._start(
            "relay", kind=kind, address=self._proxied, topic=self.topic
        )

    def writer(self, kind="writer", seed=2):
        return self._start("writer", kind=kind, seed=seed)

    def _start(self, what, **kwargs):
        name = f"{what}-{len(self._members)}"
        kwargs |= {"url": self._given, **self._options}
        member = Member(what, name, self.folder, **kwargs)
        member.start()
        self._members.append(member)
        return member

    def notes(self):
        """
        What all writers have noted so far.
        """
        paths = self.folder.glob("*.notes")
        return "\n".join(path.read_text() for path in paths)

    def write(self, records, noted):
        """
        Store *records*, and note that somebody was told so.
        """
        store(self.url, records, noted)

    def position(self):
        """
        How far the relays have come.
        """
        return position(self.url)

    def holding(self, relays, timeout=60.0):
        """
        That of *relays* which has the lease.
        """
        members = {each.pid: each for each in relays}
        deadline = time.monotonic() + timeout
        while (found := holder(self.url)) not in members:
            assert time.monotonic() < deadline, "nobody has the lease"
            time.sleep(0.02)
        return members[found]

    def look(self):
        return look(self.url, self.address, self.topic)

    def close(self):
        for each in self._members:
            each.kill()
        drop_database(self._server, self._name)


def store(url, records, noted):
    with contextlib.closing(PostgresSink(url)) as sink:
        sink.write(records)
    for each in records:
        noted.attempted[str(each.event_id)] = sha256(each.body)
        noted.acknowledged.add(str(each.event_id))


def position(url):
    rows = execute(url, "SELECT position FROM audit.delivery")
    return rows[0][0] if rows else 0

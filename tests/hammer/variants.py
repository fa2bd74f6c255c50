"""
What looks right and is wrong, to see that the oracle notices.

Nothing here is used but by the tests that expect it to fail.
"""

from __future__ import annotations

import contextlib

from kafka import KafkaProducer
from kafka.errors import KafkaError

from auditlog import PostgresSink, Relay
from auditlog.errors import EventRefusedError, PartialWriteError
from auditlog.kafka.records import Writer
from auditlog.postgres.order import Order


class BackwardOrder(Order):
    """
    Looks up who holds the lock, and then how far numbers are drawn.

    A writer that took its lock and drew its number between the two is in
    neither, and is passed over.
    """

    def advance(self, connection):
        self._early = {n for (n,) in connection.ask(self._sql["writers"])}
        return super().advance(connection)

    def _safe(self, connection, state):
        safe = state.drawn if not self._early else state.last_seq
        connection.marks = []
        return safe


class EagerRelay(Relay):
    """
    Moves the position before it delivers.
    """

    def _write(self, lease, records):
        lease.advance(records[-1].index)
        super()._write(lease, records)


FENCES = (" AND epoch = %(epoch)s", "AND position <= %(position)s")


class UnfencedJournal(PostgresSink):
    """
    Whoever had the lease once may move the position wherever it wants.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._sql = dict(self._sql)
        for name in ("advance", "renew"):
            for fence in FENCES:
                self._sql[name] = self._sql[name].replace(fence, "")


class AdvisoryJournal(UnfencedJournal):
    """
    The lease is a session's advisory lock.

    A frozen holder keeps it for as long as its session lasts, and behind a
    pooler whoever borrows the session has it as well.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._sql |= ADVISORY


ADVISORY = {
    "acquire": """
        WITH locked AS MATERIALIZED (
            SELECT pg_try_advisory_lock(hashtext(%(relay)s)) AS here)
        INSERT INTO audit.delivery (relay, epoch, holder, expires_at)
        SELECT %(relay)s, 1, %(holder)s, 'infinity' FROM locked WHERE here
            ON CONFLICT (relay) DO UPDATE SET holder = excluded.holder
        RETURNING epoch, position""",
    "release": "SELECT pg_advisory_unlock(hashtext(%(relay)s))",
}


class BisectingSink:
    """
    Looks for the event at fault with the producer that it has.

    An idempotent producer that met a permanent error gives that error for
    whatever it is given next.
    """

    def __init__(self, address, topic):
        self.topic = topic
        self._writer = Writer("resource")
        self.producer = KafkaProducer(
            bootstrap_servers=address,
            client_id="tests",
            enable_idempotence=True,
            acks="all",
            linger_ms=50,
        )

    def write(self, records):
        stored, failed = [], {}
        self._bisect(list(records), stored, failed)
        if failed:
            raise PartialWriteError(stored, failed)

    def _bisect(self, records, stored, failed):
        if self._are_sent(records):
            stored += [each.event_id for each in records]
        elif len(records) == 1:
            failed[records[0].event_id] = EventRefusedError("refused")
        else:
            middle = len(records) // 2
            self._bisect(records[:middle], stored, failed)
            self._bisect(records[middle:], stored, failed)

    def _are_sent(self, records):
        try:
            futures = [
                self.producer.send(
                    self.topic, each.value, each.key, each.headers
                )
                for each in map(self._writer.message, records)
            ]
            for each in futures:
                each.get(timeout=10)
        except KafkaError:
            return False
        return True

    def close(self):
        with contextlib.suppress(KafkaError):
            self.producer.close(timeout=5)


def journal_of(kind):
    journals = {"unfenced": UnfencedJournal, "advisory": AdvisoryJournal}
    return journals.get(kind, PostgresSink)


def relay_of(kind):
    return {"eager": EagerRelay}.get(kind, Relay)

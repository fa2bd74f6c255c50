"""
Consumers that are slower than those who write.
"""

from __future__ import annotations

import json
import threading

from contextlib import closing

import pytest

from auditlog import (
    AuditLogPublisher,
    InMemorySink,
    JSONExporter,
    PostgresReader,
    PostgresSink,
    Relay,
)
from auditlog.testing.faults import FaultySink
from tests.kafka_tools import make_event
from tests.postgres_tools import make_records, opened, until
from tests.seen_failing import against, check


INSERT = (
    "INSERT INTO audit.event "
    "(id, occurred_at, event_type, resource, outcome, body) "
    "VALUES (gen_random_uuid(), now(), 'A.B.C', 'a/b', 'success', %s)"
)


@pytest.mark.parametrize("patience", [20])
def test_slow_sink_leaves_the_others_alone(database_url, patience):
    """
    While one sink does not answer at all the other gets everything and keeps
    up; the first goes on where it was.
    """
    fast, late = InMemorySink(), InMemorySink()
    slow = FaultySink(late)
    slow.stall()
    publisher = AuditLogPublisher(
        PostgresSink(database_url), relays={"slow": slow, "fast": fast}
    )
    try:
        sent = [publisher.publish(make_event(n)).event_id for n in range(50)]
        until(lambda: slow.arrived.acquire(blocking=False), patience)
        sent += [publisher.publish(make_event(n)).event_id for n in range(50)]
        until(lambda: len(fast.records) == 100, patience)
        behind, ahead = publisher.stats().relays
        slow.flow()
        publisher.wait_delivered(20)
    finally:
        slow.flow()
        publisher.close(5)

    assert (0, 100) == (behind.delivered, ahead.delivered)
    assert sent == [record.event_id for record in fast.records]
    assert sent == [record.event_id for record in late.records]


def writes_to_one_sink_after_the_other(patch):
    """
    All relays share what writes.
    """
    lock, write = threading.Lock(), Relay._write

    def wait_for_turn(self, lease, records):
        with lock:
            write(self, lease, records)

    patch.setattr(Relay, "_write", wait_for_turn)


def test_export_while_others_write(database_url, tmp_path):
    """
    A slow export has what was stored when it began, each event once and in
    its order, whatever is stored meanwhile; the next one has that too.
    """
    with closing(PostgresSink(database_url)) as sink:
        sink.write(first := make_records(30))
        body = make_records(1)[0].body
        with opened(database_url, INSERT, body) as late:
            sink.write(then := make_records(30))
            reader = PostgresReader(database_url, page_size=7)

            def slowly():
                for number, each in enumerate(reader):
                    yield each
                    sink.write(make_records(1))
                    if number == 40:
                        late.commit()  # an event between those two parts

            JSONExporter().export(slowly(), tmp_path / "a.jsonl")
        JSONExporter().export(reader, tmp_path / "b.jsonl")

    ids = [str(record.event_id) for record in first + then]
    assert ids == exported(tmp_path / "a.jsonl")
    every = exported(tmp_path / "b.jsonl")
    assert 121 == len(set(every)) == len(every)
    assert ids == [each for each in every if each in ids]


def exported(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def turns_pages_by_their_number(patch):
    """
    A page begins behind as many events as were read, not behind the last.
    """

    def pages(self, query, first, last, *, what="page"):
        sql = self._sql[f"{what}_oldest"].replace("{filters}", "true")
        seen, limit = 0, self._page_size
        while page := self._ask(
            f"{sql} OFFSET {seen}", first=1, last=last, limit=limit
        ):
            yield page, last
            seen += len(page)

    patch.setattr(PostgresReader, "_pages", pages)


@pytest.mark.parametrize(
    ("test", "variant", "given"),
    [
        against(
            test_slow_sink_leaves_the_others_alone,
            writes_to_one_sink_after_the_other,
            patience=0.5,
        ),
        against(test_export_while_others_write, turns_pages_by_their_number),
    ],
)
def test_variant_is_noticed(request, test, variant, given):
    """
    What is promised of ours does not hold there, and its test says so.
    """
    check(request, test, variant, given)

"""
Callers who go away, and very many of them, with a real database.

Each check has variants of the library that it must notice; see tests/broken.
"""

from __future__ import annotations

import pytest

from auditlog import PostgresReader, PostgresSink
from auditlog.postgres import init_schema
from tests.oracle import Notes
from tests.process_tools import noticed, run


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    return Notes(folder)


@pytest.fixture
def url(database_url):
    init_schema(database_url)
    return database_url


def stored(url):
    return [record.event_id for record in PostgresReader(url)]


CANCELLED = """
import asyncio, random, sys
from auditlog import AuditLogPublisher, PostgresSink
from tests.oracle import Notes, make_event

url, folder, seed = sys.argv[1:]
chance = random.Random(seed)
notes = Notes(folder)
publisher = AuditLogPublisher(PostgresSink(url), batch_events=20)
acknowledged = []

async def publish(number):
    event = make_event(number)
    tried.append(event)
    await publisher.publish_async(event, timeout=20)
    acknowledged.append(event)

async def main():
    for _ in range(10):
        tasks = [asyncio.create_task(publish(n)) for n in range(60)]
        for task in chance.sample(tasks, 40):
            await asyncio.sleep(chance.choice([0, 0, 0.0005, 0.002]))
            task.cancel()
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if end is not None and not isinstance(
                end, asyncio.CancelledError
            ):
                raise end

tried = []
asyncio.run(main())
publisher.flush(10)
buffer = publisher._buffer
assert (buffer.events, buffer.bytes) == (0, 0), buffer.events
assert not buffer._queue and not buffer._watchers
publisher.publish(last := make_event(), timeout=10)
for event in [*tried, last]:
    notes.note("tried", event.event_id)
for event in [*acknowledged, last]:
    notes.note("acknowledged", event.event_id)
assert 200 <= len(acknowledged) < 600
"""


@pytest.mark.parametrize(
    ("seed", "broken"),
    [
        (1, None),
        (2, None),
        (1, "cancelled_event_keeps_its_room"),
        (1, "half_of_what_was_taken"),
    ],
)
def test_tasks_that_are_cancelled_at_any_moment(url, notes, seed, broken):
    """
    What was acknowledged is stored, each event whole, and the publisher is as
    before: nothing is counted that isn't there.
    """
    with noticed(broken):
        run(CANCELLED, url, notes.folder, seed, broken=broken, deadline=40)

        notes.check(stored(url))


CROWD = """
import asyncio, sys, threading
from auditlog import AuditLogPublisher, PostgresSink
from tests.oracle import make_event

(url,) = sys.argv[1:]
sys.setswitchinterval(0.00005)
publisher = AuditLogPublisher(PostgresSink(url))

def work(number):
    for n in range(40):
        event = make_event(f"thread-{number}/{n}")
        publisher.enqueue(event) if n % 4 else publisher.publish(
            event, timeout=30
        )

async def task(number):
    for n in range(2):
        await publisher.publish_async(
            make_event(f"task-{number}/{n}"), timeout=30
        )

async def main():
    await asyncio.gather(*map(task, range(1_000)))

threads = [threading.Thread(target=work, args=(n,)) for n in range(64)]
for thread in threads:
    thread.start()
asyncio.run(main())
for thread in threads:
    thread.join()
publisher.flush(30)
buffer = publisher._buffer
assert (buffer.events, buffer.bytes) == (0, 0), (buffer.events, buffer.bytes)
assert buffer._taken == 64 * 40 + 1_000 * 2
publisher.close()
"""


@pytest.mark.parametrize(
    "broken", [None, "last_in_first_out", "counts_without_a_lock"]
)
def test_64_threads_and_1000_tasks(url, broken):
    """
    The counts are exact, and in the journal the events of each have the
    order in which it published them.
    """
    with noticed(broken):
        run(CROWD, url, broken=broken, deadline=60 if broken is None else 40)

        check_order(url)


def check_order(url):
    journal = PostgresSink(url)
    try:
        size = journal.size(timeout=30)
        records = journal.read(0, size + 1)
    finally:
        journal.close()
    order = {}
    for record in records:
        producer, _, number = record.event.resource.id.partition("/")
        order.setdefault(producer, []).append(int(number))
    assert len(records) == 64 * 40 + 1_000 * 2
    assert len(order) == 64 + 1_000
    assert all(each == sorted(each) for each in order.values())

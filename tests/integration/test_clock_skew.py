"""
Hosts whose clocks are wrong, and one whose clock jumps.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from auditlog import AuditLogPublisher, InMemorySink, PostgresSink
from auditlog.event._uuid7 import UUID7Source
from tests.kafka_tools import make_event
from tests.postgres_tools import execute
from tests.seen_failing import asking, check


NOW = datetime.now(UTC)
CLOCKS = {
    "an hour late": [NOW - timedelta(hours=1)] * 4,
    "an hour early": [NOW + timedelta(hours=1)] * 4,
    "jumps back": [NOW, NOW, NOW - timedelta(days=1), NOW],
    "leap second": [NOW, NOW + timedelta(seconds=1), NOW, NOW],
    "1970": [datetime(1970, 1, 1, tzinfo=UTC)] * 4,
    "2100": [datetime(2100, 1, 1, tzinfo=UTC)] * 4,
}


class Host:
    """
    Makes events with a clock of its own.
    """

    def __init__(self, times):
        self._times = [*times]
        self._ids = UUID7Source(
            clock=lambda: int(self._times[0].timestamp() * 10**9)
        )

    def event(self):
        made = make_event(event_id=self._ids(), occurred_at=self._times[0])
        self._times.pop(0)
        return made


def server_time(url):
    ((now,),) = execute(url, "SELECT clock_timestamp()")
    return now


@pytest.mark.parametrize("times", CLOCKS.values(), ids=CLOCKS)
def test_wrong_clock_of_a_host_does_no_harm(database_url, times):
    """
    Its ids go up; its events are stored and relayed in the order of storing,
    among those of a host whose clock is right, and when they were recorded is
    told by the server's clock alone.
    """
    wrong, right = Host(times), Host([NOW] * 4)
    events = [host.event() for _ in range(4) for host in (wrong, right)]
    journal, target = PostgresSink(database_url), InMemorySink()
    journal.size()
    before = server_time(database_url)

    with AuditLogPublisher(journal, relays={"target": target}) as publisher:
        for event in events:
            publisher.publish(event)
        publisher.wait_delivered(20)
        found = journal.read(0, 99)

    own = [event.event_id for event in events[::2]]
    assert sorted(set(own)) == own
    assert [*range(1, 9)] == [record.index for record in found]
    ids = [event.event_id for event in events]
    assert ids == [record.event_id for record in found]
    assert ids == [record.event_id for record in target.records]
    assert events == [record.event for record in found]
    recorded = [record.recorded_at for record in found]
    assert [before, *recorded] == sorted([before, *recorded])
    assert recorded[-1] <= server_time(database_url)


def goes_by_ids(patch):
    """
    The order is that of the ids.
    """
    asking(
        patch, "number", lambda sql: sql.replace("ORDER BY seq", "ORDER BY id")
    )


def believes_the_host(patch):
    """
    An event was recorded when it says that it occurred.
    """
    asking(
        patch,
        "insert_one",
        lambda sql: sql.replace("(id,", "(recorded_at, id,").replace(
            "given.*", "given.column2, given.*"
        ),
    )


@pytest.mark.parametrize("variant", [goes_by_ids, believes_the_host])
def test_variant_is_noticed(request, variant):
    """
    Whoever believes the clocks of hosts gets another order or other times.
    """
    times = {"times": CLOCKS["1970"]}
    check(request, test_wrong_clock_of_a_host_does_no_harm, variant, times)

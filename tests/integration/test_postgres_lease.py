"""
Leases in PostgreSQL, beyond what the contract of journals holds.
"""

from __future__ import annotations

import time

import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import LeaseLostError, SinkUnavailableError
from auditlog.postgres import PostgresSink
from tests.postgres_tools import execute, in_thread, make_records, opened


@pytest.fixture
def sink(database_url):
    sink = PostgresSink(database_url)
    sink.write(make_records(9))
    sink.read(0, 1)
    yield sink
    sink.close()


def test_frozen_holder_is_replaced_and_fenced(sink, database_url):
    """
    A second process takes over once the time is up; the first one's late
    advance moves nothing, not even back to where it was.
    """
    brief = PostgresSink(database_url, lease_ttl=0.3)
    frozen = brief.lease("kafka")
    frozen.advance(2)
    assert sink.lease("kafka") is None

    time.sleep(0.35)
    holder = sink.lease("kafka")
    assert holder.position == 2
    holder.advance(7)
    with pytest.raises(LeaseLostError, match="'kafka'"):
        frozen.advance(9)
    with pytest.raises(LeaseLostError):
        frozen.advance(3)

    assert sink.position("kafka") == 7
    brief.close()


def test_lease_that_is_renewed_is_not_taken(sink, database_url):
    """
    Renewing goes on from now, by the server's clock.
    """
    brief = PostgresSink(database_url, lease_ttl=0.4)
    lease = brief.lease("kafka")
    for _ in range(4):
        time.sleep(0.15)
        lease.renew()

        assert sink.lease("kafka") is None
    brief.close()


def test_position_never_goes_back(sink):
    """
    Not even for its holder.
    """
    lease = sink.lease("kafka")
    lease.advance(5)

    with pytest.raises(LeaseLostError):
        lease.advance(4)

    assert sink.position("kafka") == 5


def test_one_of_many_gets_it(sink, database_url):
    """
    Eight that ask at the same moment.
    """
    sinks = [PostgresSink(database_url) for _ in range(8)]
    joins = [in_thread(lambda s=each: s.lease("kafka")) for each in sinks]

    leases = [lease for join in joins if (lease := join())]

    assert len(leases) == 1
    for each in sinks:
        each.close()


def test_dead_letters_are_kept_whole(sink, database_url):
    """
    With reason, bytes and index, in the step that moves the position.
    """
    records = sink.read(0, 9)
    lease = sink.lease("kafka")

    lease.advance(
        3,
        [
            DeadLetter(record=records[0], reason="too large", attempts=2),
            DeadLetter(record=records[2], reason="no"),
        ],
    )

    rows = execute(
        database_url,
        "SELECT relay, idx, event_id, reason, attempts, body "
        "FROM audit.dead_letter ORDER BY idx",
    )
    assert rows == [
        ("kafka", 1, records[0].event_id, "too large", 2, records[0].body),
        ("kafka", 3, records[2].event_id, "no", 1, records[2].body),
    ]


def test_dead_letter_of_a_lost_lease_is_not_kept(sink, database_url):
    """
    Neither position nor dead letter, or both.
    """
    lease = sink.lease("kafka")
    lease.release()
    assert sink.lease("kafka") is not None
    letter = DeadLetter(record=sink.read(0, 1)[0], reason="no")

    with pytest.raises(LeaseLostError):
        lease.advance(1, [letter])

    assert execute(database_url, "SELECT * FROM audit.dead_letter") == []


def test_dead_letter_that_fails_again_is_kept_once(sink, database_url):
    """
    With all its attempts and the last reason.
    """
    lease = sink.lease("kafka")
    record = sink.read(0, 1)[0]
    for reason in ("first", "second"):
        lease.advance(1, [DeadLetter(record=record, reason=reason)])

    rows = execute(
        database_url, "SELECT reason, attempts FROM audit.dead_letter"
    )
    assert rows == [("second", 2)]


def test_holder_can_be_looked_up(sink, database_url):
    """
    For the one who wonders which process relays.
    """
    lease = sink.lease("kafka")
    ((holder, open_),) = execute(
        database_url, "SELECT holder, expires_at > now() FROM audit.delivery"
    )
    lease.release()

    assert holder.partition("/")[2].isdigit()
    assert open_
    assert execute(database_url, "SELECT holder FROM audit.delivery") == [
        (None,)
    ]


def test_row_that_somebody_locks_delays_for_a_second_at_most(
    sink, database_url
):
    """
    A forgotten transaction of an administrator is no reason to hang.
    """
    lease = sink.lease("kafka")
    with (
        opened(database_url, "SELECT * FROM audit.delivery FOR UPDATE"),
        pytest.raises(
            SinkUnavailableError,
            match=r"can't advance the lease of relay 'kafka'.*55P03",
        ),
    ):
        lease.advance(1)

    lease.advance(1)
    assert sink.position("kafka") == 1

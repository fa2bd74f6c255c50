"""
A spool in the place of a real database that is away.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import subprocess
import sys
import textwrap
import threading

import attrs
import pytest

from auditlog import (
    AuditLogConfig,
    AuditLogPublisher,
    InMemorySink,
    PostgresReader,
    PostgresSink,
    SpoolSink,
)
from auditlog.fallback import Fallback
from auditlog.postgres import init_schema
from auditlog.testing.services import TCPProxy
from tests.cli_tools import invoke
from tests.postgres_tools import execute
from tests.unit.test_publisher import make_event


@pytest.fixture(autouse=True)
def tables(database_url):
    init_schema(database_url)


@pytest.fixture
def make_publisher(proxied_database_url, tmp_path):
    made = []

    def make(**options):
        publisher = AuditLogPublisher(
            PostgresSink(proxied_database_url),
            fallback=SpoolSink(tmp_path / "spool"),
            fallback_after=0.5,
            **options,
        )
        made.append(publisher)
        return publisher

    yield make
    for publisher in made:
        publisher.close(timeout=5)


QUERY = "SELECT split_part(resource, '/', 2) FROM audit.event ORDER BY seq"


def refuse(proxy):
    """
    Let the database be away: no connection goes on, and none begins.
    """
    proxy.refuse()
    proxy.cut()


def in_table(url):
    """
    What each event says of its writer and its number, in stored order.
    """
    rows = execute(url, QUERY)
    return [tuple(map(int, row[0].split("-"))) for row in rows]


def numbers(url, writer=0):
    return [number for who, number in in_table(url) if who == writer]


def publish_numbers(publisher, writer, count):
    for number in range(count):
        publisher.publish(make_event(f"{writer}-{number}"), timeout=20)


def flap(publisher, proxy, chance):
    """
    Four threads publish while the database comes and goes.
    """
    threads = [
        threading.Thread(target=publish_numbers, args=(publisher, n, 100))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        refuse(proxy)
        threads[0].join(chance.uniform(0, 0.1))
        proxy.restore()
        publisher.hurry()
        threads[0].join(chance.uniform(0, 0.1))
    publisher.hurry()
    publisher.wait_delivered(30)


def test_flapping_database(make_publisher, database_proxy, database_url):
    """
    Each thread's events are in the table once, in its order.
    """
    seed = random.randrange(10**6)
    print(f"seed {seed}")

    flap(make_publisher(), database_proxy, random.Random(seed))

    for writer in range(4):
        assert list(range(100)) == numbers(database_url, writer)


def test_flapping_database_without_the_rule(
    make_publisher, database_proxy, database_url, monkeypatch
):
    """
    Were new events not to wait behind those in the spool, order would go.
    """
    monkeypatch.setattr(Fallback, "_holds", lambda _: False)

    flap(make_publisher(), database_proxy, random.Random(1))

    found = [numbers(database_url, writer) for writer in range(4)]
    assert [list(range(100))] * 4 == [sorted(each) for each in found]
    assert [list(range(100))] * 4 != found


@pytest.mark.parametrize(
    "fault", [refuse, TCPProxy.black_hole, TCPProxy.stall]
)
def test_receipts_and_bytes(
    make_publisher, database_proxy, database_url, fault
):
    """
    The receipt says where an event is; the table gets it as it was made.
    """
    publisher = make_publisher()
    first = publisher.publish(make_event("0-0"))

    fault(database_proxy)
    events = [make_event(f"0-{number}") for number in range(1, 4)]
    receipts = [publisher.publish(event) for event in events]
    kept = publisher._fallback.journal.read(0, 10)
    database_proxy.restore()
    database_proxy.cut()
    publisher.hurry()
    publisher.wait_delivered(60)
    last = publisher.publish(make_event("0-4"))

    assert {"PostgresSink"} == {first.sink, last.sink}
    assert {"SpoolSink"} == {receipt.sink for receipt in receipts}
    assert [0, 1, 2, 3, 4] == numbers(database_url)
    stored = {r.event_id: r.body for r in PostgresReader(database_url)}
    for record in kept:
        assert record.body == stored[record.event_id]


def test_database_that_is_away_at_the_start(
    make_publisher, database_proxy, database_url
):
    """
    The application starts and publishes; relays carry on what comes later.
    """
    refuse(database_proxy)
    topic = InMemorySink()
    publisher = make_publisher(relays={"topic": topic})

    receipt = publisher.publish(make_event("0-0"))
    database_proxy.restore()
    publisher.hurry()
    publisher.wait_delivered(60)

    assert "SpoolSink" == receipt.sink
    assert [0] == numbers(database_url)
    assert ["0-0"] == [event.resource.id for event in topic.events]


def test_from_config(proxied_database_url, database_proxy, tmp_path):
    """
    A database and a spool together are a sink and its fallback.
    """
    config = AuditLogConfig.from_env(
        {
            "AUDITLOG_DATABASE_URL": proxied_database_url,
            "AUDITLOG_SPOOL_PATH": str(tmp_path / "spool"),
        }
    )
    with AuditLogPublisher.from_config(config) as publisher:
        refuse(database_proxy)
        away = publisher.publish(make_event("0-0"))
        database_proxy.restore()
        publisher.hurry()
        publisher.wait_delivered(60)
        back = publisher.publish(make_event("0-1"))

    assert ["SpoolSink", "PostgresSink"] == [away.sink, back.sink]


def publish_in_child(publisher, result):
    result.put(publisher.publish(make_event("1-0"), timeout=20).sink)
    publisher.close()


def test_fork_while_the_database_is_away(
    make_publisher, database_proxy, database_url
):
    """
    The child has a folder of its own; both bring all of theirs.
    """
    publisher = make_publisher()
    refuse(database_proxy)
    publisher.publish(make_event("0-0"))
    context = multiprocessing.get_context("fork")
    result = context.SimpleQueue()
    child = context.Process(target=publish_in_child, args=(publisher, result))

    child.start()
    child.join(30)
    publisher.publish(make_event("0-1"))
    database_proxy.restore()
    publisher.close()
    with make_publisher() as after:  # takes over what the child has left
        after.wait_delivered(60)

    assert "SpoolSink" == result.get()
    assert [0, 1] == numbers(database_url, 0)
    assert [0] == numbers(database_url, 1)


WRITER = textwrap.dedent(
    """
    import hashlib, os, sys
    from auditlog import (
        AuditEvent, AuditLogPublisher, PostgresSink, Resource, SpoolSink,
    )

    url, folder, path, writer = sys.argv[1:]
    acknowledged = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    publisher = AuditLogPublisher(
        PostgresSink(url), fallback=SpoolSink(folder), fallback_after=0.5
    )
    print("ready", flush=True)
    for number in range(10**9):
        event = AuditEvent(
            event_type="App.Order.Place",
            resource=Resource(type="order", id=f"{writer}-{number}"),
        )
        publisher.publish(event, timeout=60)
        os.write(acknowledged, f"{event.event_id}\\n".encode())
        os.fsync(acknowledged)
    """
)


def test_killed_while_the_database_comes_and_goes(
    make_publisher,
    proxied_database_url,
    database_proxy,
    database_url,
    tmp_path,
):
    """
    All that was acknowledged is in the table, once, in each writer's order.
    """
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for writer in range(6):
        arguments = (
            proxied_database_url,
            tmp_path / "spool",
            tmp_path / f"{writer}",
            writer,
        )
        command = [sys.executable, "-c", WRITER, *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n"
            for _ in range(3):
                threading.Event().wait(chance.uniform(0, 0.2))
                refuse(database_proxy)
                threading.Event().wait(chance.uniform(0, 0.2))
                if chance.random() < 0.5:
                    database_proxy.restore()
            process.send_signal(signal.SIGKILL)
        database_proxy.restore()

    publisher = make_publisher()
    publisher.hurry()
    publisher.wait_delivered(60)

    stored = {str(r.event_id) for r in PostgresReader(database_url)}
    lines = [
        line
        for writer in range(6)
        for line in (tmp_path / f"{writer}").read_text().splitlines()
        if len(line) == 36
    ]
    assert len(lines) > 50
    assert not set(lines) - stored
    for writer in range(6):
        found = numbers(database_url, writer)
        assert list(range(len(found))) == found


def test_dead_letters_and_status_of_a_fallback(
    proxied_database_url, database_proxy, tmp_path
):
    """
    The command line looks at both: the table, and what is kept for it.
    """
    variables = {
        "AUDITLOG_DATABASE_URL": proxied_database_url,
        "AUDITLOG_SPOOL_PATH": str(tmp_path / "spool"),
    }
    config = AuditLogConfig.from_env(variables)
    first, other = make_event("0-0"), make_event("0-1")
    with AuditLogPublisher.from_config(config) as publisher:
        publisher.publish(first)
        refuse(database_proxy)
        publisher.publish(attrs.evolve(other, event_id=first.event_id))
        database_proxy.restore()
        publisher.hurry()
        publisher.wait_delivered(60)

    listed = json.loads(
        invoke("dead-letters", "list", "--json", **variables).stdout
    )
    status = json.loads(invoke("status", "--json", **variables).stdout)
    retried = invoke("dead-letters", "retry", **variables)

    (letter,) = listed
    assert ("fallback", str(first.event_id)) == (
        letter["relay"],
        letter["event_id"],
    )
    table, spool = status["journals"]
    assert [] == table["relays"]
    assert ["fallback"] == [each["relay"] for each in spool["relays"]]
    assert 1 == spool["relays"][0]["dead_letters"]
    assert "1 refused" in retried.stdout + retried.stderr

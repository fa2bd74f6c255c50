"""
KafkaSink and KafkaReader while brokers and networks fail.
"""

from __future__ import annotations

import http.server
import logging
import re
import subprocess
import sys
import textwrap
import threading
import time

from collections.abc import Sequence

import attrs
import pytest

from auditlog.errors import (
    PartialWriteError,
    ReadError,
    SinkError,
    SinkTimeoutError,
    SinkUnavailableError,
)
from auditlog.kafka import KafkaReader, KafkaSink
from auditlog.kafka.errors import OverdueError
from auditlog.testing.contracts import make_record
from auditlog.testing.services import KafkaServer, TCPProxy, free_port
from tests.fix_services import running
from tests.kafka_tools import (
    bulky,
    cluster_at,
    consume,
    create,
    records,
    wait_until_quiet,
)


@pytest.fixture(scope="module")
def own_server():
    """
    A broker that may be killed and frozen, ready for a proxy.
    """
    with running(lambda: KafkaServer(advertised_port=free_port())) as server:
        yield server


@pytest.fixture
def broker(own_server):
    """
    The same, on its feet again after each test.
    """
    yield own_server
    if own_server.running:
        own_server.resume()
    else:
        own_server.restart()


@pytest.fixture
def proxy(own_server):
    """
    What stands between, for all that came through it.
    """
    with TCPProxy(
        "127.0.0.1",
        own_server.upstream_port,
        listen_port=own_server.advertised_port,
    ) as proxy:
        yield proxy


@pytest.fixture
def make_sink(topic):
    sinks = []

    def make(address, **settings):
        sinks.append(KafkaSink(cluster_at(address), topic, **settings))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()
    assert wait_until_quiet() == []


def see_through(sink, batch):
    """
    What the engine does: again and again until all is stored.
    """
    failures = []
    while batch:
        try:
            sink.write(batch)
        except PartialWriteError as exc:
            stored = set(exc.stored)
            batch = [r for r in batch if r.event_id not in stored]
            failures.append(exc)
        except SinkError as exc:
            failures.append(exc)
        else:
            break
    return failures


def first_appearances(address, topic):
    return list(dict.fromkeys(m.value for m in consume(address, topic)))


# Brokers


def test_broker_that_is_away_at_first_is_used_when_it_comes(make_sink, topic):
    """
    The sink is built, fails with the true reason, and needs nothing but the
    broker to go on.
    """
    with running(KafkaServer) as server:
        server.kill()
        sink = make_sink(server.bootstrap_servers)
        record = make_record()
        for _ in range(2):
            with pytest.raises(SinkUnavailableError) as caught:
                sink.write([record])

        server.restart()
        sink.write([record])

        assert str(caught.value) == (
            f"Unreachable. {server.bootstrap_servers} refuses connections; "
            "start the broker, or correct host and port"
        )
        assert [record.body] == first_appearances(
            server.bootstrap_servers, topic
        )


def test_broker_killed_and_restarted_loses_nothing(make_sink, broker, topic):
    """
    Everything that was acknowledged is there, in order, and what was not is
    stored once the broker is back.
    """
    sink = make_sink(broker.bootstrap_servers, delivery_timeout=3.0)
    batches = [records(100, first=first) for first in range(1, 2001, 100)]
    failures = []

    def write():
        for number, batch in enumerate(batches):
            if number == 5:
                threading.Thread(target=fail).start()
            failures.extend(see_through(sink, batch))

    def fail():
        broker.kill()
        broker.restart()

    write()

    sent = [record.body for batch in batches for record in batch]
    assert sent == first_appearances(broker.bootstrap_servers, topic)
    assert {type(each) for each in failures} <= {
        SinkUnavailableError,
        SinkTimeoutError,
        PartialWriteError,
    }


def test_frozen_broker_is_told_and_then_used(make_sink, broker, topic):
    """
    Connections stay open and nothing answers: our own deadline ends it.
    """
    sink = make_sink(broker.bootstrap_servers, delivery_timeout=1.0)
    first, second = records(2)
    sink.write([first])
    broker.pause()

    with pytest.raises(SinkUnavailableError, match="but does not answer"):
        sink.write([second])
    broker.resume()
    see_through(sink, [second])

    assert [first.body, second.body] == first_appearances(
        broker.bootstrap_servers, topic
    )


def test_frozen_broker_costs_next_to_no_time(broker, topic):
    """
    A request that is overdue keeps no core busy until the sink gives up.
    """
    cluster = attrs.evolve(
        cluster_at(broker.bootstrap_servers),
        properties="request.timeout.ms=500",
    )
    sink = KafkaSink(cluster, topic, delivery_timeout=2.0)
    sink.write(records(1))
    broker.pause()
    began = time.process_time()

    with pytest.raises(SinkError):
        sink.write(records(100, first=2))

    assert time.process_time() - began < 0.5
    broker.resume()
    sink.close()


def test_broker_that_dies_does_not_fill_the_log(make_sink, broker, caplog):
    """
    kafka-python says the same several times a second; each line passes once.
    """
    sink = make_sink(broker.bootstrap_servers, delivery_timeout=1.0)
    sink.write([make_record()])
    broker.kill()

    for _ in range(5):
        with pytest.raises(SinkError):
            sink.write([make_record()])

    lines = [
        (each.name, each.msg)
        for each in caplog.records
        if each.name.startswith("kafka") and each.levelno >= logging.WARNING
    ]
    assert len(lines) == len(set(lines)) < 10


def test_sink_of_a_dead_broker_closes(make_sink, broker):
    """
    There is nothing to drain, and no thread stays.
    """
    sink = make_sink(broker.bootstrap_servers)
    sink.write([make_record()])
    broker.kill()

    sink.close()

    assert wait_until_quiet() == []


def test_process_ends_while_the_broker_is_frozen(broker, topic):
    """
    An open sink holds nobody up at exit.
    """
    script = textwrap.dedent(
        f"""
        import os, signal
        from auditlog.config import ClusterConfig
        from auditlog.kafka import KafkaSink
        from tests.kafka_tools import records

        cluster = ClusterConfig(
            id="prod", bootstrap_servers={broker.bootstrap_servers!r}
        )
        sink = KafkaSink(cluster, {topic!r})
        sink.write(records(10))
        os.kill({broker.pid}, signal.SIGSTOP)
        """
    )

    subprocess.run([sys.executable, "-c", script], check=True, timeout=20)


def test_what_is_written_at_exit_is_stored(broker, topic):
    """
    kafka-python closes its producers at exit; we come before it.
    """
    script = textwrap.dedent(
        f"""
        from auditlog._engine.process import tell_at_exit
        from auditlog.config import ClusterConfig
        from auditlog.kafka import KafkaSink
        from tests.kafka_tools import records

        class Late:
            def at_exit(self, began):
                sink.write(records(2000, first=2))

        cluster = ClusterConfig(
            id="prod", bootstrap_servers={broker.bootstrap_servers!r}
        )
        sink = KafkaSink(cluster, {topic!r})
        late = Late()
        tell_at_exit(late)
        sink.write(records(1))
        """
    )

    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)

    assert len(first_appearances(broker.bootstrap_servers, topic)) == 2001


def test_too_few_replicas_blame_no_event(make_sink, topic):
    """
    NOT_ENOUGH_REPLICAS is told as it is.
    """
    port = free_port()
    with running(KafkaServer) as first:
        second_config = {
            "process.roles": "broker",
            "node.id": "2",
            "listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.quorum.voters": (
                f"1@127.0.0.1:{first._controller_port}"
            ),
        }
        with running(
            lambda: KafkaServer(port=port, config=second_config)
        ) as second:
            create(
                first.bootstrap_servers,
                topic,
                replicas=2,
                min_insync_replicas=2,
            )
            sink = make_sink(
                f"{first.bootstrap_servers},{second.bootstrap_servers}",
                delivery_timeout=6.0,
            )
            sink.write([one := make_record()])
            second.kill()

            reasons = []
            while "in sync" not in "".join(reasons):
                with pytest.raises(SinkUnavailableError) as caught:
                    sink.write([one])
                reasons.append(str(caught.value))

            assert reasons[-1] == (
                f"Unreachable. Topic {topic!r} has 1 replicas in sync and "
                "needs 2 (min.insync.replicas); start the brokers that are "
                "away"
            )


# Networks


def test_acknowledgement_that_is_lost_means_once_more(
    make_sink, broker, proxy, topic
):
    """
    Stored, but not known to be: it comes again with the same bytes.
    """
    sink = make_sink(proxy.address, delivery_timeout=1.0)
    sink.write(records(1))
    batch = records(20, first=2)
    proxy.stall("down")

    with pytest.raises(SinkUnavailableError):
        sink.write(batch)
    proxy.cut()
    proxy.restore()
    sink.write(batch)

    found = consume(broker.bootstrap_servers, topic)
    assert len(found) == 41
    assert [r.body for r in batch] == first_appearances(
        broker.bootstrap_servers, topic
    )[1:]


def test_connection_that_is_cut_is_no_failure(make_sink, proxy, topic, broker):
    """
    The producer connects again, and stores nothing twice.
    """
    sink = make_sink(proxy.address)
    sink.write(records(1))
    batches = [records(200, first=first) for first in range(2, 2002, 200)]

    for batch in batches:
        threading.Timer(0.01, proxy.cut).start()
        assert see_through(sink, batch) == []

    sent = [r.event_id.bytes for batch in batches for r in batch]
    found = consume(broker.bootstrap_servers, topic)
    assert len(found) == len(sent) + 1


def test_producer_without_an_id_ends_at_our_deadline(make_sink, proxy):
    """
    kafka-python enforces none before InitProducerId was answered.
    """
    sink = make_sink(proxy.address, delivery_timeout=1.0)
    asked = proxy.watch(INIT_PRODUCER_ID, lambda: proxy.stall("down"))

    with pytest.raises(SinkUnavailableError, match="not answer") as caught:
        sink.write([make_record()])

    assert asked.is_set()
    assert isinstance(caught.value.__cause__, OverdueError)


# Number of the request and its version.
INIT_PRODUCER_ID = b"\x00\x16\x00\x04"


def test_slow_link_makes_progress(make_sink, proxy, broker, topic):
    """
    What was acknowledged within the time is not sent again, so that a batch
    too large for the time is stored all the same.
    """
    sink = make_sink(proxy.address, delivery_timeout=2.0)
    sink.write(records(1))
    batch = bulky(40, 40_000)
    proxy.throttle(400_000, "up")

    failures = see_through(sink, batch)

    assert failures
    assert all(isinstance(each, PartialWriteError) for each in failures)
    assert all(each.stored for each in failures)
    assert not any(each.failed for each in failures)
    assert {type(each.__cause__) for each in failures} == {SinkTimeoutError}
    assert [r.body for r in batch] == first_appearances(
        broker.bootstrap_servers, topic
    )[1:]


class Watched(Sequence):
    """
    Knows how far it was read.
    """

    def __init__(self, items):
        self.items = items
        self.read = 0

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return self.items[place]
        self.read = max(self.read, place + 1)
        return self.items[place]


def test_memory_is_bounded_while_nothing_is_acknowledged(make_sink, proxy):
    """
    kafka-python takes 200,000 records for a dead broker without a word.
    """
    sink = make_sink(proxy.address, delivery_timeout=1.0)
    one = make_record()
    sink.write([one])
    proxy.stall()
    many = Watched([one] * 50_000)

    with pytest.raises(SinkUnavailableError):
        sink.write(many)

    assert many.read <= 2_001


# Reasons


def test_web_server_is_no_broker(make_sink):
    """
    The wrong port is a common mistake.
    """
    server = http.server.HTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(SinkUnavailableError, match="Unreachable"):
            make_sink(f"127.0.0.1:{server.server_port}").write([make_record()])
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("no-such-host.invalid:9092", "has no address (DNS: "),
        ("two..dots:9092", "has no address (DNS: not a name)"),
        ("127.0.0.1:1", "refuses connections"),
        ("127.0.0.1:1,localhost:2", "localhost:2 refuses connections"),
    ],
)
def test_address_that_leads_nowhere_is_named(make_sink, address, reason):
    """
    Each of several, with what is wrong with it.
    """
    sink = make_sink(address)

    with pytest.raises(SinkUnavailableError, match=re.escape(reason)):
        sink.write([make_record()])
    with pytest.raises(SinkUnavailableError, match=re.escape(reason)):
        sink.last_index()
    with pytest.raises(ReadError, match=re.escape(reason)):
        list(KafkaReader(cluster_at(address), "t"))


def test_address_that_the_broker_advertises_is_checked(make_sink, broker):
    """
    It answers, but sends its clients to where nothing is.
    """
    sink = make_sink(f"127.0.0.1:{broker.upstream_port}")

    with pytest.raises(
        SinkUnavailableError,
        match=rf"says that the brokers are at 127\.0\.0\.1:"
        rf"{broker.advertised_port}: .* see the brokers' advertised",
    ):
        sink.write([make_record()])


# Reading


def test_reader_gives_up_on_a_broker_that_stalls(
    make_sink, broker, proxy, topic
):
    """
    With the true reason, and not never.
    """
    sink = make_sink(broker.bootstrap_servers)
    sink.write(bulky(200, 20_000))
    sink.close()
    reader = KafkaReader(cluster_at(proxy.address), topic, idle_timeout=2.0)
    events = iter(reader)
    next(events)
    proxy.stall()

    with pytest.raises(ReadError, match=r"gave up .* does not answer"):
        list(events)
    assert wait_until_quiet() == []


def test_reader_survives_a_cut_connection(make_sink, broker, proxy, topic):
    """
    It connects again and goes on where it was.
    """
    sent = bulky(300, 20_000)
    make_sink(broker.bootstrap_servers).write(sent)
    events = iter(KafkaReader(cluster_at(proxy.address), topic))
    found = [next(events)]

    proxy.cut()
    found += events

    assert [r.body for r in sent] == [r.body for r in found]

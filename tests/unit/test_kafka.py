"""
What of the Kafka backend needs no broker.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import socket
import subprocess
import sys
import textwrap
import threading

import attrs
import kafka.errors
import pytest

from auditlog.config import ClusterConfig
from auditlog.errors import (
    EventRefusedError,
    SinkError,
    SinkSetupError,
    SinkTimeoutError,
    SinkUnavailableError,
)
from auditlog.kafka import KafkaReader, KafkaSink, errors, quiet, spans, topics
from auditlog.kafka.driver import TopicState
from auditlog.kafka.driver._producer import _Partitioner
from auditlog.kafka.errors import UnreachableError
from auditlog.kafka.probe import check_reachable
from auditlog.kafka.sink import MAX_BYTES, MAX_RECORDS, _bounded
from auditlog.testing.contracts import make_record


def run(script):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_no_driver():
    """
    The class can be imported everywhere; kafka-python comes with the object.
    """
    run("""
        import sys
        from auditlog.config import ClusterConfig
        from auditlog.kafka import KafkaReader, KafkaSink
        assert "kafka" not in sys.modules

        cluster = ClusterConfig(id="c", bootstrap_servers="127.0.0.1:1")
        KafkaSink(cluster, "t")
        assert "kafka" in sys.modules
    """)


@pytest.mark.parametrize("name", ["KafkaSink", "KafkaReader"])
def test_missing_driver_is_named_with_its_extra(name):
    """
    Chained to the cause.
    """
    said = run(f"""
        import sys
        sys.modules["kafka"] = None
        from auditlog.config import ClusterConfig
        from auditlog.errors import MissingExtraError
        from auditlog.kafka import {name}
        cluster = ClusterConfig(id="c", bootstrap_servers="127.0.0.1:1")
        try:
            {name}(cluster, "t")
        except MissingExtraError as exc:
            assert isinstance(exc.__cause__, ImportError)
            print(exc)
    """)

    assert said.strip() == (
        f'{name} needs an extra: pip install "auditlog-publisher[kafka]"'
    )


def test_loading_the_driver_warns_nobody():
    """
    An application that turns warnings into errors can still use it.
    """
    run("""
        import warnings
        warnings.simplefilter("error")
        from auditlog.config import ClusterConfig
        from auditlog.kafka import KafkaSink
        cluster = ClusterConfig(id="c", bootstrap_servers="127.0.0.1:1")
        KafkaSink(cluster, "t")
    """)


def test_building_connects_nowhere(unused_server):
    """
    A constructor never blocks, also not on a cluster that isn't there.
    """
    address, accepted = unused_server
    cluster = ClusterConfig(id="c", bootstrap_servers=address)

    sink = KafkaSink(cluster, "t")
    reader = KafkaReader(cluster, "t")
    events = reader.read()
    sink.close()

    assert accepted == []
    assert repr(sink) == "<KafkaSink 't' on 'c' connected=False>"
    assert events.reader is reader


@pytest.fixture
def unused_server():
    """
    An address and, in a list, who connected to it.
    """
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            with contextlib.suppress(OSError):
                accepted.append(server.accept())

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", accepted
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


# Errors


def driver_errors():
    found = {each for _, each in inspect.getmembers(kafka.errors, _is_error)}
    return sorted(found, key=lambda each: each.__name__)


def _is_error(thing):
    return (
        inspect.isclass(thing)
        and issubclass(thing, Exception)
        and thing is not kafka.errors.NoError
    )


@pytest.mark.parametrize("error", driver_errors(), ids=lambda e: e.__name__)
def test_every_error_of_the_driver_has_a_meaning(error):
    """
    None blames an event but the three that can; none quotes the driver.
    """
    needs = error is kafka.errors.LogTruncationError
    raised = error({}) if needs else error("canary")

    meant = errors.sink_error(raised, cluster="prod", topic="audit")

    assert isinstance(meant, SinkError)
    assert not isinstance(meant, EventRefusedError)
    assert type(meant) in {SinkSetupError, SinkUnavailableError}
    assert "canary" not in str(meant)
    kind, _, detail = str(meant).partition(". ")
    assert kind in {
        "Not authorized",
        "Not authenticated",
        "Unreachable",
        "Wrong set-up",
    }
    assert detail
    if getattr(raised, "retriable", False):
        assert type(meant) is SinkUnavailableError


def test_tables_name_errors_that_exist():
    """
    A misspelt name would never match.
    """
    names = {each.__name__ for each in driver_errors()}

    assert names >= errors.SETUP.keys() | errors.EVENT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.OverdueError(), SinkTimeoutError),
        (errors.TopicGoneError(), SinkUnavailableError),
        (errors.UnreachableError("why"), SinkUnavailableError),
        (OSError("why"), SinkUnavailableError),
    ],
)
def test_our_own_reasons_have_a_meaning(error, kind):
    """
    All of them may pass.
    """
    meant = errors.sink_error(error, cluster="prod", topic="audit")

    assert type(meant) is kind
    assert meant.retriable


# Batches


def test_large_batches_are_cut():
    """
    By number and by size, in order, and never into nothing.
    """
    record = make_record()
    many = [record] * (MAX_RECORDS * 2 + 1)

    assert [len(b) for b in _bounded(many)] == [MAX_RECORDS, MAX_RECORDS, 1]
    assert list(_bounded([])) == []
    assert [len(b) for b in _bounded([record] * MAX_RECORDS)] == [MAX_RECORDS]


def test_heavy_batches_are_cut(monkeypatch):
    """
    One that is too heavy alone goes alone.
    """
    size = len(make_record().body)
    monkeypatch.setattr("auditlog.kafka.sink.MAX_BYTES", size * 3)
    assert size * 3 < MAX_BYTES
    batch = [make_record() for _ in range(7)]
    heavy = make_record(metadata={"x": "x" * size * 4})

    cut = list(_bounded([*batch, heavy, batch[0]]))

    assert [r for part in cut for r in part] == [*batch, heavy, batch[0]]
    assert [len(part) for part in cut] == [3, 3, 1, 1, 1]


class Partitions:
    def __init__(self, count):
        self.count = count

    def partitions_for_topic(self, _):
        return set(range(self.count))

    def available_partitions_for_topic(self, _):
        return set(range(self.count))

    def topics(self):
        return {"t"}


@pytest.mark.parametrize("count", [1, 2, 7])
def test_partitions_are_those_of_the_java_client(count):
    """
    Also for keys too long to be remembered, and for no key at all.
    """
    ours = _Partitioner()
    theirs = kafka.partitioner.default.DefaultPartitioner()
    cluster = Partitions(count)
    keys = [b"", b"a", b"orders", b"\xff" * 511, b"x" * 513, b"y" * 70_000]

    for key in keys * 2:
        expected = theirs.partition("t", key, key, b"", b"", cluster)
        assert ours.partition("t", key, key, b"", b"", cluster) == expected
    assert ours.partition("t", None, None, b"", b"", cluster) in range(count)


# Spans


@attrs.frozen
class Message:
    partition: int
    offset: int
    timestamp: int


class ConsumerOf:
    """
    Gives ten records of each partition at a time, unless it is paused.
    """

    def __init__(self, partitions):
        self.partitions = partitions
        self.positions = {}
        self.paused = set()
        self.most = 0

    def seek(self, starts):
        self.positions = dict(starts)

    def poll(self, _):
        found = {}
        for number in self.positions.keys() - self.paused:
            start = self.positions[number]
            batch = self.partitions[number][start : start + 10]
            self.positions[number] += len(batch)
            if batch:
                found[number] = batch
        return found

    def position(self, number):
        return self.positions[number]

    def pause(self, number):
        self.paused.add(number)

    def resume(self, number):
        self.paused.remove(number)


def test_partition_that_is_ahead_waits(monkeypatch):
    """
    Memory is bounded, whichever partition is read first and however long.
    """
    monkeypatch.setattr(spans, "_AHEAD", 20)
    early = [Message(0, n, n) for n in range(500)]
    late = [Message(1, n, 1000 + n) for n in range(500)]
    consumer = ConsumerOf({0: early, 1: late})
    whole = [spans.Span(number, 0, 500) for number in (0, 1)]
    ahead = []

    found = []
    for message in spans.read_spans(consumer, whole):
        found.append(message)
        if message.partition == 0:
            ahead.append(consumer.positions[1])

    assert found == early + late
    assert max(ahead) <= 40


def test_partition_that_became_shorter_is_an_error():
    """
    There is nothing to catch up with: the topic is another one.
    """

    class Shorter(ConsumerOf):
        def poll(self, _):
            raise kafka.errors.OffsetOutOfRangeError

        def begins(self, partitions):
            return dict.fromkeys(partitions, 0)

    consumer = Shorter({0: []})

    with pytest.raises(errors.TruncatedError):
        list(spans.read_spans(consumer, [spans.Span(0, 3, 5)]))


def test_broker_that_gives_nothing_is_given_up():
    """
    By a clock that only progress sets back.
    """
    consumer = ConsumerOf({0: []})

    with pytest.raises(errors.StalledError):
        list(spans.read_spans(consumer, [spans.Span(0, 0, 5)], idle=0.0))


# Topics


def state(**changes):
    fields = {
        "partitions": (0,),
        "replication_factor": 3,
        "in_sync": 3,
        "leaderless": (),
        "config": {"min.insync.replicas": "2"},
    }
    return TopicState(**{**fields, **changes})


@pytest.mark.parametrize(
    ("seen", "kind", "reason"),
    [
        (state(), None, None),
        (state(config={}), None, None),
        (None, SinkUnavailableError, "is not there any more"),
        (state(leaderless=(4,)), SinkUnavailableError, "4 .* has no leader"),
        (state(in_sync=1), SinkUnavailableError, "1 replicas in sync and"),
        (state(replication_factor=1), SinkSetupError, "never satisfy"),
    ],
)
def test_topic_tells_why_it_stores_nothing(seen, kind, reason):
    """
    As far as it may be seen.
    """
    found = topics.why_not_writable(seen, "audit")

    assert type(found) is (type(None) if kind is None else kind)
    if kind is not None:
        with pytest.raises(kind, match=reason):
            raise found


# Logs


@pytest.fixture
def log(caplog):
    """
    A logger as of kafka-python, with a filter of its own and a clock.
    """
    now = [0.0]
    logger = logging.getLogger("kafka.test")
    logger.setLevel(logging.DEBUG)
    seen = quiet.QuietFilter(30.0, clock=lambda: now[0])
    logger.addFilter(seen)
    yield logger, now, lambda: [r.getMessage() for r in caplog.records]
    logger.removeFilter(seen)


def test_same_line_passes_once_in_a_while(log):
    """
    By what is said, not by what is filled in.
    """
    logger, now, said = log
    with quiet.ours():
        for node in range(3):
            logger.warning("node %d is away", node)
        logger.error("another line")
        logger.info("info %d", 1)
        logger.info("info %d", 2)
        now[0] = 31.0
        logger.warning("node %d is away", 3)

    assert said() == [
        "node 0 is away",
        "another line",
        "info 1",
        "info 2",
        "node 3 is away",
    ]


def test_topic_that_is_about_to_be_created_is_no_error(log):
    """
    If it can't be, a line of ours says why.
    """
    logger, _, said = log
    line = "Topic %s not found in cluster metadata"
    with quiet.ours():
        logger.error(line, "audit")
    logger.error(line, "theirs")

    assert said() == ["Topic theirs not found in cluster metadata"]


def test_debug_passes_only_for_others(log):
    """
    What the application does with kafka-python itself logs as ever.
    """
    logger, _, said = log
    for _ in range(2):
        logger.debug("theirs")
        with quiet.ours(), quiet.ours():
            logger.debug("ours")
        logger.warning("theirs too")
    for name in ("auditlog-network-thread", "kafka-io-auditlog"):
        thread = threading.Thread(target=logger.debug, args=["x"], name=name)
        thread.start()
        thread.join()

    assert said() == ["theirs", "theirs too"] * 2


def test_discarded_producer_has_nothing_to_say(log):
    """
    It complains of being cut off.
    """
    logger, _, said = log
    thread = threading.Thread(
        target=logger.error, args=["fatal"], name=quiet.DISCARDED
    )
    thread.start()
    thread.join()

    assert said() == []


def test_lines_that_always_differ_are_forgotten():
    """
    The memory of what was said is bounded.
    """
    seen = quiet.QuietFilter()
    with quiet.ours():
        for number in range(5_000):
            record = logging.makeLogRecord(
                {"name": "kafka", "msg": str(number), "levelno": 40}
            )
            assert seen.filter(record)

    assert len(seen._said) <= 1_000


def test_slow_answer_has_one_limit():
    """
    A broker that sends a byte now and then does not hold anybody up.
    """
    end = threading.Event()

    def drip(listener):
        stream, _ = listener.accept()
        with stream, contextlib.suppress(OSError):
            for byte in (100).to_bytes(4) + bytes(100):
                stream.sendall(bytes([byte]))
                end.wait(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=[listener])
        thread.start()
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        client = ClusterConfig(id="prod", bootstrap_servers=server).client()
        with pytest.raises(UnreachableError, match="but does not answer"):
            check_reachable([server], client, lambda *_: None, 0.3)
        end.set()
        thread.join(20)

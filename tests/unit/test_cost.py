"""
What an event costs, in steps of the interpreter.

Steps are counted, not timed, so that a busy machine changes nothing: they are
the same to a few percent from run to run, and from Python 3.11 to 3.13 they
differ by an eighth. What is counted is the difference between many events and
half as many, by which what is done once drops out.
"""

import io
import sys
import threading
import tracemalloc

from functools import partial

import pytest

from auditlog import (
    Actor,
    AuditEvent,
    AuditLogPublisher,
    RequestContext,
    Resource,
    codec,
)
from auditlog._engine.worker import Worker
from auditlog.abc import Record
from auditlog.exporters import CSVExporter, JSONExporter, LinesExporter
from auditlog.kafka.records import Writer
from auditlog.postgres.columns import row


EVENTS = 50


def make_event():
    return AuditEvent(
        event_type="Kafka.Topic.Create",
        actor=Actor(id="alice", type="user", email="alice@example.com"),
        resource=Resource(
            type="topic",
            id="website-orders",
            parent=Resource(type="kafkacluster", id="production"),
        ),
        request=RequestContext(id="req-8f14e45f", source_ip="192.0.2.17"),
        correlation_id="import-2026-11-23",
        metadata={"name": "website-orders", "partitions": 3},
    )


def make_events(number):
    return [make_event() for _ in range(number)]


def make_records(number):
    return [
        Record(event_id=event.event_id, body=codec.encode(event))
        for event in make_events(number)
    ]


class Nowhere:
    """
    A sink that stores nothing, when it may.
    """

    def __init__(self, may=None):
        self.may = may

    def write(self, records, /):
        if self.may:
            self.may.wait(60)


def build(number):
    return partial(make_events, number)


def enqueue(number):
    events = make_events(number)
    publisher = AuditLogPublisher(Nowhere())

    def work():
        for event in events:
            publisher.enqueue(event)
        publisher.close()

    return work


def write(number):
    events = make_events(number)
    publisher = AuditLogPublisher(Nowhere())
    buffer = publisher._buffer
    worker = Worker(
        buffer,
        publisher.sink,
        place=lambda: buffer.sink,
        encode=codec.encode,
        name="x",
        batch_events=1,
        batch_bytes=1,
        after_write=lambda: None,
    )

    def work():
        for event in events:
            buffer.offer(event, weight=1, urgent=True)
            worker.drain(0.0)
        publisher.close()

    return work


def encode(number):
    events = make_events(number)
    return lambda: [codec.encode(event) for event in events]


def decode(number):
    bodies = [record.body for record in make_records(number)]
    return lambda: [codec.decode(body) for body in bodies]


def to_row(number):
    records = make_records(number)
    return lambda: [row(record) for record in records]


def to_message(number):
    records = make_records(number)
    write = Writer("resource").message
    return lambda: [write(record) for record in records]


def export(exporter, number):
    records = make_records(number)
    return lambda: exporter.export(records, io.BytesIO())


# How an event is used, and what it may cost: instructions and calls of C. A
# fifth more than what it took with Python 3.11; less is welcome, and then the
# number here goes down, too.
WORKS = {
    "build": (build, 1720, 35),
    "enqueue": (enqueue, 345, 11),
    "write of one": (write, 950, 26),
    "encode": (encode, 390, 12),
    "decode": (decode, 3000, 66),
    "row of PostgreSQL": (to_row, 95, 3),
    "message of Kafka": (to_message, 230, 11),
    "JSON Lines": (partial(export, JSONExporter()), 30, 2),
    "CSV": (partial(export, CSVExporter()), 960, 28),
    "OCSF": (partial(export, JSONExporter(profile="ocsf")), 5470, 116),
    "CEF": (partial(export, LinesExporter(profile="cef")), 8910, 462),
}


class Counter:
    """
    Counts what this thread does: instructions, and calls of C.
    """

    def __init__(self):
        self.instructions = 0
        self.calls = 0

    def trace(self, frame, event, arg):
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        self.instructions += event == "opcode"
        return self.trace

    def profile(self, frame, event, arg):
        self.calls += event == "c_call"


def count(make_work, number):
    """
    Instructions and calls of C for so many events, new ones each time.
    """
    make_work(number)()  # what is loaded at the first time does not count
    counter = Counter()
    traced, profiled = make_work(number), make_work(number)
    before = sys.gettrace(), sys.getprofile()
    try:
        # Python 3.12 looks at single instructions from the second time on.
        for work in (make_event, traced):
            counter.instructions = 0
            sys.settrace(counter.trace)
            work()
            sys.settrace(before[0])
        sys.setprofile(counter.profile)
        profiled()
    finally:
        sys.setprofile(before[1])
        sys.settrace(before[0])
    return counter.instructions, counter.calls


def per_event(make_work, number=EVENTS):
    """
    Instructions and calls of C for each event.
    """
    few, many = count(make_work, number), count(make_work, 2 * number)
    return tuple((b - a) / number for a, b in zip(few, many, strict=True))


@pytest.mark.parametrize(
    ("make_work", "instructions", "calls"), WORKS.values(), ids=WORKS
)
def test_an_event_costs_no_more_than_it_may(make_work, instructions, calls):
    """
    What is done with every event takes no more steps than it is known to.
    """
    found = per_event(make_work)

    assert found[0] <= instructions
    assert found[1] <= calls


@pytest.mark.parametrize("name", ["enqueue", "encode", "CSV"])
def test_work_that_is_done_twice_is_noticed(name):
    """
    What is allowed is less than twice what it takes, so that it means
    something.
    """
    make_work, instructions, calls = WORKS[name]

    def make_both(number):
        works = make_work(number), make_work(number)
        return lambda: [work() for work in works]

    found = per_event(make_both)

    assert found[0] > instructions
    assert found[1] > calls


@pytest.mark.parametrize("name", ["enqueue", "JSON Lines", "CSV"])
def test_an_event_costs_as_much_among_many_as_among_few(name):
    """
    Four times as many events cost four times as much, with a tenth to spare.
    """
    make_work, *_ = WORKS[name]

    few, many = per_event(make_work), per_event(make_work, 4 * EVENTS)

    assert many[0] <= 1.1 * few[0] + 10
    assert many[1] <= 1.1 * few[1] + 1


def test_enqueue_takes_a_part_of_what_opentelemetry_takes():
    """
    Handing over an event takes less than a third of the instructions that a
    log record of OpenTelemetry takes.
    """
    logs = pytest.importorskip(
        "opentelemetry.sdk._logs", reason="in group peers"
    )
    export = pytest.importorskip("opentelemetry.sdk._logs.export")
    provider = logs.LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(
        export.BatchLogRecordProcessor(
            export.InMemoryLogRecordExporter(), schedule_delay_millis=60_000
        )
    )
    emit = provider.get_logger("cost").emit
    attributes = {f"member.{number}": "a text" for number in range(16)}

    def make_work(number):
        return lambda: [
            emit(event_name="A.B", attributes=attributes)
            for _ in range(number)
        ]

    theirs, ours = per_event(make_work), per_event(enqueue)
    provider.shutdown()

    assert 3 * ours[0] < theirs[0]


def test_an_event_that_waits_takes_little_memory():
    """
    Behind a sink that hangs an event takes less than 500 bytes and itself.
    """
    number, may = 1_000, threading.Event()
    publisher = AuditLogPublisher(Nowhere(may))
    publisher.enqueue(make_event())  # the worker is there, and hangs
    events = make_events(number)
    tracemalloc.start()
    try:
        for event in events:
            publisher.enqueue(event)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        may.set()
        publisher.close()

    assert kept / number < 500


@pytest.mark.parametrize("exporter", [JSONExporter(), CSVExporter()])
def test_an_export_of_many_takes_the_memory_of_few(exporter, tmp_path):
    """
    Four times as many events need no more memory at once.
    """

    def peak(number):
        (record,) = make_records(1)
        records = (
            Record(event_id=record.event_id, body=record.body, index=index)
            for index in range(number)
        )
        tracemalloc.start()
        try:
            exporter.export(records, tmp_path / "events")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_000)  # what stays loaded

    assert peak(4_000) <= peak(1_000) + 64 * 1024

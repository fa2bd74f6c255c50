"""
What the children do: each the same, whenever it is done.

Outside, in files, they note what they are about to hand over, and what was
acknowledged, by id and digest.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import types

from contextlib import closing
from hashlib import sha256

import psycopg

from auditlog import (
    AuditEvent,
    AuditLogPublisher,
    KafkaSink,
    PostgresSink,
    Relay,
    Resource,
    SpoolSink,
    codec,
)
from auditlog.abc import Record
from auditlog.errors import EventRefusedError, SinkError
from auditlog.redrive import redrive
from tests.kafka_tools import cluster_at


# Events in one write of a relay.
BATCH = 10
# That of which nobody takes an event.
POISON = "poison"


def prepared(name, folder):
    """
    The workload of that name, with its notes.
    """
    return functools.partial(globals()[name], folder, Notes(folder))


class Notes:
    """
    What is known of events outside of what is tested.

    Without a sync: what a process has written survives its death.
    """

    def __init__(self, folder):
        self._fds = {
            name: os.open(
                folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND
            )
            for name in ("attempted", "acknowledged")
        }

    def attempted(self, records):
        self._note("attempted", records)

    def acknowledged(self, records):
        self._note("acknowledged", records)

    def _note(self, name, records):
        lines = "".join(f"{line(record)}\n" for record in records)
        os.write(self._fds[name], lines.encode())


def line(record):
    return f"{record.event_id} {sha256(record.body).hexdigest()}"


class FileSink:
    """
    A file with a line for each event, as often as it came.
    """

    def __init__(self, folder, *, healed=False):
        self._healed = healed
        self._fd = os.open(
            folder / "delivered", os.O_WRONLY | os.O_CREAT | os.O_APPEND
        )

    def write(self, records):
        self._refuse(records)
        self._note(records, "")

    def write_again(self, records):
        self._refuse(records)
        self._note(records, " again")

    def _refuse(self, records):
        for record in records:
            if not self._healed and POISON in record.event.resource.id:
                raise EventRefusedError("poison")

    def _note(self, records, mark):
        lines = (f"{line(record)}{mark}\n" for record in records)
        os.write(self._fd, "".join(lines).encode())


def make_event(name="1", size=0):
    return AuditEvent(
        event_type="App.Order.Place",
        resource=Resource(type="order", id=name),
        metadata={"noise": os.urandom(size // 2).hex()},
    )


def recorded(*events):
    return [
        Record(event_id=event.event_id, body=codec.encode(event))
        for event in events
    ]


def publish(publisher, notes, event):
    notes.attempted(recorded(event))
    publisher.publish(event, timeout=30)
    notes.acknowledged(recorded(event))


def write(sink, notes, count, *, size=0):
    """
    One batch, without the threads of a publisher, which divide at will.
    """
    records = recorded(*(make_event(size=size) for _ in range(count)))
    notes.attempted(records)
    sink.write(records)
    notes.acknowledged(records)


def ship(journal, sink):
    """
    Deliver all there is.
    """
    relay = Relay(journal, sink, name="target", batch_events=BATCH)
    relay.start()
    assert relay.stop(30)
    assert journal.position("target") == journal.size(timeout=30)


# The spool


def spool(folder, notes):
    """
    Store, begin files, close, open again, deliver, and delete files.
    """
    for _ in range(2):
        sink = open_spool(folder)
        with AuditLogPublisher(sink) as publisher:
            publish(publisher, notes, make_event())
            publish(publisher, notes, make_event(POISON))
    for _ in range(3):
        write(sink, notes, 6, size=1000)
    files = {path: path.read_bytes() for path in sink.folder.glob("*.log")}
    ship(sink, FileSink(folder))
    write(sink, notes, 1)
    ship(sink, FileSink(folder))
    sink.close()
    for path, data in files.items():  # as if it had died before it trimmed
        path.write_bytes(data)
    sink.forget("another")
    sink.close()


def open_spool(folder):
    return SpoolSink(folder / "spool", name="one", segment_bytes=4096)


def failing_spool(folder, notes):
    """
    The disk refuses a sync now and then; what was refused comes again.
    """
    sink = SpoolSink(folder / "spool", segment_bytes=4096)
    for _ in range(5):
        records = recorded(*(make_event(size=1000) for _ in range(5)))
        notes.attempted(records)
        stored = False
        while not stored:
            try:
                sink.write(records)
                stored = True
            except SinkError:
                continue
        notes.acknowledged(records)
    ship(sink, FileSink(folder))
    sink.close()


def recover_spool(folder, notes, **options):
    """
    Whoever comes next: deliver the rest, and tell what there was.
    """
    sink = SpoolSink(folder / "spool", segment_bytes=4096, **options)
    before = stored(sink)
    write(sink, notes, 1)
    ship(sink, FileSink(folder))
    letters = [str(e.record.event_id) for e in sink.dead_letters("target")]
    told = {"stored": before, "letters": letters, "lost": sink.lost}
    (folder / "told").write_text(json.dumps(told))
    sink.close()


def stored(journal):
    """
    What the journal gives, as lines behind their indexes.
    """
    found = []
    while page := journal.read(found[-1][0] if found else 0, 1000):
        found += [(each.index, line(each)) for each in page]
    return found


def leave(folder, notes):
    """
    Die with two folders: each with events, one delivered in part, with dead
    letters, and with an event that the disk damaged.
    """
    sinks = [SpoolSink(folder / "spool") for _ in range(2)]
    first, second = sorted(sinks, key=lambda sink: sink.folder)
    for sink in sinks:
        with AuditLogPublisher(types.SimpleNamespace(write=sink.write)) as p:
            publish(p, notes, make_event())
            publish(p, notes, make_event(POISON))
            publish(p, notes, make_event())
    ship(second, FileSink(folder))
    write(second, notes, 3)
    second.write(recorded(make_event("damaged")))
    write(second, notes, 3)
    (segment,) = second.folder.glob("*.log")
    data = segment.read_bytes()
    segment.write_bytes(data.replace(b"order/damaged", b"order/dAmaged"))
    with next(first.folder.glob("*.log")).open("ab") as file:
        file.write(data[24:60])  # torn
    unfinished = f"{second.size() + 1:020}.log"
    (second.folder / unfinished).write_bytes(data[:9])
    (second.folder / "positions.tmp").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def adopt(folder, notes):
    """
    Take over what others left, and deliver it.
    """
    sink = SpoolSink(folder / "spool")
    ship(sink, FileSink(folder))
    write(sink, notes, 1)
    ship(sink, FileSink(folder))
    sink.close()


# The database


def database(folder, notes, *, url, kafka=None, topic=None):
    """
    Publish, alone and in transactions, deliver, and send dead letters again.
    """
    journal = PostgresSink(url)
    target = _target(folder, kafka, topic)
    with AuditLogPublisher(types.SimpleNamespace(write=journal.write)) as p:
        publish(p, notes, make_event())
    write(journal, notes, 70)
    with closing(psycopg.connect(url)) as connection:
        place_order(connection, AuditLogPublisher(journal), notes)
    publish_poison(journal, notes, size=40_000 if topic else 0)
    ship(journal, target)
    redrive(journal, target, relay="target")
    if topic is None:
        redrive(journal, FileSink(folder, healed=True), relay="target")
    journal.close()


def _target(folder, kafka, topic):
    if topic is None:
        return FileSink(folder)
    return KafkaSink(cluster_at(kafka), topic)


def place_order(connection, publisher, notes):
    """
    A business row and its event.
    """
    event = make_event("placed")
    notes.attempted(recorded(event))
    connection.execute("INSERT INTO orders VALUES (%s)", [str(event.event_id)])
    publisher.publish_in(connection, event)
    connection.commit()
    notes.acknowledged(recorded(event))


def publish_poison(journal, notes, *, size):
    records = recorded(make_event(POISON, size=size))
    notes.attempted(records)
    journal.write(records)
    notes.acknowledged(records)


def recover_database(folder, notes, *, url, kafka=None, topic=None):
    """
    Whoever comes next, once the lease of the dead has run out.
    """
    journal = PostgresSink(url)
    write(journal, notes, 1)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE audit.delivery SET expires_at = now()")
    target = _target(folder, kafka, topic)
    with closing(journal):
        ship(journal, target)
        letters = journal.dead_letters("target")
        told = {
            "stored": stored(journal),
            "letters": [str(each.record.event_id) for each in letters],
        }
    (folder / "told").write_text(json.dumps(told))


def tables(folder, notes, *, url):
    """
    The first event in an empty database.
    """
    write(PostgresSink(url), notes, 1)

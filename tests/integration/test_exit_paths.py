"""
All ways in which a process ends, with a real database and real silence.

Each check has variants of the library that it must notice; see tests/broken.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

from contextlib import contextmanager

import pytest

from auditlog import PostgresReader
from auditlog.postgres import init_schema
from tests.oracle import Notes
from tests.postgres_tools import until
from tests.process_tools import finish, noticed, program, run, started


# In the processes below, in seconds; what a busy machine may add to it.
SHUTDOWN = 1
BUSY = 3


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


HEAD = """
import asyncio, atexit, os, signal, sys, threading, time
from auditlog import AuditLogPublisher, KafkaSink, PostgresSink
from auditlog.config import ClusterConfig
from tests.oracle import Notes, make_event

def topic_at(address, topic):
    cluster = ClusterConfig(id="any", bootstrap_servers=address)
    return KafkaSink(cluster, topic)

class SlowSink(PostgresSink):
    def write(self, records):
        time.sleep(0.05)
        super().write(records)

url, folder, *rest = sys.argv[1:]
notes = Notes(folder)
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

# Ends that leave time: all that was queued is stored.

QUEUE = (
    HEAD
    + """
publisher = AuditLogPublisher(SlowSink(url), batch_events=5)
notes.publish(publisher)
for _ in range(50):
    notes.enqueue(publisher)
"""
)

EXIT_FROM_HANDLER = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
signal.raise_signal(signal.SIGTERM)
"""

WHILE_CLOSING = """
closing = threading.Thread(target=publisher.close, daemon=True)
closing.start()
"""

LATE_THREADS = """
def work(main, number):
    main.join()  # which ends first
    for _ in range(5):
        notes.publish(publisher)
        notes.enqueue(publisher)
for number in range(3):
    arguments = (threading.main_thread(), number)
    threading.Thread(target=work, args=arguments).start()
"""

UNUSED_UNTIL_THEN = (
    HEAD
    + """
publisher = AuditLogPublisher(SlowSink(url))
"""
    + LATE_THREADS
)

AT_EXIT = """
atexit.register(lambda: [notes.enqueue(publisher) for _ in range(5)])
atexit.register(lambda: notes.publish(publisher))
"""

IN_FINALIZER = """
class Thing:
    def __del__(self):
        notes.enqueue(publisher)
thing = Thing()
atexit.register(globals().pop, "thing")
"""

IN_HANDLER = """
def handler(*_):
    notes.enqueue(publisher)
    notes.publish(publisher)
signal.signal(signal.SIGALRM, handler)
for n in range(20):
    signal.setitimer(signal.ITIMER_REAL, 0.0002 * (n + 1))
    notes.publish(publisher)
"""

LOOP = """
async def main():
    await asyncio.gather(*[
        notes.publish_async(publisher) for _ in range(20)
    ])
    notes.enqueue(publisher)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("script", "code", "broken"),
    [
        pytest.param(QUEUE, 0, None, id="normal"),
        pytest.param(QUEUE, 0, "no_exit_hook", id="normal-no_exit_hook"),
        pytest.param(QUEUE + EXIT_FROM_HANDLER, 5, None, id="SIGTERM"),
        pytest.param(QUEUE + WHILE_CLOSING, 0, None, id="while closing"),
        pytest.param(QUEUE + LATE_THREADS, 0, None, id="late threads"),
        pytest.param(
            QUEUE + LATE_THREADS,
            0,
            "drains_with_the_main_thread",
            id="late threads-drains_with_the_main_thread",
        ),
        pytest.param(UNUSED_UNTIL_THEN, 0, None, id="first used late"),
        pytest.param(QUEUE + AT_EXIT, 0, None, id="exit handlers"),
        pytest.param(QUEUE + IN_FINALIZER, 0, None, id="finalizer"),
        pytest.param(QUEUE + IN_HANDLER, 0, None, id="signal handler"),
        pytest.param(QUEUE + LOOP, 0, None, id="event loop"),
    ],
)
def test_what_is_queued_is_stored(url, notes, script, code, broken):
    """
    An end that leaves time loses neither what was acknowledged nor what is
    queued, whoever queued it.
    """
    with noticed(broken):
        ended = run(script, url, notes.folder, code=code, broken=broken)

        assert not ended.err, ended.err
        notes.check(stored(url), kinds=["acknowledged", "enqueued"])


# Ends that leave none: all that was acknowledged is stored.

BUSY_THREADS = (
    HEAD
    + """
publisher = AuditLogPublisher(SlowSink(url))

def work():
    while True:
        notes.publish(publisher)
        event = make_event()
        notes.note("tried", event.event_id)
        publisher.enqueue(event)

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
"""
)

UNTIL_ENOUGH = """
while len(notes.read("acknowledged")) < 40:
    time.sleep(0.01)
"""

# publish() may find the publisher closed: that is no failure of the check.
QUIET = "threading.excepthook = lambda _: None\n"


@pytest.mark.parametrize(
    ("end", "code", "broken"),
    [
        pytest.param("os._exit(7)", 7, None, id="os._exit"),
        pytest.param(
            "os._exit(7)",
            7,
            "acknowledges_what_is_queued",
            id="os._exit-acknowledges_what_is_queued",
        ),
        pytest.param("", 0, None, id="daemon threads"),
        pytest.param(
            "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
            -signal.SIGTERM,
            None,
            id="SIGTERM",
        ),
    ],
)
def test_what_was_acknowledged_is_stored(url, notes, end, code, broken):
    """
    No end loses it, in the midst of the work of other threads either.
    """
    script = BUSY_THREADS + QUIET + UNTIL_ENOUGH + end

    with noticed(broken):
        run(script, url, notes.folder, code=code, broken=broken)

        notes.check(stored(url))


# Ends in time, whatever is silent.


@contextmanager
def silence():
    """
    The address of a server that accepts connections and never answers.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


MANY = (
    HEAD
    + """
publishers = [
    AuditLogPublisher(PostgresSink(url), name=f"{n}", shutdown_timeout=1)
    for n in range(6)
]
for publisher in publishers:
    publisher.enqueue(make_event())
"""
)

ONE = MANY.replace("range(6)", "range(1)")

TOPIC = (
    HEAD
    + """
publisher = AuditLogPublisher(
    topic_at(url, "any"), shutdown_timeout=1
)
for _ in range(10):
    publisher.enqueue(make_event())
"""
)

# Tell when the end begins, which the last exit handler to be called is not.
END = """
print(time.monotonic(), flush=True)
"""


def check_in_time(ended):
    seconds = ended.at - float(ended.out)
    assert seconds < SHUTDOWN + 1 + BUSY, f"it took {seconds:.1f} s"
    assert f"after {SHUTDOWN} s" in ended.err, ended.err


@pytest.mark.parametrize(
    ("script", "broken"),
    [
        pytest.param(ONE, None, id="database"),
        pytest.param(ONE, "waits_for_ever", id="database-waits_for_ever"),
        pytest.param(MANY, None, id="six publishers"),
        pytest.param(
            MANY,
            "ends_one_after_the_other",
            id="six publishers-ends_one_after_the_other",
        ),
        pytest.param(TOPIC, None, id="topic"),
    ],
)
def test_ends_in_time_with_a_server_that_never_answers(notes, script, broken):
    """
    A server that accepts and is silent holds the process up for its time to
    end and no longer, however many publishers there are; the count is told.
    """
    with silence() as address, noticed(broken):
        url = f"postgresql://{address}/any" if script != TOPIC else address
        ended = run(
            script + END, url, notes.folder, broken=broken, deadline=10
        )

        check_in_time(ended)


STALLED = (
    HEAD
    + """
(address, topic) = rest
publisher = AuditLogPublisher(
    PostgresSink(url),
    relays={"topic": topic_at(address, topic)},
    shutdown_timeout=1,
)
notes.publish(publisher)
publisher.wait_delivered(30)
notes.note("ready", 1)
sys.stdin.readline()
notes.publish(publisher)
"""
)

STALLED_SINK = (
    HEAD
    + """
(address, topic) = rest
publisher = AuditLogPublisher(
    topic_at(address, topic), shutdown_timeout=1
)
notes.publish(publisher)
notes.note("ready", 1)
sys.stdin.readline()
publisher.enqueue(make_event())
"""
)

STALLED_DATABASE = STALLED_SINK.replace(
    "topic_at(address, topic), ", "PostgresSink(url), "
)


def end_stalled(script, proxy, *arguments):
    """
    Run *script*, and let its server fall silent when it is ready.
    """
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-c", program(script + END), *arguments]
    notes = Notes(arguments[1])
    with started(command, **pipes) as running:
        until(lambda: notes.read("ready") or running.poll() is not None, 60)
        proxy.stall()
        ended = finish(running, say="\n")
    assert ended.code == 0, ended.err
    return ended


def test_ends_in_time_while_a_relays_broker_is_silent(
    url, kafka_proxy, topic, notes
):
    """
    The topic gets nothing more; what was acknowledged is in the table, and
    the process ends in time.
    """
    address = kafka_proxy.address
    ended = end_stalled(
        STALLED, kafka_proxy, url, notes.folder, address, topic
    )

    assert ended.at - float(ended.out) < SHUTDOWN + 1 + BUSY
    notes.check(stored(url))
    assert len(notes.read("acknowledged")) == 2


def test_ends_in_time_while_the_broker_is_silent(kafka_proxy, topic, notes):
    """
    The broker answered before, and does not any more.
    """
    address = kafka_proxy.address

    check_in_time(
        end_stalled(
            STALLED_SINK, kafka_proxy, "-", notes.folder, address, topic
        )
    )


def test_ends_in_time_while_the_database_is_silent(
    url, proxied_database_url, database_proxy, notes
):
    """
    The database answered before, and does not any more.
    """
    check_in_time(
        end_stalled(
            STALLED_DATABASE,
            database_proxy,
            proxied_database_url,
            notes.folder,
            "-",
            "-",
        )
    )

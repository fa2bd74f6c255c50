"""
Processes that fork, with a real database and a real topic.

Each check has variants of the library that it must notice; see tests/broken.
"""

from __future__ import annotations

import os
import sys

import pytest

from auditlog import KafkaReader, PostgresReader
from auditlog.postgres import init_schema
from tests.kafka_tools import cluster_at
from tests.oracle import Notes, lines_of
from tests.process_tools import (
    finish,
    noticed,
    program,
    run,
    started,
)


pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no fork"
)


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    return Notes(folder)


@pytest.fixture
def url(database_url):
    """
    A database that is set up, so that children don't compete for that.
    """
    init_schema(database_url)
    return database_url


def stored(url):
    return [record.event_id for record in PostgresReader(url)]


FORK = """
import os, random, sys, threading
from auditlog import AuditLogPublisher, PostgresSink
from tests.oracle import Notes

url, folder, moment, patience = sys.argv[1:]
patience = float(patience)
publisher = AuditLogPublisher(PostgresSink(url))
notes = Notes(folder)
ended = threading.Event()

def work():
    while not ended.is_set():
        notes.publish(publisher)

def fork():
    child = os.fork()
    if child == 0:
        notes.publish(publisher, timeout=patience)
        notes.enqueue(publisher)
        sys.exit()
    return child

threads = []
if moment != "before its first use":
    notes.publish(publisher)
if moment == "with a queue":
    for _ in range(200):
        notes.enqueue(publisher)
if moment == "while threads publish":
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
children = [fork() for _ in range(4)]
codes = [os.waitpid(child, 0)[1] for child in children]
notes.publish(publisher)
ended.set()
for thread in threads:
    thread.join()
assert codes == [0] * 4, codes
"""


@pytest.mark.parametrize(
    ("moment", "broken"),
    [
        ("before its first use", None),
        ("after its first use", None),
        ("with a queue", None),
        ("while threads publish", None),
        ("after its first use", "no_fork_hook"),
    ],
)
def test_parent_and_children_store_their_own(url, notes, moment, broken):
    """
    Whenever it is that a process forks, its children's first events are
    stored at once, what they queue is by their end, and it keeps its own.
    """
    patience = 20 if broken is None else 2

    with noticed(broken):
        run(FORK, url, notes.folder, moment, patience, broken=broken)

        notes.check(stored(url), kinds=["acknowledged", "enqueued"])
        assert notes.processes("acknowledged") == 5


LOCKED = """
import os, sys, threading
from auditlog import AuditLogPublisher, PostgresSink
from tests.oracle import Notes

url, folder = sys.argv[1:]
publisher = AuditLogPublisher(PostgresSink(url))
notes = Notes(folder)
notes.publish(publisher)
held, done = threading.Event(), threading.Event()

def hold():
    with publisher._buffer.lock, publisher._starting, publisher._closing:
        held.set()
        done.wait()

def fork():
    child = os.fork()
    if child == 0:
        try:
            notes.publish(publisher)
            publisher.close()
            os._exit(0)
        finally:
            os._exit(1)
    codes.append(os.waitpid(child, 0)[1])

codes = []
threading.Thread(target=hold, daemon=True).start()
held.wait()
forking = threading.Thread(target=fork)
forking.start()
forking.join()
done.set()
assert codes == [0]
"""


@pytest.mark.parametrize("broken", [None, "no_fork_hook"])
def test_fork_in_a_thread_while_another_holds_every_lock(url, notes, broken):
    """
    The child inherits none of them.
    """
    with noticed(broken):
        run(
            LOCKED,
            url,
            notes.folder,
            broken=broken,
            deadline=60 if broken is None else 4,
        )

        notes.check(stored(url))
        assert notes.processes("acknowledged") == 2


QUEUED = """
import os, sys
from auditlog import AuditLogPublisher
from tests.oracle import FileSink, Notes

path, folder = sys.argv[1:]
publisher = AuditLogPublisher(FileSink(path, pause=0.1), batch_events=10)
notes = Notes(folder)
for _ in range(50):
    notes.enqueue(publisher)
children = []
for _ in range(3):
    children.append(os.fork())
    if children[-1] == 0:
        notes.enqueue(publisher)
        sys.exit()
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 3
"""


@pytest.mark.parametrize("broken", [None, "child_keeps_the_queue"])
def test_nothing_is_written_twice_through_a_child(notes, tmp_path, broken):
    """
    What waits in the parent at the fork is the parent's to write, alone.
    """
    path = tmp_path / "events"

    with noticed(broken):
        run(QUEUED, path, notes.folder, broken=broken)

        notes.check(lines_of(path), kinds=["enqueued"])


RELAYED = """
import os, sys
from auditlog import AuditLogPublisher, KafkaSink, PostgresSink
from tests.kafka_tools import cluster_at
from tests.oracle import Notes

url, address, topic, folder = sys.argv[1:]
publisher = AuditLogPublisher(
    PostgresSink(url),
    relays={"topic": KafkaSink(cluster_at(address), topic)},
)
notes = Notes(folder)
notes.publish(publisher)
publisher.wait_delivered(30)  # its threads and its producer are at work
children = []
for _ in range(3):
    children.append(os.fork())
    if children[-1] == 0:
        for _ in range(20):
            notes.publish(publisher)
        publisher.wait_delivered(30)
        sys.exit()
for _ in range(20):
    notes.publish(publisher)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 3
publisher.wait_delivered(30)
"""


def test_relays_that_run_at_the_fork(url, bootstrap_servers, topic, notes):
    """
    Parent and children publish on; table and topic hold all of it, and no
    fork made the topic get anything twice.
    """
    run(RELAYED, url, bootstrap_servers, topic, notes.folder, deadline=90)

    notes.check(stored(url))
    reader = KafkaReader(cluster_at(bootstrap_servers), topic)
    notes.check(record.event_id for record in reader)
    assert notes.processes("acknowledged") == 4


POOLS = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from auditlog import AuditLogPublisher, PostgresSink
from tests.oracle import Notes

class SlowSink(PostgresSink):
    def write(self, records):
        time.sleep(0.2)
        super().write(records)

url, folder, method = sys.argv[1:]
publisher = AuditLogPublisher(SlowSink(url))
notes = Notes(folder)

def task(_):
    notes.publish(publisher)
    notes.enqueue(publisher)

if __name__ == "__main__":
    notes.publish(publisher)
    context = multiprocessing.get_context(method)
    child = context.Process(target=task, args=(0,))
    child.start()
    child.join()
    assert child.exitcode == 0
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert [*pool.map(task, range(3))] == [None] * 3
    notes.publish(publisher)
"""


@pytest.mark.parametrize(
    ("method", "broken"),
    [
        ("fork", None),
        ("spawn", None),
        ("forkserver", None),
        ("fork", "no_end_of_child"),
    ],
)
def test_children_of_multiprocessing(url, notes, tmp_path, method, broken):
    """
    However they are started, what they publish and queue is stored.
    """
    script = tmp_path / "script.py"  # which a spawned child can import
    script.write_text(program(POOLS, broken))

    with noticed(broken):
        run_file(script, url, notes.folder, method)

        notes.check(stored(url), kinds=["acknowledged", "enqueued"])
        assert notes.processes("enqueued") >= 2


def run_file(script, *arguments):
    paths = os.pathsep.join(filter(None, [*sys.path]))
    with started(
        [sys.executable, script, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
    ) as running:
        assert finish(running).code == 0


THREADS = """
import multiprocessing, sys, threading
from auditlog import AuditLogPublisher, PostgresSink
from tests.oracle import Notes

url, folder = sys.argv[1:]
publisher = AuditLogPublisher(PostgresSink(url))
notes = Notes(folder)

def work(main):
    main.join()  # returns once Python waits for its threads
    notes.publish(publisher)
    notes.enqueue(publisher)

def task():
    notes.publish(publisher)
    arguments = (threading.main_thread(),)
    for _ in range(3):
        threading.Thread(target=work, args=arguments).start()

child = multiprocessing.get_context("fork").Process(target=task)
child.start()
child.join()
assert child.exitcode == 0
"""


@pytest.mark.parametrize(
    "broken",
    [
        None,
        pytest.param(
            "ends_before_the_childs_threads",
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 13),
                reason="Python itself waits for them first",
            ),
        ),
    ],
)
def test_threads_of_a_child_publish_to_their_end(url, notes, broken):
    """
    A child of multiprocessing ends with its last thread, and then only does
    its publisher.
    """
    with noticed(broken):
        run(THREADS, url, notes.folder, broken=broken)

        notes.check(stored(url), kinds=["acknowledged", "enqueued"])
        assert len(notes.read("enqueued")) == 3

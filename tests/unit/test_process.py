"""
What becomes of events when the process ends or forks: real processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest

from tests.process_tools import noticed
from tests.process_tools import run as run_process


PRELUDE = """
import os, signal, sys, threading, time
from auditlog.abc import Record
from auditlog.event import AuditEvent, Resource
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher

class FileSink:
    def __init__(self, path, delay=0.0):
        self.path, self.delay = path, delay
    def write(self, records):
        time.sleep(self.delay)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for record in records:
            os.write(fd, record.event.resource.id.encode() + b"\\n")
        os.fsync(fd)
        os.close(fd)

def event(n):
    return AuditEvent(
        event_type="A.B.C", resource=Resource(type="thing", id=str(n))
    )

path = sys.argv[1]
interrupt = signal.default_int_handler
"""


@pytest.fixture
def run(tmp_path):
    out = tmp_path / "events"

    def run(script, expected_code=0, timeout=120):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(script), out],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert expected_code == done.returncode, done.stderr
        lines = out.read_text().split() if out.exists() else []
        return lines, done.stderr

    return run


class TestExit:
    @pytest.mark.parametrize(
        ("end", "code"),
        [
            ("", 0),
            ("sys.exit(3)", 3),
            ("raise RuntimeError", 1),
            # A shell's background job ignores it, and so would we.
            ("signal.signal(2, interrupt); signal.raise_signal(2)", -2),
        ],
        ids=["normal", "sys.exit", "exception", "SIGINT"],
    )
    def test_queued_events_are_stored(self, run, end, code):
        """
        A process that ends without close() stores what it queued.
        """
        lines, _ = run(
            f"""
            publisher = AuditLogPublisher(FileSink(path, delay=0.02))
            for n in range(100):
                publisher.enqueue(event(n))
            {end}
            """,
            code,
        )

        assert [str(n) for n in range(100)] == lines

    def test_threads_may_publish_until_they_end(self, run):
        """
        The main thread's end doesn't close the publisher under the others.
        """
        lines, _ = run(
            """
            publisher = AuditLogPublisher(FileSink(path))
            def work():
                time.sleep(0.3)
                for n in range(10):
                    publisher.publish(event(n))
            threading.Thread(target=work).start()
            """
        )

        assert 10 == len(lines)

    def test_exit_is_bounded_and_the_rest_is_told(self, run):
        """
        A sink that hangs doesn't hang the process; the count is logged.
        """
        before = time.monotonic()
        lines, err = run(
            """
            publisher = AuditLogPublisher(
                FileSink(path, delay=3600), shutdown_timeout=0.5
            )
            for n in range(3):
                publisher.enqueue(event(n))
            """
        )

        assert [] == lines
        said = "3 events are not stored in FileSink after 0.5 s"
        assert f"publisher 'default': {said}" in err.splitlines()
        assert time.monotonic() - before < 20

    def test_event_queued_at_exit_is_stored(self, run):
        """
        An exit handler of the application may publish.
        """
        lines, _ = run(
            """
            import atexit
            publisher = AuditLogPublisher(FileSink(path))
            atexit.register(lambda: publisher.enqueue(event(1)))
            """
        )

        assert ["1"] == lines

    def test_acknowledged_events_survive_os_exit(self, run):
        """
        publish() returned: nothing that follows can lose the event.
        """
        lines, _ = run(
            """
            publisher = AuditLogPublisher(FileSink(path))
            publisher.publish(event(1))
            os._exit(0)
            """
        )

        assert ["1"] == lines


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
class TestFork:
    @pytest.mark.parametrize("before", ["publisher.publish(event(0))", ""])
    def test_child_publishes_what_is_its_own(self, run, before):
        """
        Forked before or after the first use, parent and child both publish.
        """
        lines, _ = run(
            f"""
            publisher = AuditLogPublisher(FileSink(path))
            {before}
            child = os.fork()
            publisher.publish(event("child" if child == 0 else "parent"))
            if child:
                os.waitpid(child, 0)
            """
        )

        assert {"child", "parent"} <= set(lines)
        assert len(lines) == len(set(lines))

    def test_queued_events_stay_with_the_parent(self, run):
        """
        The child doesn't store again what the parent has queued; the copies
        of the receipts are told so.
        """
        lines, told = run(
            """
            publisher = AuditLogPublisher(FileSink(path, delay=0.2))
            receipts = [publisher.enqueue(event(n)) for n in range(50)]
            child = os.fork()
            if child == 0:
                time.sleep(0.5)
                ok = all(r.done() for r in receipts)
                publisher.close()
                print(receipts[-1].exception(0), file=sys.stderr, flush=True)
                os._exit(0 if ok else 1)
            assert os.waitpid(child, 0)[1] == 0
            publisher.flush()
            """
        )

        assert [str(n) for n in range(50)] == lines
        assert "the event is on its way in the parent process" in told

    def test_lock_that_is_held_at_the_fork(self, run):
        """
        A child of a thread that forks while another holds the buffer's lock.
        """
        lines, _ = run(
            """
            publisher = AuditLogPublisher(FileSink(path))
            publisher.publish(event(0))
            held, done = threading.Event(), threading.Event()
            def hold():
                with publisher._buffer.lock:
                    held.set()
                    done.wait()
            threading.Thread(target=hold).start()
            held.wait()
            child = os.fork()
            if child == 0:
                publisher.publish(event("child"))
                os._exit(0)
            os.waitpid(child, 0)
            done.set()
            """
        )

        assert ["0", "child"] == lines

    def test_relay_goes_on_in_the_child_that_publishes(self, run):
        """
        A child runs relays of its own, from its first event on.
        """
        lines, _ = run(
            """
            journal = InMemorySink()
            publisher = AuditLogPublisher(
                journal, relays={"file": FileSink(path)}
            )
            child = os.fork()
            if child == 0:
                publisher.publish(event("child"))
                publisher.wait_delivered(10)
                os._exit(0)
            os.waitpid(child, 0)
            """
        )

        assert ["child"] == lines


class TestForgottenEnds:
    def test_publisher_that_nobody_holds(self, run):
        """
        What a function queued with a publisher of its own is stored.
        """
        lines, _ = run(
            """
            def main():
                publisher = AuditLogPublisher(FileSink(path, delay=0.3))
                publisher.enqueue(event(1))
                publisher.enqueue(event(2))
            main()
            """
        )

        assert ["1", "2"] == lines

    def test_close_that_ctrl_c_interrupts(self, run):
        """
        The end of the process finishes what close() had begun.
        """
        lines, err = run(
            """
            signal.signal(2, signal.default_int_handler)
            publisher = AuditLogPublisher(
                FileSink(path, delay=0.05), batch_events=1
            )
            for n in range(20):
                publisher.enqueue(event(n))
            threading.Timer(0.2, os.kill, (os.getpid(), 2)).start()
            try:
                publisher.close()
            except KeyboardInterrupt:
                os.write(2, b"interrupted")
            """
        )

        assert (20, "interrupted") == (len(lines), err)

    def test_close_in_a_daemon_thread(self, run):
        """
        The process doesn't end before a close() that is under way.
        """
        lines, _ = run(
            """
            publisher = AuditLogPublisher(FileSink(path, delay=0.5))
            publisher.enqueue(event(1))
            closing = threading.Thread(target=publisher.close, daemon=True)
            closing.start()
            time.sleep(0.1)
            """
        )

        assert ["1"] == lines

    def test_one_bad_end_leaves_the_others_theirs(self, run):
        """
        A sink that exits in close() doesn't cost another sink's events.
        """
        lines, _ = run(
            """
            class Exiting(InMemorySink):
                def close(self):
                    raise SystemExit
            bad = [AuditLogPublisher(Exiting()) for _ in range(5)]
            publisher = AuditLogPublisher(FileSink(path, delay=0.2))
            publisher.enqueue(event(1))
            """
        )

        assert ["1"] == lines

    def test_signal_handler_during_the_first_event(self, run):
        """
        A handler may enqueue while the worker thread is being started.
        """
        lines, _ = run(
            """
            publisher = AuditLogPublisher(FileSink(path))
            signal.signal(10, lambda *_: publisher.enqueue(event("signal")))
            start = threading.Thread.start
            def interrupted(thread):
                start(thread)
                os.kill(os.getpid(), 10)
            threading.Thread.start = interrupted
            publisher.publish(event(1))
            """,
            timeout=20,
        )

        assert {"1", "signal"} == set(lines)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_child_of_multiprocessing(self, run):
        """
        Its end stores what it queued, though it runs no exit handlers.
        """
        lines, _ = run(
            """
            import multiprocessing
            publisher = AuditLogPublisher(FileSink(path, delay=0.1))
            fork = multiprocessing.get_context("fork")
            children = [
                fork.Process(target=lambda: publisher.enqueue(event(1)))
                for _ in range(3)
            ]
            for child in children:
                child.start()
            for child in children:
                child.join()
            """
        )

        assert ["1"] * 3 == lines

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_child_of_a_closed_publisher(self, run):
        """
        Closed stays closed: no event is taken that nobody would store.
        """
        run(
            """
            from auditlog.errors import PublisherClosedError
            publisher = AuditLogPublisher(InMemorySink())
            publisher.close()
            child = os.fork()
            if child == 0:
                try:
                    publisher.enqueue(event(1))
                except PublisherClosedError:
                    os._exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            """
        )

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_memory_sink_locked_and_leased_at_the_fork(self, run):
        """
        A child inherits neither the lock nor the lease of a parent's thread.
        """
        run(
            """
            journal = InMemorySink(lease_ttl=3600)
            publisher = AuditLogPublisher(
                journal, relays={"file": FileSink(path)}
            )
            while not publisher.relays["file"].holding:
                time.sleep(0.01)
            journal._lock.acquire()
            child = os.fork()
            if child == 0:
                publisher.publish(event(1))
                publisher.wait_delivered(10)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            os._exit(0)
            """
        )


IMPORTING = """
import os, sys, threading
from tests import broken
broken.apply(None if sys.argv[1] == "None" else sys.argv[1])
from auditlog.event import AuditEvent, Resource
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from tests.oracle import make_event

class Slow:
    begun, done = threading.Event(), threading.Event()

    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            self.begun.set()
            self.done.wait()

class Unwell(InMemorySink):
    tries = 0

    def write(self, records):
        self.tries += 1
        if self.tries == 1:  # what it takes to try again is needed, too
            raise ConnectionError
        super().write(records)

sys.meta_path.insert(0, Slow())
publisher = AuditLogPublisher(Unwell(), relays={"other": Unwell()})
publisher.enqueue(make_event())
begun = Slow.begun.wait(0.5)
child = os.fork()
if child == 0:
    try:
        publisher.publish(make_event(), timeout=5)
        os._exit(0)
    finally:
        os._exit(1)
code = os.waitpid(child, 0)[1]
Slow.done.set()
assert code == 0 and not begun
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("broken", [None, "imports_in_its_threads"])
def test_fork_while_a_thread_imports(broken):
    """
    No thread of ours imports, or a child might wait for that import for ever.
    """
    with noticed(broken):
        run_process(IMPORTING, broken, deadline=60 if broken is None else 8)


LIFECYCLE = """
class TypeSink(FileSink):
    def write(self, records):
        with open(self.path, "a") as file:
            for each in records:
                name = each.event.event_type.rpartition(".")[2]
                pid = each.event.metadata.get("pid")
                mine = "" if pid is None else pid == os.getpid()
                print(f"{os.getpid() == main}:{name}:{mine}", file=file)
main = os.getpid()
"""


class TestLifecycle:
    def test_end_of_the_process_is_told(self, run):
        """
        A process that ends without close() tells of its end, too.
        """
        lines, _ = run(
            LIFECYCLE
            + textwrap.dedent(
                """
            publisher = AuditLogPublisher(
                TypeSink(path), lifecycle_events=True
            )
            publisher.enqueue(event(1))
            """
            )
        )

        assert ["True:Start:True", "True:C:", "True:Stop:True"] == lines

    def test_child_starts_and_stops_by_itself(self, run):
        """
        With its own first event and its own process id; one that publishes
        nothing says nothing, and the parent goes on as it was.
        """
        lines, _ = run(
            LIFECYCLE
            + textwrap.dedent(
                """
            import warnings
            warnings.simplefilter("ignore")
            publisher = AuditLogPublisher(
                TypeSink(path), lifecycle_events=True
            )
            publisher.publish(event(1))
            for busy in (True, False):
                child = os.fork()
                if not child:
                    if busy:
                        publisher.publish(event(2))
                    sys.exit()
                os.waitpid(child, 0)
            publisher.publish(event(3))
            """
            )
        )

        assert [
            "True:Start:True",
            "True:C:",
            "False:Start:True",
            "False:C:",
            "False:Stop:True",
            "True:C:",
            "True:Stop:True",
        ] == lines

    def test_sink_that_hangs_does_not_keep_the_process(self, run):
        """
        With nothing but the end to tell, a process ends at once, whatever
        its timeout.
        """
        lines, err = run(
            """
            class Hangs(FileSink):
                hang = False
                def write(self, records):
                    if self.hang:
                        time.sleep(3600)
                    super().write(records)
            sink = Hangs(path)
            publisher = AuditLogPublisher(
                sink, lifecycle_events=True, shutdown_timeout=3600
            )
            publisher.publish(event(1))
            sink.hang = True
            """
        )

        assert ["default", "1"] == lines
        assert "" == err


def test_child_counts_anew(run):
    """
    What the parent stored is the parent's.
    """
    lines, _ = run(
        """
        import warnings
        warnings.simplefilter("ignore")
        publisher = AuditLogPublisher(InMemorySink())
        publisher.publish(event(1))
        child = os.fork()
        if not child:
            publisher.publish(event(2))
            publisher.publish(event(3))
        else:
            os.waitpid(child, 0)
        stats = publisher.stats()
        with open(path, "a") as file:
            print(stats.accepted, stats.stored, file=file)
        """
    )

    assert ["2", "2", "1", "1"] == lines

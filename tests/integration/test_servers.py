"""
Under servers that fork their workers: gunicorn and Celery.
"""

from __future__ import annotations

import os
import signal
import sys
import textwrap

from http.client import HTTPConnection

import pytest

from auditlog import PostgresReader
from auditlog.postgres import init_schema
from auditlog.testing.services import free_port
from tests.oracle import Notes
from tests.postgres_tools import until
from tests.process_tools import finish, noticed, program, started


@pytest.fixture
def folder(tmp_path):
    """
    Where the application and its notes are.
    """
    (tmp_path / "notes").mkdir()
    return tmp_path


@pytest.fixture
def url(database_url):
    init_schema(database_url)
    return database_url


def check(folder, url):
    notes = Notes(folder / "notes")
    stored = [record.event_id for record in PostgresReader(url)]
    notes.check(stored, kinds=["acknowledged", "enqueued"])


def serve(tool, *arguments, folder, url):
    """
    The *tool* of this environment at work, in *folder*.
    """
    paths = os.pathsep.join([str(folder), *filter(None, sys.path)])
    return started(
        [sys.executable, "-m", tool, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "APP_DATABASE": url},
    )


WEB = """
import os, time
from auditlog import AuditLogPublisher, PostgresSink
from tests.oracle import Notes

class SlowSink(PostgresSink):
    def write(self, records):
        time.sleep(0.1)
        super().write(records)

publisher = AuditLogPublisher(SlowSink(os.environ["APP_DATABASE"]))
notes = Notes("notes")
notes.publish(publisher)  # the application starts

def app(environ, start_response):
    notes.publish(publisher, timeout=5)
    for _ in range(20):
        notes.enqueue(publisher)
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


def ask(port):
    """
    The process that answers a request; None if there is none yet.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.status == 200, "a worker failed"
        return response.read().decode()
    except ConnectionRefusedError:
        return None
    except ConnectionError:
        pytest.fail("a worker failed")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("options", "broken"),
    [([], None), (["--preload"], None), (["--preload"], "no_fork_hook")],
    ids=["each its own", "preload", "preload-no_fork_hook"],
)
def test_gunicorn(folder, url, options, broken):
    """
    Two workers publish, whether the application is loaded before the fork or
    after it; what they queue is stored when they are asked to end.
    """
    (folder / "app.py").write_text(program(WEB, broken))
    port = free_port()
    bind = ["--bind", f"127.0.0.1:{port}", "--workers", "2", "app:app"]

    with noticed(broken):
        with serve(
            "gunicorn", *options, *bind, folder=folder, url=url
        ) as server:
            seen = set()
            until(lambda: len(seen.add(ask(port)) or seen - {None}) == 2, 30)
            server.send_signal(signal.SIGTERM)
            assert finish(server).code == 0

        check(folder, url)


TASKS = """
import os, time
from celery import Celery
from auditlog import AuditLogPublisher, PostgresSink
from tests.oracle import Notes

class SlowSink(PostgresSink):
    def write(self, records):
        # What is queued waits for the end, which may never be told.
        while len(records) > 1 and not publisher.stats().closed:
            time.sleep(0.01)
        super().write(records)

publisher = AuditLogPublisher(SlowSink(os.environ["APP_DATABASE"]))
notes = Notes("notes")

app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": "broker",
        "data_folder_out": "broker",
        "control_folder": "control",
    },
    worker_max_tasks_per_child=1,
)

@app.task
def work():
    notes.publish(publisher)
    for _ in range(20):
        notes.enqueue(publisher)
    notes.note("worked", os.getpid())
"""

SEND = """
from tasks import work
for _ in range(3):
    work.delay()
"""


@pytest.mark.parametrize("broken", [None, "no_end_of_child"])
def test_celery(folder, url, broken):
    """
    Each process of the worker publishes, and what it queues is stored when
    the worker ends, or replaces it after a task.
    """
    (folder / "broker").mkdir()
    (folder / "tasks.py").write_text(program(TASKS, broken))
    (folder / "send.py").write_text(textwrap.dedent(SEND))
    notes = Notes(folder / "notes")

    with noticed(broken):
        with serve("send", folder=folder, url=url) as sender:
            assert finish(sender).code == 0
        with serve(
            "celery",
            *("-A", "tasks", "worker", "--pool", "prefork"),
            *("--concurrency", "2", "--without-gossip", "--without-mingle"),
            *("--without-heartbeat", "--loglevel", "WARNING"),
            folder=folder,
            url=url,
        ) as worker:
            until(lambda: len(notes.read("enqueued")) == 3 * 20, 60)
            worker.send_signal(signal.SIGTERM)
            assert finish(worker).code == 0

        check(folder, url)
        assert notes.processes("acknowledged") >= 2

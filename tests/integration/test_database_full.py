"""
A server whose disk is full.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile

from pathlib import Path
from uuid import uuid4

import pytest

from auditlog import AuditLogPublisher, PostgresReader, PostgresSink
from auditlog.errors import AuditLogError, EventRefusedError, SinkTimeoutError
from auditlog.postgres import errors, init_schema
from tests.kafka_tools import make_event, noise
from tests.postgres_tools import execute, until
from tests.seen_failing import check


class Disk:
    """
    A file system in memory, which the server may use.
    """

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="auditlog-disk-"))
        self.folder.chmod(0o755)
        self._mount("size=2m")
        shutil.chown(self.folder, "nobody")

    def _mount(self, options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs"]
        if subprocess.run([*command, self.folder], check=False).returncode:
            self.folder.rmdir()
            pytest.skip("only root may mount")

    def grow(self):
        options = ["-o", "remount,size=32m"]
        subprocess.run(["mount", *options, self.folder], check=True)

    def close(self):
        subprocess.run(["umount", self.folder], check=True)
        self.folder.rmdir()


@pytest.fixture
def disk():
    disk = Disk()
    yield disk
    disk.close()


@pytest.fixture
def url(postgres_server, disk):
    """
    A database whose events lie on that disk.
    """
    name = f"full_{uuid4().hex}"
    url = postgres_server.create_database(name)
    init_schema(url)
    server = postgres_server.url
    execute(server, f"CREATE TABLESPACE {name} LOCATION '{disk.folder}'")
    execute(url, f"ALTER TABLE audit.event SET TABLESPACE {name}")
    yield url
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")
    execute(server, f"DROP TABLESPACE {name}")


def event():
    return make_event(metadata={"noise": noise(6_000)})


def publish_until_it_fails(publisher):
    """
    The ids of those that were acknowledged, then the event that was not, and
    why.
    """
    ids = []
    while len(ids) < 1_000:
        late = event()
        try:
            ids.append(publisher.publish(late, timeout=1).event_id)
        except AuditLogError as exc:
            return ids, late, exc
    raise AssertionError("the disk is not full")


def test_full_disk_of_the_server_loses_nothing(url, disk):
    """
    Callers are told why in time, what was enqueued waits, and once there is
    space all of it is stored, each once.
    """
    with AuditLogPublisher(PostgresSink(url)) as publisher:
        published, late, error = publish_until_it_fails(publisher)
        waiting = [publisher.enqueue(event()) for _ in range(20)]
        until(lambda: publisher.stats().last_error)
        disk.grow()
        refused = [each for each in waiting if each.exception(30)]

    waiting = [each.event_id for each in waiting]
    stored = [record.event_id for record in PostgresReader(url)]
    assert published
    assert [] == refused
    assert published + waiting == [e for e in stored if e != late.event_id]
    assert isinstance(error, SinkTimeoutError)
    assert "(SQLSTATE 53100); free disk space on the server" in str(error)


def takes_it_for_a_refusal(patch):
    """
    It is the event's fault that there is no space.
    """
    patch.setitem(errors._KINDS, "53", EventRefusedError)


def test_variant_is_noticed(request):
    """
    What was enqueued is refused there, and given up.
    """
    check(
        request,
        test_full_disk_of_the_server_loses_nothing,
        takes_it_for_a_refusal,
        {},
    )

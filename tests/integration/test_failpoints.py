"""
Processes that are killed before and after each commit, sync, rename,
deletion and acknowledgement, one after the other.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys

from hashlib import sha256
from pathlib import Path

import pytest

from kafka import KafkaConsumer, TopicPartition

import auditlog.spool

from auditlog.testing.services import create_database, drop_database
from tests import failpoints
from tests.failpoints.points import PRIMITIVES
from tests.failpoints.workloads import BATCH
from tests.kafka_tools import create
from tests.postgres_tools import execute


OF_KAFKA = {
    "KafkaSink.write",
    "KafkaSink.write_again",
    "KafkaSink.write_placeholders",
    "PostgresLease.advance",
    "Producer._outcome",
    "Producer._send",
}
EXPECTED = Path(failpoints.__file__).with_name("expected.txt")


class Killed(Exception):  # noqa: N818 - what was to happen
    """
    The child died where it was told to.
    """


class Zygote:
    """
    The process that forks children; see `tests.failpoints.__main__`.
    """

    def __init__(self, process):
        self._process = process

    def run(
        self,
        workload,
        folder,
        *,
        kill=None,
        fail=(),
        broken="nothing",
        **arguments,
    ):
        """
        Let a child do it; what it passed, or `Killed`.
        """
        job = {
            "workload": workload,
            "folder": str(folder),
            "kill": kill,
            "fail": list(fail),
            "broken": broken,
            "arguments": arguments,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        if status == signal.SIGKILL:
            raise Killed
        error = folder / "error"
        assert 0 == status, error.read_text() if error.exists() else status
        passed = json.loads((folder / "passed").read_text())
        return {(name, when): count for name, when, count in passed}

    def kill(self, workload, folder, point, **arguments):
        """
        Let a child die at *point*.
        """
        with pytest.raises(Killed):
            self.run(workload, folder, kill=point, **arguments)


@pytest.fixture(scope="module")
def zygote():
    with subprocess.Popen(
        [sys.executable, "-m", "tests.failpoints"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        yield Zygote(process)
        process.stdin.close()
        try:
            process.wait(30)
        finally:
            process.kill()


def expected(workload):
    """
    The points that are known to be passed by it.
    """
    parts = EXPECTED.read_text().strip().split("\n\n")
    (names,) = [p for p in parts if p.startswith(f"[{workload}]\n")]
    return names.splitlines()[1:]


def names(passed):
    return sorted({name for name, _ in passed})


def chosen(passed, names=None):
    """
    The first and the last passing of each point, and all where each is
    another file.
    """
    return [
        (name, when, nth)
        for (name, when), count in passed.items()
        for nth in range(1, count + 1)
        if nth in {1, count} or name == "unlink in spool.adoption._remove"
        if names is None or name in names
    ]


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def check(told, *, attempted, acknowledged, delivered, most=BATCH, late=0):
    """
    Nothing acknowledged is lost, nothing comes up that nobody wrote, no byte
    changes, and what comes twice is one batch; *late* dead letters may have
    been delivered again without a note of it.
    """
    first = list(dict.fromkeys(delivered))
    ids = {each.split()[0] for each in first}
    letters = told["letters"]
    assert len(first) == len(ids)
    assert set(first) <= set(attempted)
    lost = {e.split()[0] for e in acknowledged} - ids - set(letters)
    assert not lost, f"acknowledged and lost: {lost}"
    assert len(set(letters)) == len(letters)
    assert len(ids & set(letters)) <= late
    assert len(delivered) - len(first) <= most


def check_order(told, *, attempted, delivered, lost=0):
    """
    What was read has places without a gap, and was delivered in their order.
    """
    indexes = [index for index, _ in told["stored"]]
    stored = [each for _, each in told["stored"]]
    among = set(stored)
    order = [e for e in dict.fromkeys(delivered) if e in among]
    assert among <= set(attempted)
    if indexes:
        span = range(indexes[0], indexes[-1] + 1)
        assert len(span) - len(set(span) & set(indexes)) <= lost
        assert sorted(set(indexes)) == indexes
    places = {each: place for place, each in enumerate(stored)}
    assert order == sorted(order, key=places.__getitem__)


def recovered_spool(zygote, folder, **options):
    """
    What the next process makes of it, next to what was noted.
    """
    zygote.run("recover_spool", folder, **options)
    told = json.loads((folder / "told").read_text())
    delivered = [" ".join(e.split()[:2]) for e in lines(folder / "delivered")]
    return told, {
        "attempted": lines(folder / "attempted"),
        "delivered": delivered,
    }


def test_spool_killed_at_each_point(zygote, tmp_path):
    """
    A spool that dies anywhere in storing, beginning files, delivering,
    burying and deleting gives all that it acknowledged, in order.
    """
    (tmp_path / "whole").mkdir()
    passed = zygote.run("spool", tmp_path / "whole")
    assert expected("spool") == names(passed)

    for number, point in enumerate(chosen(passed)):
        folder = tmp_path / f"{number}"
        kill_and_check(zygote, "spool", folder, point)


def kill_and_check(zygote, workload, folder, point, **arguments):
    """
    Let a child die that has a spool, and see what it left.
    """
    folder.mkdir()
    zygote.kill(workload, folder, point, **arguments)
    name = {"name": "one"} if workload == "spool" else {}
    told, noted = recovered_spool(zygote, folder, **name)
    print(point)
    check(told, acknowledged=lines(folder / "acknowledged"), **noted)
    check_order(told, **noted)
    assert 0 == told["lost"]


@pytest.mark.parametrize(
    ("broken", "point"),
    [
        ("advance_first", ("SpoolLease.advance", "after", 1)),
        ("store_later", ("ftruncate in spool.lock.Lock.sign", "before", 1)),
    ],
)
def test_broken_one_is_noticed(zygote, tmp_path, broken, point):
    """
    What moves its position or confirms too early doesn't get through.
    """
    with pytest.raises(AssertionError, match="acknowledged and lost"):
        kill_and_check(zygote, "spool", tmp_path / "one", point, broken=broken)


def test_spool_on_a_failing_disk_killed_at_each_point(zygote, tmp_path):
    """
    Also where a failed sync or a file that couldn't be begun is made good.
    """
    fail = [
        "fdatasync in spool.log.Log._write",
        "fsync in spool.files.create for spool.segment.make",
    ]
    (tmp_path / "whole").mkdir()
    passed = zygote.run("failing_spool", tmp_path / "whole", fail=fail)
    assert expected("failing_spool") == names(passed)

    only_here = set(names(passed)) - set(expected("spool"))
    for number, point in enumerate(chosen(passed, only_here)):
        folder = tmp_path / f"{number}"
        kill_and_check(zygote, "failing_spool", folder, point, fail=fail)


def test_adoption_killed_at_each_point(zygote, tmp_path):
    """
    A process that dies anywhere in taking over folders leaves all that was
    acknowledged to the next; only the one damaged event is lost.
    """
    left = tmp_path / "left"
    left.mkdir()
    with pytest.raises(Killed):
        zygote.run("leave", left)
    whole = shutil.copytree(left, tmp_path / "whole")
    passed = zygote.run("adopt", whole)
    assert expected("adopt") == names(passed)

    for number, point in enumerate(chosen(passed)):
        folder = shutil.copytree(left, tmp_path / f"{number}")
        zygote.kill("adopt", folder, point)
        told, noted = recovered_spool(zygote, folder)
        print(point)
        acknowledged = lines(folder / "acknowledged")
        # A folder that was taken over in part is taken over again.
        most = len(acknowledged)
        check(told, acknowledged=acknowledged, most=most, **noted)
        check_order(told, lost=1, **noted)
        assert 1 == told["lost"]
        assert 1 == len([*(folder / "spool").iterdir()])


def calls(path):
    """
    The primitives that the functions of a module call, as points name them.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for owner, function in functions(tree, f"spool.{path.stem}."):
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and primitive(call.func):
                yield f"{call.func.attr} in {owner}"


def functions(node, prefix):
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.ClassDef):
            yield from functions(each, f"{prefix}{each.name}.")
        elif isinstance(each, ast.FunctionDef):
            yield f"{prefix}{each.name}", each


def primitive(func):
    return (
        isinstance(func, ast.Attribute)
        and func.attr in PRIMITIVES
        and "structs" not in ast.dump(func)
    )


def test_no_point_of_the_spool_is_left_out():
    """
    Each call in the code that changes the disk for good was killed at.
    """
    package = Path(auditlog.spool.__file__).parent
    written = {each for path in package.glob("*.py") for each in calls(path)}

    known = EXPECTED.read_text().replace("fsync of the folder", "fsync")
    killed_at = {line.partition(" for ")[0] for line in known.splitlines()}
    assert written - killed_at == set()


# PostgreSQL


@contextlib.contextmanager
def empty_database(postgres_url, folder):
    """
    A database without tables, and a folder for what is noted of it.
    """
    folder.mkdir()
    name = f"points_{os.urandom(8).hex()}"
    yield create_database(postgres_url, name)
    drop_database(postgres_url, name)


@contextlib.contextmanager
def database(zygote, postgres_url, folder):
    """
    A database with the tables, and one of the application's.
    """
    with empty_database(postgres_url, folder) as url:
        zygote.run("tables", folder, url=url)
        execute(url, "CREATE TABLE orders (id text PRIMARY KEY)")
        yield url


def check_orders(url):
    """
    Each order has its event, and each such event its order.
    """
    orders = {o for (o,) in execute(url, "SELECT id FROM orders")}
    placed = execute(
        url, "SELECT id FROM audit.event WHERE resource = 'order/placed'"
    )
    assert orders == {str(each) for (each,) in placed}


def test_tables_killed_at_each_point(zygote, postgres_url, tmp_path):
    """
    Who dies while the tables are made leaves none, or all.
    """
    points = itertools.product(expected("tables"), ["before", "after"], [1])
    for number, point in enumerate(points):
        folder = tmp_path / f"{number}"
        with empty_database(postgres_url, folder) as url:
            zygote.kill("tables", folder, point, url=url)
            passed = zygote.run("tables", folder, url=url)
            found = execute(url, "SELECT id FROM audit.event")
        assert set(names(passed)) <= set(expected("tables"))
        acknowledged = {e.split()[0] for e in lines(folder / "acknowledged")}
        assert acknowledged <= {str(each) for (each,) in found}


def test_database_killed_at_each_point(zygote, postgres_url, tmp_path):
    """
    Publishers, transactions, relays and those who send dead letters again
    may die anywhere: the journal has all, and its relay delivers it.
    """
    folder = tmp_path / "one"
    with database(zygote, postgres_url, folder) as url:
        zygote.run("recover_database", folder, url=url)
        passed = zygote.run("database", folder, url=url)
        assert expected("database") == names(passed)

        twice = 0
        for point in chosen(passed):
            zygote.kill("database", folder, point, url=url)
            zygote.run("recover_database", folder, url=url)
            print(point)
            found = [each.split() for each in lines(folder / "delivered")]
            twice = check_delivery(folder, found, twice)
            check_orders(url)


def check_delivery(folder, found, twice):
    """
    As `check`, after one kill more; how much came twice in all.
    """
    told = json.loads((folder / "told").read_text())
    everything = [" ".join(each[:2]) for each in found]
    inorder = [" ".join(each) for each in found if len(each) == 2]
    noted = {"attempted": lines(folder / "attempted")}
    acknowledged = lines(folder / "acknowledged")
    check(
        told,
        delivered=everything,
        acknowledged=acknowledged,
        most=twice + BATCH,
        late=1,
        **noted,
    )
    check_order(told, delivered=inorder, **noted)
    assert 1 == told["stored"][0][0]
    assert set(acknowledged) <= {each for _, each in told["stored"]}
    return len(everything) - len(set(everything))


# The topic


@pytest.fixture
def small_topic(bootstrap_servers, topic):
    """
    A topic with one partition, which takes no large event.
    """
    create(bootstrap_servers, topic, max_message_bytes=10_000)
    return topic


class Delivered:
    """
    What a topic holds, as it grows.
    """

    def __init__(self, consumer, topic):
        self._consumer = consumer
        self._place = TopicPartition(topic, 0)
        self._messages = []
        consumer.assign([self._place])
        consumer.seek_to_beginning(self._place)

    def look(self):
        """
        All messages until now.
        """
        end = self._consumer.end_offsets([self._place])[self._place]
        while self._consumer.position(self._place) < end:
            for batch in self._consumer.poll(timeout_ms=500).values():
                self._messages += batch
        return self._messages


@pytest.fixture
def delivered(bootstrap_servers, small_topic):
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        client_id="tests",
        group_id=None,
        enable_auto_commit=False,
    )
    yield Delivered(consumer, small_topic)
    consumer.close()


def by_event(messages):
    """
    Id and digest of each event, without the placeholders of dead letters.
    """
    headers = [dict(message.headers) for message in messages]
    return [
        [each["ce_id"].decode(), sha256(message.value).hexdigest()]
        for message, each in zip(messages, headers, strict=True)
        if "audit-placeholder" not in each
    ]


def test_relay_to_a_topic_killed_at_each_point(
    zygote, postgres_url, tmp_path, bootstrap_servers, small_topic, delivered
):
    """
    Killed between a send, its acknowledgement, and the move of the position,
    a relay sends one batch again, with the same bytes; each index is in the
    topic, as its event or as a placeholder, for the first time in its order.
    """
    folder = tmp_path / "one"
    target = {"kafka": bootstrap_servers, "topic": small_topic}
    with database(zygote, postgres_url, folder) as url:
        zygote.run("recover_database", folder, url=url, **target)
        passed = zygote.run("database", folder, url=url, **target)
        assert expected("kafka") == names(passed)

        twice = 0
        for point in chosen(passed, OF_KAFKA):
            zygote.kill("database", folder, point, url=url, **target)
            zygote.run("recover_database", folder, url=url, **target)
            print(point)
            messages = delivered.look()
            twice = check_delivery(folder, by_event(messages), twice)
            check_indexes(folder, messages)


def check_indexes(folder, messages):
    """
    All of the journal, in its order.
    """
    found = [int(dict(each.headers)["audit-index"]) for each in messages]
    told = json.loads((folder / "told").read_text())
    assert [i for i, _ in told["stored"]] == list(dict.fromkeys(found))

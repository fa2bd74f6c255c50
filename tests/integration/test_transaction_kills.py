"""
Writers with transactions of their own, killed at any moment.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import textwrap
import time

from contextlib import closing

import pytest

from auditlog import PostgresReader, PostgresSink
from auditlog.postgres import init_schema
from tests.postgres_tools import execute


WRITER = textwrap.dedent(
    """
    import os, random, sys
    import psycopg
    from auditlog import AuditEvent, AuditLogPublisher, PostgresSink, Resource

    url, path, seed = sys.argv[1:]
    chance = random.Random(seed)
    acknowledged = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    publisher = AuditLogPublisher(PostgresSink(url))
    connection = psycopg.connect(url)
    print("ready", flush=True)
    while True:
        event = AuditEvent(
            event_type="App.Order.Place",
            resource=Resource(type="order", id="1"),
        )
        order = (str(event.event_id),)
        if chance.random() < 0.5:
            publisher.publish_in(connection, event)
            connection.execute("INSERT INTO orders VALUES (%s)", order)
        else:
            connection.execute("INSERT INTO orders VALUES (%s)", order)
            publisher.publish_in(connection, event)
        if chance.random() < 0.1:
            connection.rollback()
            continue
        connection.commit()
        os.write(acknowledged, order[0].encode() + b"\\n")
        os.fsync(acknowledged)
    """
)


@pytest.mark.parametrize("round_number", range(5))
def test_both_or_neither(database_url, tmp_path, round_number):
    """
    After writers were killed in the midst of it, each order has its event and
    each event its order; what was committed is there, and all that is there
    has a place in the one gapless order.
    """
    seed = random.randrange(10**6) + round_number
    print(f"seed {seed}")
    chance = random.Random(seed)
    init_schema(database_url)
    execute(database_url, "CREATE TABLE orders (id text PRIMARY KEY)")
    with contextlib.ExitStack() as stack:
        writers = []
        for number in range(3):
            arguments = (database_url, tmp_path / f"{number}", f"{seed}")
            command = [sys.executable, "-c", WRITER, *map(str, arguments)]
            writer = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE)
            )
            stack.callback(writer.kill)
            writers.append(writer)
        for writer in writers:
            assert writer.stdout.readline() == b"ready\n"
        for writer in writers:
            time.sleep(chance.random())  # of their work, not of a wait
            writer.kill()

    with closing(PostgresSink(database_url)) as journal:
        size = journal.size(timeout=30)
        indexes = [each.index for each in journal.read(0, size + 1)]
    events = {str(each.event_id) for each in PostgresReader(database_url)}
    orders = {o for (o,) in execute(database_url, "SELECT id FROM orders")}
    acknowledged = {
        line
        for path in tmp_path.iterdir()
        for line in path.read_text().splitlines()
    }
    assert acknowledged
    assert events == orders
    assert acknowledged <= events
    assert indexes == list(range(1, len(events) + 1))

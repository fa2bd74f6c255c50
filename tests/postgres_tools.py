"""
What the tests of PostgreSQL share.
"""

from __future__ import annotations

import contextlib
import threading
import time

import psycopg

from auditlog.abc import Record
from auditlog.config import DatabaseConfig
from auditlog.testing.contracts import make_record


__all__ = [
    "NaiveReader",
    "as_role",
    "ask_for_password",
    "execute",
    "in_thread",
    "make_record",
    "make_records",
    "opened",
    "stored_ids",
    "until",
    "with_id",
]


class NaiveReader:
    """
    What one writes first: everything behind the last number seen.
    """

    def __init__(self, url):
        self.connection = psycopg.connect(url, autocommit=True)
        self.last, self.seen = 0, set()

    def poll(self):
        rows = self.connection.execute(
            "SELECT seq, id FROM audit.event WHERE seq > %s ORDER BY seq",
            (self.last,),
        ).fetchall()
        self.seen |= {row[1] for row in rows}
        self.last = max([self.last, *(row[0] for row in rows)])


def make_records(count):
    return [make_record(metadata={"n": n}) for n in range(count)]


def with_id(record, event_id):
    """
    The body of *record* under another id.
    """
    return Record(event_id=event_id, body=record.body)


def execute(url, query, *params):
    """
    Execute *query* in a connection of its own; its rows, if any.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, params or None)
        return cursor.fetchall() if cursor.description else []


def stored_ids(url):
    """
    The ids of all events in the table.
    """
    return {row[0] for row in execute(url, "SELECT id FROM audit.event")}


@contextlib.contextmanager
def opened(url, query, *params):
    """
    An open transaction that has executed *query*.
    """
    with psycopg.connect(url) as connection:
        connection.execute(query, params or None)
        yield connection
        connection.rollback()


def as_role(url, name, *grants):
    """
    The config of a new role, with *grants* and nothing else.
    """
    execute(url, f"CREATE ROLE {name} LOGIN")
    for grant in grants:
        execute(url, f"GRANT {grant} TO {name}")
    return DatabaseConfig(url=url.replace("postgres@", f"{name}@"))


def ask_for_password(server):
    """
    Let *server* believe nobody any more to be the role ``app``.
    """
    rules = server.directory / "data" / "pg_hba.conf"
    rules.write_text(f"host all app all scram-sha-256\n{rules.read_text()}")
    execute(server.url, "SELECT pg_reload_conf()")

    def refused():
        try:
            psycopg.connect(server.url.replace("postgres@", "app@")).close()
        except psycopg.OperationalError:
            return True
        return False

    until(refused)


def until(condition, timeout=10.0):
    """
    Wait until *condition* is true.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def in_thread(call):
    """
    Call in a thread; a function that joins it and returns or raises.
    """
    outcome = []

    def run():
        try:
            outcome.append((call(), None))
        except BaseException as exc:  # noqa: BLE001 - raised by join()
            outcome.append((None, exc))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def join():
        thread.join(20)
        ((result, error),) = outcome
        if error is not None:
            raise error
        return result

    return join

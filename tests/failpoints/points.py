"""
Numbers and names each passing of a point at which a process may die, and
kills it there; without a hook in what is tested.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import signal
import stat
import sys
import threading
import time

from collections import Counter


# What changes the disk for good, or its order.
PRIMITIVES = (
    "fdatasync",
    "fsync",
    "ftruncate",
    "mkdir",
    "rename",
    "replace",
    "rmdir",
    "unlink",
)

# The calls after which somebody relies on something.
METHODS = (
    ("_engine.buffer", "Buffer", "store"),
    ("kafka.driver._producer", "Producer", "_send"),
    ("kafka.driver._producer", "Producer", "_outcome"),
    ("kafka.sink", "KafkaSink", "write"),
    ("kafka.sink", "KafkaSink", "write_again"),
    ("kafka.sink", "KafkaSink", "write_placeholders"),
    ("postgres.lease", "PostgresLease", "advance"),
    ("spool.deliveries", "SpoolLease", "advance"),
)

# Through these others do it: they are named with who called them.
_HELPERS = re.compile(
    r"spool\.files\.|spool\.deliveries\.Deliveries\._keep$|"
    r"postgres\.connections\.|.*\._change(_letter)?$"
)
_WRITES = re.compile(rb"\b(INSERT|UPDATE|DELETE|CREATE)\b")


class Points:
    """
    Counts what is passed.

    Args:
        kill: Name, ``before`` or ``after``, and which passing kills.

        fail: The names of primitives that fail the first time.
    """

    def __init__(self, kill=None, fail=()):
        self.passed = Counter()
        self._kill = tuple(kill) if kill else None
        self._fail = dict.fromkeys(fail, OSError(5, "Input/output error"))
        self._lock = threading.Lock()

    def reach(self, name, when):
        """
        Count it, or die.
        """
        with self._lock:
            self.passed[name, when] += 1
            nth = self.passed[name, when]
            if (name, when, nth) == self._kill:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # of a thread that is gone by then

    def around(self, name, call):
        """
        Make *call* between the two points of that name.
        """
        self.reach(name, "before")
        if error := self._fail.pop(name, None):
            raise error
        result = call()
        self.reach(name, "after")
        return result

    def listed(self):
        """
        All that was passed, and how often.
        """
        return [[*key, count] for key, count in self.passed.items()]


def install(points):
    """
    Have *points* passed by all that this process does from now on.
    """
    for name in PRIMITIVES:
        original = _unsynced if "sync" in name else getattr(os, name)
        setattr(os, name, _primitive(points, name, original))
    for module, owner, name in METHODS:
        found = importlib.import_module(f"auditlog.{module}")
        _method(points, getattr(found, owner), name)
    _database(points)


def _primitive(points, name, original):
    @functools.wraps(original)
    def call(*args, **kwargs):
        what = name
        if name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode):
            what = "fsync of the folder"
        return points.around(_named(what), lambda: original(*args, **kwargs))

    return call


def _unsynced(fd):
    """
    Check the file only: who is killed loses nothing that he wrote.
    """
    os.fstat(fd)


def _method(points, owner, name):
    original = getattr(owner, name)

    @functools.wraps(original)
    def call(*args, **kwargs):
        return points.around(
            f"{owner.__name__}.{name}", lambda: original(*args, **kwargs)
        )

    setattr(owner, name, call)


def _database(points):
    import psycopg  # noqa: PLC0415 - spools do without

    execute = psycopg.Connection.execute

    def executed(self, query, *args, **kwargs):
        def call():
            return execute(self, query, *args, **kwargs)

        return (
            points.around(_named("commit"), call)
            if _commits(self, query)
            else call()
        )

    psycopg.Connection.execute = executed
    found = importlib.import_module("auditlog.postgres.connections")
    for owner, name in (
        (psycopg.Connection, "commit"),
        (psycopg.Pipeline, "sync"),
        (found.Connection, "put"),
    ):
        setattr(owner, name, _commit(points, getattr(owner, name)))


def _commit(points, original):
    def call(*args):
        return points.around(_named("commit"), lambda: original(*args))

    return call


def _commits(connection, query):
    if connection.pgconn.pipeline_status:
        return False
    text = query if isinstance(query, bytes) else query.encode()
    idle = connection.info.transaction_status == 0
    return text == b"COMMIT" or (
        idle and connection.autocommit and bool(_WRITES.search(text))
    )


def _named(what):
    """
    The point's name: what is done, in which function, and for which one.
    """
    places = [*_places(sys._getframe(2))]
    where = " for ".join(dict.fromkeys(places[:1] + places[-1:]))
    return f"{what} in {where}" if where else f"{what} of the application"


def _places(frame):
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("auditlog."):
            function = frame.f_code.co_qualname.partition(".<locals>")[0]
            place = f"{module.removeprefix('auditlog.')}.{function}"
            yield place
            if not _HELPERS.match(place):
                return
        frame = frame.f_back

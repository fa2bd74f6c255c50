"""
Every error of psycopg has one of ours.
"""

from __future__ import annotations

import psycopg
import pytest

from psycopg import errors

from auditlog.errors import (
    EventRefusedError,
    SinkError,
    SinkSetupError,
    SinkUnavailableError,
)
from auditlog.postgres import PostgresSink
from auditlog.postgres.errors import LockedError, translate
from auditlog.testing.contracts import make_record


TRANSIENT = {"08", "25", "40", "53", "57", "58"}
EVENTS = {"22", "23", "44", "54", "P0"}
EXCEPTIONS = {
    "23505": SinkSetupError,
    "25006": SinkSetupError,
    "55006": SinkUnavailableError,
    "40P01": LockedError,
    "55P03": LockedError,
    "57P04": SinkSetupError,
    "XX000": SinkUnavailableError,
}


def every_state():
    classes = {
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, psycopg.Error)
    }
    stack = list(classes)
    while stack:
        found = stack.pop().__subclasses__()
        stack += [each for each in found if each not in classes]
        classes.update(found)
    return sorted(
        {each for each in classes if each.sqlstate},
        key=lambda each: each.sqlstate,
    )


def test_the_walk_finds_them():
    """
    It would be no use if it found none.
    """
    states = {each.sqlstate for each in every_state()}

    assert len(states) > 200
    assert {"40001", "55P03", "25006", "42501", "53100", "57P01"} <= states


@pytest.mark.parametrize(
    "cls", every_state(), ids=lambda each: f"{each.sqlstate}-{each.__name__}"
)
def test_every_sqlstate(cls):
    """
    By its class; what is unknown is a fault of the set-up, never the event's.
    """
    state = cls.sqlstate
    default = SinkSetupError
    if state[:2] in TRANSIENT:
        default = SinkUnavailableError
    elif state[:2] in EVENTS:
        default = EventRefusedError

    error = translate(cls("canary"), "can't do it")

    assert EXCEPTIONS.get(state, default) is type(error)
    assert str(error).startswith("can't do it: ")
    assert f"SQLSTATE {state}" in str(error)
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.OperationalError("connection refused"), SinkUnavailableError),
        (psycopg.OperationalError(""), SinkUnavailableError),
        (psycopg.InterfaceError("closed"), SinkUnavailableError),
        (psycopg.errors.ConnectionTimeout("expired"), SinkUnavailableError),
        (psycopg.DataError("canary"), EventRefusedError),
        (psycopg.ProgrammingError("canary"), SinkSetupError),
        (psycopg.NotSupportedError("canary"), SinkSetupError),
        (psycopg.InternalError("canary"), SinkSetupError),
        (psycopg.Error("canary"), SinkSetupError),
        (
            psycopg.OperationalError(
                'FATAL:  password authentication failed for user "x"'
            ),
            SinkSetupError,
        ),
        (
            psycopg.OperationalError("FATAL:  sorry, too many clients"),
            SinkUnavailableError,
        ),
        (
            psycopg.OperationalError("FATAL:  the system is starting up"),
            SinkUnavailableError,
        ),
    ],
)
def test_errors_of_the_driver_itself(error, expected):
    """
    Those without an SQLSTATE.
    """
    found = translate(error, "can't do it")

    assert type(found) is expected
    assert isinstance(found, SinkError)
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("call", "args", "doing"),
    [
        ("write", [[make_record()]], "store audit events"),
        ("read", [0, 9], "read the journal"),
        ("size", [], "read the journal"),
        ("position", ["x"], "read the position of relay 'x'"),
        ("lease", ["x"], "acquire the lease of relay 'x'"),
        ("status", [], "look at the journal"),
        ("dead_letters", ["x"], "read dead letters of relay 'x'"),
        ("redriven", ["x", 1], "change a dead letter of relay 'x'"),
        ("refused_again", ["x", 1, "no"], "change a dead letter of relay 'x'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_error_says_what_could_not_be_done(call, args, doing):
    """
    And in which database; here no server listens.
    """
    sink = PostgresSink("postgresql://u@127.0.0.1:1/audit")
    with pytest.raises(SinkUnavailableError) as caught:
        getattr(sink, call)(*args)

    where = "PostgreSQL database 'audit' at 127.0.0.1:1"
    assert str(caught.value).startswith(f"can't {doing} in {where}: ")

from __future__ import annotations

import logging

import pytest

from auditlog._engine.failures import FailureLog
from auditlog.errors import SinkUnavailableError
from auditlog.testing.clock import FakeClock


log = logging.getLogger("auditlog.test")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def failures(clock, caplog):
    caplog.set_level(logging.DEBUG, "auditlog.test")
    return FailureLog(
        log, who="relay 'x'", waiting=lambda: 7, interval=30, clock=clock
    )


def errors(caplog):
    return [
        r.getMessage() for r in caplog.records if r.levelno == logging.ERROR
    ]


def test_failure_is_said_at_once_and_every_30_s(failures, clock, caplog):
    """
    One line for a failure that lasts, whatever the number of attempts.
    """
    for _ in range(90):
        failures.failed(SinkUnavailableError("away"))
        clock.advance(1)

    assert ["Failed to publish audit log event: away"] * 3 == errors(caplog)


def test_new_reason_is_said_at_once(failures, clock, caplog):
    """
    The reason changed: that is news. Two that alternate are no flood.
    """
    for _ in range(10):
        failures.failed(SinkUnavailableError("away"))
        failures.failed(SinkUnavailableError("no permission"))
        clock.advance(1)

    assert 2 == len(errors(caplog))


def test_repeat_comes_when_it_is_due(failures, clock, caplog):
    """
    During a long pause the line is repeated without an attempt.
    """
    failures.failed(SinkUnavailableError("away"))
    clock.advance(29)
    failures.repeat()
    assert (1, 1.0) == (len(errors(caplog)), failures.due())

    clock.advance(1)
    failures.repeat()

    assert 2 == len(errors(caplog))


def test_recovery_is_said_once(failures, clock, caplog):
    """
    How long it lasted; without a failure before, nothing.
    """
    failures.worked()
    failures.failed(SinkUnavailableError("away"))
    clock.advance(42)
    failures.worked()
    failures.worked()

    (line,) = [r for r in caplog.records if r.levelno == logging.INFO]
    assert line.getMessage() == (
        "Publishing audit log events works again after 42.0 s"
    )
    assert line.auditlog_by == "relay 'x'"


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        (None, ["relay 'x' keeps the events that wait and tries again"]),
        (0, []),  # the caller was told
        (1, ["relay 'x' keeps 1 event that waits and tries again"]),
        (2, ["relay 'x' keeps 2 events that wait and tries again"]),
    ],
)
def test_what_is_kept_is_said(waiting, said, caplog):
    """
    Whoever reads of a failure learns that nothing is lost with it.
    """
    failures = FailureLog(log, who="relay 'x'", waiting=lambda: waiting)

    failures.failed(SinkUnavailableError("away"))

    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert said == [record.getMessage() for record in warnings]


def test_foreign_error_is_named_and_not_quoted(failures, caplog):
    """
    A driver's text may hold content of an event.
    """
    failures.failed(ValueError("canary"))

    assert ["Failed to publish audit log event: ValueError"] == errors(caplog)
    assert "canary" not in caplog.text

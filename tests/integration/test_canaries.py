"""
Content of events and secrets stay where they belong, whatever goes wrong.
"""

from __future__ import annotations

import contextlib
import logging
import sys

from urllib.parse import urlsplit

import attrs
import pytest

from auditlog import (
    Actor,
    AuditLogConfig,
    AuditLogPublisher,
    Change,
    InMemorySink,
    PostgresReader,
    PostgresSink,
    RequestContext,
    Resource,
    SpoolSink,
)
from auditlog._engine import failures
from auditlog.config import DatabaseConfig
from auditlog.errors import AuditLogError, PartialWriteError
from tests.cli_tools import invoke
from tests.kafka_tools import make_event
from tests.postgres_tools import execute
from tests.seen_failing import against, check
from tests.shown import CANARY


def full_event(**changes):
    """
    An event that has the canary wherever text can be, but for its type.
    """
    actor = Actor(id=CANARY, type=CANARY, name=CANARY, email=CANARY)
    return make_event(
        **{
            "actor": attrs.evolve(actor, on_behalf_of=actor),
            "resource": Resource(type="topic", id=CANARY, name=CANARY),
            "code": CANARY,
            "reason": CANARY,
            "changes": [Change(path=CANARY, old=CANARY, new=CANARY)],
            "request": RequestContext(id=CANARY, user_agent=CANARY),
            "correlation_id": CANARY,
            "causation_id": CANARY,
            "tenant": CANARY,
            "severity": CANARY,
            "metadata": {CANARY: CANARY},
            **changes,
        }
    )


class Quoting(InMemorySink):
    """
    A sink whose first answers quote what they got.
    """

    def __init__(self):
        super().__init__()
        self.answers = [ValueError, OSError, self.refusal]

    def refusal(self, text):
        return PartialWriteError([], {self.id: ValueError(text)})

    def write(self, records):
        self.id = records[0].event_id
        if self.answers:
            raise self.answers.pop(0)(records[0].body.decode())
        super().write(records)


@pytest.fixture
def shown(caplog):
    """
    All that is said in whichever way, as text.
    """
    caplog.set_level(logging.DEBUG)
    said = []
    yield said
    caplog.clear()


def lines(caplog):
    formatter = logging.Formatter()
    return [formatter.format(record) for record in caplog.records]


@contextlib.contextmanager
def told(shown):
    """
    Show an error of ours as who logs it does, without its cause.
    """
    with pytest.raises(AuditLogError) as caught:
        yield
    shown += [str(caught.value), repr(caught.value)]


@pytest.fixture
def url(database_url):
    """
    As an application has it, with a password.
    """
    address = urlsplit(database_url)
    netloc = address.netloc.replace("@", f":{CANARY}@")
    return address._replace(netloc=netloc).geturl()


def publish_all(url, publisher, shown):
    """
    An event that is stored, one that conflicts, and one that a constraint
    refuses, whose error quotes the row.
    """
    first = publisher.publish(full_event())
    shown.append(repr(first))
    execute(
        url,
        "ALTER TABLE audit.event ADD CONSTRAINT no_denied "
        "CHECK (outcome <> 'denied')",
    )
    for changes in ({"event_id": first.event_id}, {"outcome": "denied"}):
        with told(shown):
            publisher.publish(full_event(**changes))
        receipt = publisher.enqueue(full_event(**changes))
        with told(shown):
            receipt.result(20)
        shown.append(repr(receipt))


def test_content_and_secrets_stay_where_they_belong(
    url, tmp_path, shown, caplog
):
    """
    Neither logs at any level, nor errors, reprs, numbers and the command line
    show them, while sinks quote them and the database is not there.
    """
    environ = {"CDK_DATABASE_URL": url}
    sink, quoting = PostgresSink(url), Quoting()
    relays = {"quoting": quoting}
    with AuditLogPublisher(sink, relays=relays) as publisher:
        publish_all(url, publisher, shown)
        publisher.wait_delivered(20)
        shown += [publisher.stats(), sink.status(), publisher, sink]
    (letter,) = sink.dead_letters("quoting")
    shown.append(letter.reason)
    for command in ("status", "doctor"):
        result = invoke(command, "--json", **environ)
        shown += [result.output, result.stderr]

    away = urlsplit(url)._replace(netloc=f"a:{CANARY}@127.0.0.1:1").geturl()
    spool = SpoolSink(tmp_path / "spool")
    with AuditLogPublisher(PostgresSink(away), fallback=spool) as publisher:
        publisher.publish(full_event(), timeout=20)
        shown += [publisher.stats(), spool.status(), spool, publisher]
    with told(shown):
        PostgresSink(away).size()
    with told(shown):
        list(PostgresReader(away))
    shown += [AuditLogConfig.from_env(environ), DatabaseConfig(url=away)]

    assert [] == [
        text
        for text in [*map(str, shown), *map(repr, shown), *lines(caplog)]
        if CANARY in text
    ]


def quotes_errors_of_others(patch):
    """
    Whatever a sink raises is told with its text.
    """
    for module in [*sys.modules.values()]:
        if getattr(module, "describe", None) is failures.describe:
            patch.setattr(module, "describe", str)


def logs_tracebacks(patch):
    """
    A failure is logged with all that hangs on it.
    """

    def failed(self, error):
        logging.getLogger("auditlog").error("failed", exc_info=error)
        fail(self, error)

    fail = failures.FailureLog.failed
    patch.setattr(failures.FailureLog, "failed", failed)


@pytest.mark.parametrize(
    ("test", "variant", "given"),
    [
        against(test_content_and_secrets_stay_where_they_belong, variant)
        for variant in (quotes_errors_of_others, logs_tracebacks)
    ],
)
def test_variant_is_noticed(request, test, variant, given):
    """
    What is promised of ours does not hold there, and its test says so.
    """
    check(request, test, variant, given)

"""
``auditlog status`` on a real database.
"""

from __future__ import annotations

import json

from contextlib import closing

import pytest

from auditlog.abc import DeadLetter
from auditlog.postgres import PostgresSink, grant_roles, init_schema
from tests.cli_tools import invoke
from tests.postgres_tools import execute, make_records, opened, until


RELAY = "prod/audit"
TOPIC = {
    "CDK_AUDITLOGPUBLISHER_CLUSTER": "prod",
    "CDK_AUDITLOGPUBLISHER_TOPICNAME": "audit",
    "CDK_CLUSTERS_0_ID": "prod",
    "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "localhost:1",
}
INSERT = (
    "INSERT INTO audit.event (id, occurred_at, event_type, resource, outcome, "
    "body) VALUES (gen_random_uuid(), now(), 'A.B', 'c/d', 'success', '{}')"
)


@pytest.fixture
def sink(database_url):
    init_schema(database_url)
    with closing(PostgresSink(database_url)) as sink:
        yield sink


@pytest.fixture
def run(database_url):
    def run(*arguments, **environ):
        environ = {"CDK_DATABASE_URL": database_url, **TOPIC, **environ}
        return invoke("status", *arguments, **environ)

    return run


def looked(result):
    found = json.loads(result.stdout)
    states = {each["check"]: each["state"] for each in found["findings"]}
    assert result.exit_code == ("failed" in states.values())
    return found["journals"], states


def test_configured_relay_is_told_of_before_it_ever_ran(run, sink):
    """
    What it will have to deliver is behind already.
    """
    sink.write(make_records(3))

    (journal,), states = looked(run("--json"))

    (relay,) = journal["relays"]
    assert (RELAY, 0, 3) == (
        relay["relay"],
        relay["position"],
        relay["behind"],
    )
    assert {"ok"} == set(states.values())
    assert sink.size() == 0


def test_relay_that_is_late(run, sink):
    """
    Exits with 1 from the lag on that was asked for.
    """
    sink.write(make_records(3))

    (journal,), states = looked(run("--json", "--max-lag", "0"))
    shown = run("--max-lag", "0")

    assert states["relay.progress"] == "failed"
    assert journal["oldest_age"] > 0
    assert (1, True) == (shown.exit_code, "1 failed" in shown.stdout)


def test_dead_letters(run, sink):
    """
    Need attention until they were sent again.
    """
    sink.write(make_records(1))
    record = sink.read(0, 1)[0]
    sink.lease(RELAY).advance(1, [DeadLetter(record=record, reason="no")])
    before = looked(run("--json"))[1]
    sink.redriven(RELAY, 1)
    after = looked(run("--json"))[1]

    assert ("failed", "ok") == (
        before["relay.dead_letters"],
        after["relay.dead_letters"],
    )


def test_transaction_that_holds_back(run, sink, database_url, monkeypatch):
    """
    Needs attention when it is old; who it is stands there.
    """
    monkeypatch.setattr("auditlog.cli.status.HELD_BACK", 0.05)
    with opened(database_url, INSERT) as slow:
        pid = slow.info.backend_pid
        until(lambda: sink.status().held_back.age > 0.05)
        result = run("--json")
    (journal,), states = looked(result)

    assert states["journal.order"] == "failed"
    assert pid == journal["held_back"]["pid"]
    assert f"pg_terminate_backend({pid})" in result.stdout
    assert looked(run("--json"))[1]["journal.order"] == "ok"


def test_database_without_tables(run, database_url):
    """
    Is said to have none; a look makes none.
    """
    journals, states = looked(run("--json"))

    assert ([], {"journal": "failed"}) == (journals, states)
    assert [] == execute(
        database_url, "SELECT FROM pg_namespace WHERE nspname = 'audit'"
    )


def test_database_that_is_away(run):
    """
    Exits with 1, and as JSON if that was asked for.
    """
    url = "postgresql://u:c4n4ry@127.0.0.1:1/x"
    result = run("--json", CDK_DATABASE_URL=url)

    assert ([], {"journal": "failed"}) == looked(result)
    assert "c4n4ry" not in result.output


def test_reader_may_look(run, sink, database_url, make_role):
    """
    A role for monitoring needs to change nothing.
    """
    role = make_role("watch")
    grant_roles(database_url, readers=[role.username])
    sink.write(make_records(1))
    url = database_url.replace("postgres@", f"{role.username}@")

    (journal,), _ = looked(run("--json", CDK_DATABASE_URL=url))

    assert journal["waiting"] == 1


def test_no_content_is_shown(run, sink):
    """
    Neither of events nor of dead letters.
    """
    records = make_records(1)
    sink.write(records)
    record = sink.read(0, 1)[0]
    letter = DeadLetter(record=record, reason="c4n4ry")
    sink.lease(RELAY).advance(1, [letter])

    result = run("--json")

    assert "c4n4ry" not in result.output
    assert str(records[0].event_id) not in result.output

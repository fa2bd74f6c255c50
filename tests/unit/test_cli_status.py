"""
``auditlog status``: what needs attention in a journal, and in spools.
"""

from __future__ import annotations

import json

import attrs
import pytest

from auditlog.cli.status import Judge
from auditlog.spool import SpoolSink
from auditlog.status import HeldBack, JournalStatus, RelayStatus
from tests.cli_tools import invoke
from tests.spool_tools import flip, make_records, segments


def make_journal(*relays, **values):
    return JournalStatus(where="here", size=9, relays=relays, **values)


def make_relay(**values):
    return RelayStatus(**{"relay": "a", "position": 9, "behind": 0, **values})


TOPIC = {
    "CDK_AUDITLOGPUBLISHER_CLUSTER": "x",
    "CDK_AUDITLOGPUBLISHER_TOPICNAME": "audit",
    "CDK_CLUSTERS_0_ID": "x",
    "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "localhost:1",
}
BEHIND = {"position": 4, "behind": 5, "expires_in": 9.0}


def judge(journal, configured=("a",), max_lag=60.0):
    found = {}
    for each in Judge(configured, max_lag)(journal):
        assert each.state == "ok" or each.way_out
        found[each.check] = each
    return found


def states(found):
    return {check: each.state for check, each in found.items()}


def test_all_is_well():
    """
    Each thing that was looked at is named.
    """
    found = judge(make_journal(make_relay(), stored_bytes=1, max_bytes=9))

    assert {
        "journal": "ok",
        "journal.order": "ok",
        "journal.space": "ok",
        "journal.damage": "ok",
        "relay.progress": "ok",
        "relay.dead_letters": "ok",
    } == states(found)


@pytest.mark.parametrize(
    ("age", "state"), [(0.1, "ok"), (29.9, "ok"), (30.0, "failed")]
)
def test_transaction_may_hold_back_for_30_s(age, state):
    """
    From then on it is a fault, with who it is and how to end it.
    """
    held = HeldBack(age=age, pid=7, application_name="web")

    found = judge(make_journal(held_back=held))["journal.order"]

    assert state == found.state
    assert "by backend 7 of 'web'" in found.detail
    if state == "failed":
        assert "pg_terminate_backend(7)" in found.way_out


@pytest.mark.parametrize(
    ("waiting_age", "expires_in", "state"),
    [
        (31.0, 9.0, "failed"),
        (29.0, 9.0, "ok"),
        (None, 9.0, "ok"),
        (31.0, None, "ok"),  # nobody would have given an index
    ],
)
def test_age_that_may_not_be_seen(waiting_age, expires_in, state):
    """
    It is that for which others have waited, if a relay runs.
    """
    journal = make_journal(
        make_relay(expires_in=expires_in),
        held_back=HeldBack(age=None, pid=7),
        waiting=3,
        waiting_age=waiting_age,
    )

    assert state == judge(journal)["journal.order"].state


@pytest.mark.parametrize(
    ("values", "configured", "state"),
    [
        ({"oldest_age": 60.0}, ["a"], "ok"),
        ({"oldest_age": 60.1}, ["a"], "failed"),
        ({"oldest_age": 60.1}, ["b"], "warning"),
    ],
)
def test_relay_may_be_behind_for_as_long_as_was_said(
    values, configured, state
):
    """
    One that isn't configured here may be gone for good: it is warned of.
    """
    found = judge(make_journal(make_relay(**BEHIND, **values)), configured)

    assert state == found["relay.progress"].state
    assert "is at 4, 5 behind, the oldest for 60 s" in (
        found["relay.progress"].detail
    )


def test_relay_that_nobody_runs():
    """
    Is said to be one, where the journal knows who has the lease.
    """
    relay = make_relay(position=4, behind=5, oldest_age=99.0)

    database = judge(make_journal(relay))["relay.progress"]
    spool = judge(make_journal(relay, stored_bytes=1))["relay.progress"]

    assert "nobody runs it" in database.detail
    assert "nobody runs it" not in spool.detail


@pytest.mark.parametrize(
    ("configured", "state"), [(["a"], "failed"), ([], "warning")]
)
def test_dead_letters_need_somebody(configured, state):
    """
    However few they are.
    """
    found = judge(make_journal(make_relay(dead_letters=1)), configured)

    assert state == found["relay.dead_letters"].state


@pytest.mark.parametrize(
    ("used", "state"),
    [(49, "ok"), (50, "warning"), (79, "warning"), (80, "failed")],
)
def test_spool_that_fills_up(used, state):
    """
    At the steps at which it warns in its own process.
    """
    found = judge(make_journal(stored_bytes=used, max_bytes=100))

    assert state == found["journal.space"].state


def test_damage_needs_somebody():
    """
    Even one event.
    """
    found = judge(make_journal(stored_bytes=1, lost=1))

    assert found["journal.damage"].state == "failed"


class TestSpool:
    """
    The folders of a configured spool, which other processes may have.
    """

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "spool"

    @pytest.fixture
    def sink(self, path):
        sink = SpoolSink(path)
        sink.write(make_records(3))
        yield sink
        sink.close()

    def run(self, path, *arguments):
        return invoke("status", *arguments, AUDITLOG_SPOOL_PATH=str(path))

    def test_that_a_living_process_has(self, path, sink):
        """
        Is looked at without its lock, and left as it was.
        """
        result = self.run(path, "--json")
        found = json.loads(result.stdout)

        assert (0, "") == (result.exit_code, result.stderr)
        (journal,) = found["journals"]
        assert attrs.asdict(sink.status()) == journal | {"relays": ()}
        assert {"ok"} == {each["state"] for each in found["findings"]}
        sink.write(make_records(1))
        assert [sink.folder] == [*path.iterdir()]

    def test_that_nobody_relays_yet(self, path, sink):
        """
        The configured relay is told of, with all that it has to deliver.
        """
        result = invoke(
            "status",
            "--json",
            "--max-lag=0",
            AUDITLOG_SPOOL_PATH=str(path),
            **TOPIC,
        )
        found = json.loads(result.stdout)

        assert result.exit_code == 1
        (relay,) = found["journals"][0]["relays"]
        assert ("x/audit", 3) == (relay["relay"], relay["behind"])

    def test_for_people(self, path, sink):
        """
        A table with a line each, and a summary.
        """
        result = self.run(path)

        assert result.exit_code == 0
        assert "journal.space" in result.stdout
        assert "All is well." in result.stdout

    def test_that_was_damaged(self, path, sink):
        """
        Exits with 1, in both forms, and says where to look.
        """
        flip(segments(sink)[0], 800)
        sink.close()
        sink.read(0, 9)

        shown, data = self.run(path), self.run(path, "--json")

        assert (1, 1) == (shown.exit_code, data.exit_code)
        assert "quarantine" in shown.stdout
        (failed,) = [
            each
            for each in json.loads(data.stdout)["findings"]
            if each["state"] == "failed"
        ]
        assert failed["check"] == "journal.damage"

    def test_that_is_not_there(self, path):
        """
        May come yet: a warning, and nothing is made.
        """
        result = self.run(path, "--json")

        assert result.exit_code == 0
        assert json.loads(result.stdout)["journals"] == []
        assert "warning" in result.stdout
        assert not path.exists()


def test_topic_alone_is_no_journal():
    """
    There is nothing to look at; what to run instead is said.
    """
    result = invoke("status", **TOPIC)

    assert (1, "") == (result.exit_code, result.stdout)
    assert "auditlog doctor" in result.stderr


def test_nothing_configured():
    """
    As for every command.
    """
    result = invoke("status", "--json")

    assert (1, "") == (result.exit_code, result.stdout)
    assert "nothing is configured" in result.stderr

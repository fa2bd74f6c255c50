"""
``auditlog config``: what is set, where, and what is wrong.
"""

from __future__ import annotations

import json

import pytest

from click.testing import CliRunner

from auditlog.cli.commands import auditlog
from auditlog.config import AuditLogConfig
from auditlog.config.settings import table


ENVIRON = {
    "CDK_DATABASE_URL": "postgresql://me:c4n4ry@h/db?password=c4n4ry",
    "CDK_DATABASE_PASSWORD": "c4n4ry",
    "CDK_DATABASE_HOSTS_0_HOST": "a",
    "CDK_DATABASE_HOSTS_1_HOST": "b",
    "AUDITLOG_DATABASE_CREATE_SCHEMA": "no",
    "CDK_CLUSTERS_0_ID": "my-kafka-cluster",
    "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "h:1,i:2",
    "CDK_CLUSTERS_0_PROPERTIES": "#c4n4ry",
}


@pytest.fixture
def run(monkeypatch):
    for name in ("CDK_IN_CONF_FILE", "CDK_ENV_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, **environ):
        runner = CliRunner()
        return runner.invoke(
            auditlog, ["config", *arguments], env={"COLUMNS": "200", **environ}
        )

    return run


def test_values_and_sources(run):
    """
    Each setting that there is, and none of its secrets.
    """
    result = run("show", "--json", **ENVIRON)

    shown = {
        each["setting"]: (each["value"], each["source"])
        for each in json.loads(result.stdout)
    }
    assert result.exit_code == 0
    assert "c4n4ry" not in result.output
    assert shown["database.url"] == ("postgresql://h/db", "CDK_DATABASE_URL")
    assert shown["database.password"] == ("***", "CDK_DATABASE_PASSWORD")
    assert shown["database.hosts[1].host"] == (
        "b",
        "CDK_DATABASE_HOSTS_1_HOST",
    )
    assert shown["database.hosts[1].port"] == ("5432", "default")
    assert shown["database.name"] == (None, "default")
    assert shown["database.create_schema"] == (
        "false",
        "AUDITLOG_DATABASE_CREATE_SCHEMA",
    )
    assert shown["clusters[0].name"] == ("my-kafka-cluster", "default")
    assert shown["clusters[0].bootstrapServers"] == (
        "h:1,i:2",
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS",
    )
    assert {each.dotted for each in table(AuditLogConfig)} == {
        setting.translate(str.maketrans("", "", "01")) for setting in shown
    }


def test_table(run, tmp_path):
    """
    The same for people; what a file says is told to be from it.
    """
    path = tmp_path / "audit.yaml"
    path.write_text("codec: conduktor")

    result = run("show", "--config", str(path), **ENVIRON)

    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["setting", "value", "source"]
    assert ["database.password", "***", "CDK_DATABASE_PASSWORD"] in lines
    assert ["codec", "conduktor", "in", str(path)] in lines
    assert "c4n4ry" not in result.output


def test_values_are_printed_as_they_are(run):
    """
    Nothing in them is markup.
    """
    result = run(
        "show",
        CDK_CLUSTERS_0_ID="[/]",
        CDK_CLUSTERS_0_NAME="[red]:smile:",
        CDK_CLUSTERS_0_BOOTSTRAPSERVERS="[fe80::1]:9092",
    )

    assert result.exit_code == 0
    for value in ("[/]", "[red]:smile:", "[fe80::1]:9092"):
        assert f" {value} " in result.stdout


def test_nothing_set(run):
    """
    Settings of clusters that there are none of are left out.
    """
    shown = json.loads(run("show", "--json").stdout)

    assert "codec" in {each["setting"] for each in shown}
    assert not [each for each in shown if "[" in each["setting"]]
    assert run("check").stdout == "No mistakes.\n"


@pytest.mark.parametrize("command", ["show", "check"])
def test_every_mistake(run, command):
    """
    A line each, apart from the output, and exit code 1.
    """
    result = run(
        command, CDK_DATABASE_URL="c4n4ry", AUDITLOG_CODEC="xml", AUDITLOG_X=""
    )

    assert result.exit_code == 1
    assert result.stdout == ""
    assert {
        line.partition(" @ ")[2] for line in result.stderr.splitlines()
    } == {
        "database.url (CDK_DATABASE_URL)",
        "codec (AUDITLOG_CODEC)",
        "AUDITLOG_X",
    }
    assert "c4n4ry" not in result.output


def test_file_that_is_absent(run, tmp_path):
    """
    Is one of the mistakes.
    """
    result = run("check", "--config", str(tmp_path / "audit.yaml"))

    assert result.exit_code == 1
    assert "can't be read (No such file or directory) @ " in result.stderr

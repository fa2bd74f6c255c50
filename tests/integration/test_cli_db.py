"""
``auditlog db``: the tables and who may do what there, from a terminal.
"""

from __future__ import annotations

import json
import os

import pytest

from click.testing import CliRunner

from auditlog.cli.commands import auditlog
from auditlog.postgres import grant_sql, inspect_database, schema_sql
from auditlog.testing.services import free_port
from tests.fix_pages import is_setting
from tests.postgres_tools import execute


CREATED = "Created schema 'audit' with its tables.\n"
THERE = "Nothing to do: there already is schema 'audit' with its tables.\n"


@pytest.fixture
def run(monkeypatch):
    for name in filter(is_setting, list(os.environ)):
        monkeypatch.delenv(name)

    def run(*arguments, url=None, **environ):
        if url is not None:
            environ["CDK_DATABASE_URL"] = url
        return CliRunner().invoke(
            auditlog, ["db", *arguments], env={"COLUMNS": "200", **environ}
        )

    return run


def test_init(run, database_url):
    """
    Creates, even where applications may not; then there is nothing to do.
    """
    environ = {"url": database_url, "AUDITLOG_DATABASE_CREATE_SCHEMA": "no"}

    first, second = run("init", **environ), run("init", **environ)

    assert (first.exit_code, first.output) == (0, CREATED)
    assert (second.exit_code, second.output) == (0, THERE)
    assert [(1,)] == execute(
        database_url, "SELECT version FROM audit.schema_version"
    )


def test_init_over_tables_of_others(run, database_url):
    """
    Is refused with the way out.
    """
    execute(database_url, "CREATE SCHEMA audit; CREATE TABLE audit.tree ()")

    result = run("init", url=database_url)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "database.schema" in result.stderr


def test_sql_for_review(run, database_url):
    """
    Needs no database, and is what would run.
    """
    init = run(
        "init", "--sql", AUDITLOG_DATABASE_SCHEMA="log", url="postgresql://h/d"
    )
    grant = run("grant", "--sql", "--writer", "A", "--writer", "b")

    assert init.output == f"{schema_sql('log')}\n"
    assert grant.output == f"{grant_sql('audit', writers=['A', 'b'])}\n"


def test_file(run, database_url, tmp_path):
    """
    The settings may stand in one.
    """
    path = tmp_path / "audit.yaml"
    path.write_text(f"database: {{url: '{database_url}', schema: mine}}")

    result = run("init", "-c", str(path))

    assert result.output == "Created schema 'mine' with its tables.\n"


def test_check(run, database_url):
    """
    0 if nothing is wrong, 1 if something is; the way out is shown.
    """
    by_hand = {"CDK_DATABASE_CREATESCHEMA": "false"}
    before = run("check", url=database_url, **by_hand)
    run("init", url=database_url)
    after = run("check", url=database_url)

    assert before.exit_code == 1
    assert "→ run auditlog db init" in map(
        str.strip, before.output.splitlines()
    )
    assert after.exit_code == 0
    lines = [line.split()[:2] for line in after.output.splitlines()]
    assert ["ok", "database.append_only"] in lines
    assert ["warning", "database.owner"] in lines


def test_check_as_json(run, database_url):
    """
    The findings of the library, whole.
    """
    run("init", url=database_url)
    result = run("check", "--json", url=database_url)

    assert result.exit_code == 0
    assert json.loads(result.stdout) == [
        {
            "check": each.check,
            "state": each.state,
            "detail": each.detail,
            "way_out": each.way_out,
        }
        for each in inspect_database(database_url)
    ]


def test_check_what_a_role_is(run, database_url, make_role):
    """
    ``--need`` turns what is not there into a failure.
    """
    writer = make_role("writer")
    run("init", url=database_url)
    run("grant", "--writer", writer.username, url=database_url)
    environ = {
        "CDK_DATABASE_HOST": writer.host,
        "CDK_DATABASE_PORT": str(writer.port),
        "CDK_DATABASE_NAME": writer.name,
        "CDK_DATABASE_USERNAME": writer.username,
    }

    assert run("check", **environ).exit_code == 0
    assert run("check", "--need", "writer", **environ).exit_code == 0
    found = run("check", "--need", "writer", "--need", "relay", **environ)
    assert found.exit_code == 1
    way_out = f"auditlog db grant --relay {writer.username}"
    assert way_out in " ".join(found.output.split())


def test_upgrade(run, database_url):
    """
    Says what to do if there is nothing that it can do.
    """
    absent = run("upgrade", url=database_url)
    run("init", url=database_url)
    done = run("upgrade", url=database_url)
    execute(database_url, "INSERT INTO audit.schema_version VALUES (7)")
    newer = run("upgrade", url=database_url)

    assert (absent.exit_code, absent.stdout) == (1, "")
    assert absent.stderr.endswith("; run auditlog db init\n")
    assert (done.exit_code, done.output) == (
        0,
        "Nothing to do: schema 'audit' is up to date.\n",
    )
    assert newer.exit_code == 1
    assert "; install the newer auditlog-publisher" in newer.stderr


def test_grant(run, database_url, make_role):
    """
    A line for each, or nothing granted and 1.
    """
    run("init", url=database_url)
    one, two = make_role("one").username, make_role("two").username

    wrong = run("grant", "--reader", one, "--relay", "gone", url=database_url)
    right = run(
        *("grant", "--writer", one, "--relay", two, "--relay", one),
        url=database_url,
    )

    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "no role 'gone' in" in wrong.stderr
    assert "nothing was granted" in wrong.stderr
    assert (right.exit_code, right.output.splitlines()) == (
        0,
        [
            f"{one!r} has what a writer needs in schema 'audit'.",
            f"{two!r} has what a relay needs in schema 'audit'.",
            f"{one!r} has what a relay needs in schema 'audit'.",
        ],
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["grant"],
        ["check", "--need", "king"],
        ["upgrade", "now"],
        ["nonsense"],
    ],
)
def test_usage(run, arguments):
    """
    What can't be meant is exit code 2.
    """
    result = run(*arguments)

    assert result.exit_code == 2
    assert "Usage: " in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["init"],
        ["check"],
        ["check", "--json"],
        ["upgrade"],
        ["grant", "--writer", "x"],
    ],
)
def test_no_password_in_what_is_said(run, arguments):
    """
    However a server can't be reached.
    """
    url = f"postgresql://u:c4n4ry@127.0.0.1:{free_port()}/app"

    result = run(*arguments, url=url, CDK_DATABASE_PASSWORD="c4n4ry")

    assert result.exit_code == 1
    assert "127.0.0.1" in result.output
    assert "c4n4ry" not in result.output


@pytest.mark.parametrize("command", ["init", "check", "upgrade"])
def test_no_database(run, command):
    """
    The message names the setting.
    """
    result = run(command)

    assert result.exit_code == 1
    assert result.stderr == (
        "must be set, for instance CDK_DATABASE_URL @ database.url\n"
    )

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys

from pathlib import Path
from uuid import uuid4

import httpx
import jupytext
import nbformat
import pytest

import auditlog

from auditlog import PostgresReader
from tests import notebooks
from tests.notebooks import EXAMPLES


@pytest.fixture
def settings(database_url, bootstrap_servers):
    """
    What a user sets, for this test's own database and topic.
    """
    return {
        # A package that isn't installed is found by its processes, too.
        "PYTHONPATH": str(Path(auditlog.__file__).parents[1]),
        "CDK_DATABASE_URL": database_url,
        "CDK_AUDITLOGPUBLISHER_CLUSTER": "my-kafka-cluster",
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": f"example-{uuid4().hex}",
        "CDK_CLUSTERS_0_ID": "my-kafka-cluster",
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": bootstrap_servers,
    }


@pytest.fixture
def environment(settings, monkeypatch):
    """
    The settings in the environment of this process.
    """
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def lines(file):
    return file.read_text().splitlines()


def test_script(settings, tmp_path):
    """
    The script runs from anywhere and leaves both files.
    """
    done = subprocess.run(
        [sys.executable, EXAMPLES / "script.py"],
        env={**os.environ, **settings},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "denied: Kafka.Topic.Delete payments\n" in done.stdout
    assert len(lines(tmp_path / "audit.jsonl")) == 3
    assert len(lines(tmp_path / "audit.csv")) == 1 + 3


def test_fastapi_application(environment, database_url, monkeypatch):
    """
    Each answer comes with its event in the table, request and user included.
    """
    monkeypatch.syspath_prepend(str(EXAMPLES))
    app = importlib.import_module("fastapi_app").app

    approval, deletion = asyncio.run(
        send(app, ("POST", "/invoices/7/approval"), ("DELETE", "/invoices/7"))
    )

    events = [record.event for record in PostgresReader(database_url)]
    assert (approval.status_code, deletion.status_code) == (200, 403)
    assert [
        (e.actor.id, e.event_type, e.outcome, e.request.method) for e in events
    ] == [
        ("alice", "Billing.Invoice.Approve", "success", "POST"),
        ("alice", "Billing.Invoice.Delete", "denied", "DELETE"),
    ]
    assert approval.json() == {"audit_event": str(events[0].event_id)}


async def send(app, *requests):
    """
    The answers to *requests* of Alice, while the application lives.
    """
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport,
            base_url="http://localhost",
            headers={"x-user": "alice"},
        ) as client,
    ):
        return [await client.request(*request) for request in requests]


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_notebook_runs_and_shows_what_is_kept(name, environment, tmp_path):
    """
    Every cell runs on the services, and prints what the file says it does.
    """
    ran = notebooks.run(notebooks.notebook_of(name), tmp_path)

    kept = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    assert notebooks.texts(kept) == notebooks.texts(ran)
    assert notebooks.kinds(kept) == notebooks.kinds(ran)


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_notebook_is_its_script(name):
    """
    The notebook holds the cells of its script, each run once, in order.
    """
    script = jupytext.read(EXAMPLES / f"{name}.py")
    notebook = jupytext.read(EXAMPLES / f"{name}.ipynb")

    assert cells(script) == cells(notebook)
    code = [each for each in notebook.cells if each.cell_type == "code"]
    assert [each.execution_count for each in code] == [
        *range(1, len(code) + 1)
    ]
    assert any("assert " in each.source for each in code)


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_no_script_lacks_its_notebook():
    """
    What says that it is a notebook is one, and is run here.
    """
    paired = {
        path.stem
        for path in EXAMPLES.glob("*.py")
        if "jupytext" in path.read_text(encoding="utf-8")
    }

    assert paired == {*notebooks.NAMES}
    assert paired == {path.stem for path in EXAMPLES.glob("*.ipynb")}


def test_command_finds_services_of_its_own(tmp_path):
    """
    Who has no servers runs an example all the same, and hears how it ended.
    """
    with_services = [sys.executable, EXAMPLES / "with_services.py"]
    package = str(Path(auditlog.__file__).parents[1])

    done = subprocess.run(
        [*with_services, sys.executable, EXAMPLES / "script.py"],
        env={**os.environ, "PYTHONPATH": package},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(lines(tmp_path / "audit.jsonl")) == 3

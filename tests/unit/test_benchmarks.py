"""
That the benchmarks run; their figures mean nothing here.
"""

import json
import os
import subprocess
import sys

from pathlib import Path

import pytest


FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def run(tmp_path):
    def run(*options):
        """
        The rows that ``benchmarks --quick`` saves.
        """
        subprocess.run(
            [
                *(sys.executable, FOLDER, "--quick"),
                *(f"--results={tmp_path}", *options),
            ],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=120,
            check=True,
        )
        return json.loads((tmp_path / "latest.json").read_text())["rows"]

    return run


@pytest.mark.parametrize(
    ("contest", "number"),
    [("import", 3), ("memory", 3), ("codec", 5), ("spool", 2)],
)
def test_contest_runs_and_loses_nothing(run, contest, number):
    """
    Each contest without services gives its rows, and all events arrive.
    """
    rows = run("--only", contest)

    assert number == len(rows)
    assert {0} == {row["lost"] for row in rows}


def test_enqueue_and_opentelemetry_lose_nothing(run):
    """
    Both sides hand over all events.
    """
    pytest.importorskip("opentelemetry.sdk", reason="in group bench")

    rows = run("--only", "enqueue")

    assert [0, 0] == [row["lost"] for row in rows]
    assert all(row["ratio"] > 0 for row in rows)


def test_import_loads_no_driver(run):
    """
    ``import auditlog`` brings no driver along.
    """
    rows = run("--only", "import")

    assert 0 == rows[2]["ours"]

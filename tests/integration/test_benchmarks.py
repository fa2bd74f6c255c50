"""
That the benchmarks which need services run; their figures mean nothing here.
"""

import json
import os
import subprocess
import sys

from pathlib import Path


FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_contests_on_services_count_what_arrived(tmp_path):
    """
    All that take part store something in PostgreSQL and in Kafka, and ours
    loses nothing.
    """
    subprocess.run(
        [
            *(sys.executable, FOLDER, "--quick", f"--results={tmp_path}"),
            *("--only=postgres", "--only=kafka"),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=240,
        check=True,
    )

    rows = json.loads((tmp_path / "latest.json").read_text())["rows"]
    assert {"", "CPU"} == {row["what"] for row in rows}
    assert 0 == sum(
        row["lost"] for row in rows if row["contender"] == "auditlog"
    )
    for row in rows:
        stored = row["events"] * (row["rounds"] + 1) - row["lost"]
        assert row["verdict"] == "absent" or stored > 0

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def told(tmp_path_factory, postgres_server, kafka_server):
    """
    What the demo prints, and the folder where its files lie.
    """
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "auditlog", "demo", "-o", folder],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "" == done.stderr
    return done.stdout, folder


def test_unknown_cluster_and_recovery_are_shown(told):
    """
    The error line stands there word for word, and that it passed.
    """
    out, _ = told

    error = out.index(
        "ERROR auditlog.kafka  Failed to publish audit log event: "
        "Not found. Could not find cluster my-kafka-cluster\n"
    )
    assert error < out.index("Registering the cluster")
    assert out.index("Registering the cluster") < out.index("works again")


def test_bytes_are_proven_equal(told):
    """
    The hash that is shown for table and topic is that of the file.
    """
    out, folder = told
    digest = hashlib.sha256((folder / "audit.jsonl").read_bytes()).hexdigest()

    for place in ("table", "topic", "file"):
        (line,) = [x for x in out.splitlines() if x.startswith(f" {place} ")]
        assert [place, "300", digest] == line.split()
    assert "The bytes are the same in all three" in out


def test_day_is_believable(told):
    """
    A denied login and an unhappy update, with before and after.
    """
    out, _ = told

    assert "Iam.User.Login of user/mallory@example.net, denied" in out
    assert "config.retention.ms: 604800000 -> -2" in out
    assert "The last events in the table" in out


def test_files_are_where_it_says(told):
    """
    Three files, 300 rows each.
    """
    out, folder = told

    for name in ("audit.jsonl", "audit.csv", "records.csv"):
        size = (folder / name).stat().st_size
        assert f"{folder / name}  300 rows, {size} bytes" in out

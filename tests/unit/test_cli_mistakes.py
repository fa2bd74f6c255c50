"""
What is to be done about a mistake in the settings.
"""

from __future__ import annotations

import pytest

from auditlog.cli.mistakes import finding
from auditlog.findings import Finding


@pytest.mark.parametrize(
    ("mistake", "detail", "way_out"),
    [
        (
            "must be set @ clusters[0].id (CDK_CLUSTERS_0_ID)",
            "clusters[0].id (CDK_CLUSTERS_0_ID): must be set",
            "set CDK_CLUSTERS_0_ID",
        ),
        (
            "must be set @ clusters[0].id (in my file.yaml)",
            "clusters[0].id (in my file.yaml): must be set",
            "set clusters[0].id in my file.yaml",
        ),
        (
            "unknown setting; did you mean CDK_DATABASE_URL? @ CDK_DATABSE",
            "CDK_DATABSE: unknown setting",
            "rename CDK_DATABSE to CDK_DATABASE_URL",
        ),
        (
            "unknown setting; did you mean codec? @ codek (in a.yaml)",
            "codek (in a.yaml): unknown setting",
            "rename codek in a.yaml to codec",
        ),
        (
            "unknown setting @ AUDITLOG_X",
            "AUDITLOG_X: unknown setting",
            (
                "remove AUDITLOG_X, or look its name up: "
                "docs/reference/configuration.md lists all"
            ),
        ),
        (
            "must be text (got 7); put it in quotes @ codec (in a.yaml)",
            "codec (in a.yaml): must be text (got 7)",
            "correct codec in a.yaml: put it in quotes",
        ),
        (
            "must be 1 to 65535 (got 0) @ database.port (CDK_DATABASE_PORT)",
            "database.port (CDK_DATABASE_PORT): must be 1 to 65535 (got 0)",
            "correct CDK_DATABASE_PORT",
        ),
        (
            "can't be read (No such file) @ audit.yaml",
            "audit.yaml: can't be read (No such file)",
            "correct audit.yaml",
        ),
        ("two relays; keep one", "two relays", "keep one"),
        ("two relays", "two relays", "correct the settings"),
    ],
)
def test_mistake(mistake, detail, way_out):
    """
    The place comes first, and the way out names it as it is written.
    """
    assert finding(mistake) == Finding(
        "configuration", "failed", detail, way_out
    )

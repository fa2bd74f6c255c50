"""
What the tests of commands that reach services share.
"""

from __future__ import annotations

import json
import os

from click.testing import CliRunner

from auditlog.cli.commands import auditlog
from tests.fix_pages import is_setting


CLUSTER = "prod"


def bare():
    """
    An environment in which nothing is set.
    """
    return dict.fromkeys(filter(is_setting, os.environ))


def invoke(*arguments, **environ):
    """
    Run a command; whatever happens, it ends with an exit code of ours.
    """
    environ = {**bare(), "COLUMNS": "80", **environ}
    result = CliRunner().invoke(auditlog, arguments, env=environ)
    assert isinstance(result.exception, SystemExit | None)
    assert result.exit_code in {0, 1}
    return result


def diagnose(*arguments, **environ):
    """
    What ``auditlog doctor`` found, by check.

    Whatever it is, the exit code fits, each fault has its way out, nothing
    goes to the standard error, and no secret is shown.
    """
    result = invoke("doctor", "--json", *arguments, **environ)
    found = json.loads(result.stdout)

    failed = [each for each in found if each["state"] == "failed"]
    assert result.exit_code == bool(failed)
    assert result.stderr == ""
    for each in found:
        if each["state"] in {"failed", "warning"}:
            assert each["way_out"], each
    for secret in ("c4n4ry", "-secret", "hunter2", "PRIVATE KEY"):
        assert secret not in result.output
    return {each["check"]: each for each in found}


def told(finding):
    """
    A finding as a person reads it.
    """
    return f"{finding['state']}: {finding['detail']} → {finding['way_out']}"


def kafka_settings(server, topic, user="alice", **how):
    """
    What *user* sets to publish to *topic* at *server*.
    """
    protocol = how.pop("protocol", "SASL_SSL")
    how = {name: value for name, value in how.items() if value is not None}
    properties = (
        ""
        if protocol == "PLAINTEXT"
        else server.client_properties(user, protocol=protocol, **how)
    )
    return {
        "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": topic,
        "CDK_CLUSTERS_0_ID": CLUSTER,
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": server.address(protocol),
        "CDK_CLUSTERS_0_PROPERTIES": properties,
    }

"""
Where the code of README.md and docs/ runs, and with which services.
"""

from __future__ import annotations

import os
import re

from uuid import uuid4

import pytest

from auditlog.testing.services import create_database, drop_database


CLUSTER = "my-kafka-cluster"


def is_setting(name):
    """
    Whether a variable of that *name* would change what a page does.
    """
    return name.startswith(("CDK_", "AUDITLOG_")) and not name.startswith(
        "AUDITLOG_TEST_"
    )


@pytest.fixture(scope="module")
def page(request, tmp_path_factory):
    """
    An empty folder, and the services that a page asks for.

    A page that says ``<!-- services: postgres, kafka -->`` finds them by the
    variables that a user would set; database and topic are its own.
    """
    text = request.path.read_text(encoding="utf-8")
    wanted = re.search(r"<!-- services: (.*) -->", text)
    folder = tmp_path_factory.mktemp(request.path.stem)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in filter(is_setting, list(os.environ)):
            patch.delenv(name)
        for service in wanted[1].split(", ") if wanted else ():
            variables = request.getfixturevalue(f"{service}_variables")
            for name, value in variables.items():
                patch.setenv(name, value)
        yield folder


@pytest.fixture(scope="module")
def postgres_variables(postgres_url):
    """
    What a user sets to store events in a database, here an empty one.
    """
    name = f"page_{uuid4().hex}"
    yield {"CDK_DATABASE_URL": create_database(postgres_url, name)}
    drop_database(postgres_url, name)


@pytest.fixture(scope="module")
def kafka_variables(bootstrap_servers):
    """
    What a user sets to publish to a topic, here one that doesn't exist yet.
    """
    return {
        "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": f"page-{uuid4().hex}",
        "CDK_CLUSTERS_0_ID": CLUSTER,
        "CDK_CLUSTERS_0_NAME": "My Kafka cluster",
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": bootstrap_servers,
    }


@pytest.fixture(scope="module")
def own_variables(postgres_server, kafka_server):
    """
    Nothing: the page starts servers of its own, which can be had.
    """
    return {}

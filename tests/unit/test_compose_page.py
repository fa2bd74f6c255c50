"""
The page on Compose: its file fits together, and means what the page says.
"""

from __future__ import annotations

import pytest

from auditlog.config import AuditLogConfig
from auditlog.testing.services import _jars
from tests.compose_page import (
    MOUNTED,
    block,
    compose,
    environment,
    make_secrets,
)


@pytest.fixture
def services():
    return compose()["services"]


def test_application_knows_database_cluster_and_topic(tmp_path):
    """
    The application's variables load without a mistake, secrets from files
    included, and it connects as who may not make tables.
    """
    secrets = make_secrets(tmp_path)
    password = (secrets / "app_password").read_text()

    config = AuditLogConfig.from_env(environment("app", tmp_path))

    assert config.database.create_schema is False
    assert config.database.parameters() == {
        "host": "postgres",
        "port": "5432",
        "dbname": "audit",
        "user": "app",
        "password": password,
    }
    (cluster,) = config.clusters
    assert cluster.id == config.publisher.cluster
    assert cluster.bootstrap_servers == ("kafka:9092",)
    topic = config.publisher.topic_config
    assert (topic.partition, topic.replication_factor) == (1, 1)
    assert topic.settings() == {"retention.ms": "-1"}
    assert config.relay.run


def test_application_logs_in_with_the_password_that_the_user_gets(tmp_path):
    """
    The secret of the client and that of the user are made of one password.
    """
    secrets = make_secrets(tmp_path)

    config = AuditLogConfig.from_env(environment("app", tmp_path))

    client = config.clusters[0].client()
    password = client.login.password.reveal()
    assert (
        client.protocol,
        client.login.mechanism,
        client.login.username,
    ) == (
        "SASL_PLAINTEXT",
        "SCRAM-SHA-512",
        "audit",
    )
    assert (secrets / "kafka_user").read_text() == (
        f"SCRAM-SHA-512=password={password}\n"
    )
    assert len(password) == 48


def test_tables_are_made_as_their_owner(tmp_path, services):
    """
    Who makes the tables is whom the server's image makes, in the same
    database as the application's, and it grants to the application's role.
    """
    make_secrets(tmp_path)

    init = AuditLogConfig.from_env(environment("db-init", tmp_path)).database
    app = AuditLogConfig.from_env(environment("app", tmp_path)).database

    server = environment("postgres", tmp_path)
    assert init.username == server["POSTGRES_USER"]
    assert init.name == app.name == server["POSTGRES_DB"]
    assert init.schema == app.schema
    assert init.parameters()["password"] != app.parameters()["password"]
    assert (
        f"--writer {app.username} --relay {app.username}"
        in (services["db-init"]["command"][-1])
    )
    assert f"CREATE ROLE {app.username} " in block(
        "{code-block} text", "\\set"
    )


def test_file_fits_together(services):
    """
    Each service, secret and volume that one names is there, and who waits for
    a healthy one waits for one that has a check.
    """
    described = compose()
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            healthy = wanted["condition"] == "service_healthy"
            assert healthy == ("healthcheck" in services[name])
        assert set(service.get("secrets", ())) <= set(described["secrets"])
        mounts = [each.split(":") for each in service.get("volumes", ())]
        assert {
            source for source, *_ in mounts if not source.startswith("./")
        } <= set(described["volumes"])


def test_secrets_are_made_and_given_to_who_needs_them(tmp_path, services):
    """
    The page makes each secret, and no service is given one that it does not
    look for.
    """
    folder = make_secrets(tmp_path)

    described = compose()["secrets"]
    assert {each.name for each in folder.iterdir()} == set(described)
    assert {each["file"] for each in described.values()} == {
        f"./secrets/{name}" for name in described
    }
    looked_for = block("{code-block} text", "\\set")  # by the server
    for name, service in services.items():
        text = str(service) + looked_for * (name == "postgres")
        for secret in service.get("secrets", ()):
            assert f"{MOUNTED}{secret}" in text
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {
        0o644
    }


def test_no_value_is_a_secret_or_what_compose_refuses(services):
    """
    Variables are texts or numbers: Compose refuses `true`; and passwords are
    named by their files only.
    """
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            assert type(value) in {str, int}
            assert "$" not in str(value)
            if "PASSWORD" in name or name.endswith("CLUSTERS_0_PROPERTIES"):
                assert name.endswith("_FILE")


def test_broker_is_the_one_that_is_tested(services):
    """
    The image has the version of Apache Kafka that all tests run.
    """
    version = _jars.KAFKA.rsplit(":", 1)[-1]

    assert {f"apache/kafka:{version}"} == {
        services[name]["image"] for name in ("kafka", "kafka-init")
    }
    assert "ports" not in str(services)

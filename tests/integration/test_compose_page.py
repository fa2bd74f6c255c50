"""
The page on Compose, run without Docker: its settings on a real PostgreSQL and
a real broker, its commands and its application in processes of their own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest

from auditlog.config import AuditLogConfig
from auditlog.kafka import KafkaReader
from auditlog.testing.services import (
    KafkaServer,
    PostgresServer,
    _jars,
    free_port,
)
from tests.compose_page import (
    MOUNTED,
    block,
    compose,
    environment,
    make_secrets,
)
from tests.fix_pages import is_setting
from tests.fix_services import running
from tests.postgres_tools import execute, until


HOST = "127.0.0.1"
LISTENERS = {"CLIENTS": 9092, "CONTROLLER": 9093, "LOCAL": 9094}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """
    What lies beside the Compose file.
    """
    folder = tmp_path_factory.mktemp("compose")
    make_secrets(folder)
    program = block("python", "from auditlog import Actor")
    (folder / "app.py").write_text(program)
    return folder


@pytest.fixture(scope="module")
def ports():
    return {name: free_port() for name in LISTENERS}


# PostgreSQL


@pytest.fixture(scope="module")
def postgres(folder):
    """
    A server that asks for passwords, with what the image makes of the
    variables and of ``roles.sql``.
    """
    made = environment("postgres", folder)
    owner, name = made["POSTGRES_USER"], made["POSTGRES_DB"]
    password = Path(made["POSTGRES_PASSWORD_FILE"]).read_text()
    with running(PostgresServer) as server:
        execute(
            server.url,
            f"CREATE ROLE {owner} LOGIN SUPERUSER PASSWORD '{password}'",
        )
        server.create_database(name)
        make_roles(server, folder)
        ask_for_passwords(server, f"postgresql://{owner}@{HOST}:{server.port}")
        yield server


def make_roles(server, folder):
    script = folder / "roles.sql"
    mounted = block("{code-block} text", "\\set")
    script.write_text(mounted.replace(MOUNTED, f"{folder}/secrets/"))
    subprocess.run(
        [
            *(server.psql, server.url, "-v", "ON_ERROR_STOP=1"),
            *("--no-password", "--no-psqlrc", "-f", script),
        ],
        check=True,
    )


def ask_for_passwords(server, url):
    rules = server.directory / "data" / "pg_hba.conf"
    rules.write_text("host all all all scram-sha-256\n")
    execute(server.url, "SELECT pg_reload_conf()")

    def asked():
        try:
            psycopg.connect(f"{url}/postgres").close()
        except psycopg.OperationalError as exc:
            return "no password" in str(exc)
        return False

    until(asked)


# Apache Kafka


def moved(text, ports):
    """
    The same on the ports of this test, for there is no host ``kafka`` here.
    """
    for name, port in LISTENERS.items():
        text = re.sub(
            rf"(?<=//):{port}|(kafka|localhost):{port}",
            f"{HOST}:{ports[name]}",
            text,
        )
    return text


@pytest.fixture(scope="module")
def java():
    """
    Run a program of Apache Kafka's; skipped where that can't be had.
    """

    def programs():
        return nullcontext([_jars.java(), "-cp", _jars.class_path(print)])

    def run(*arguments, **variables):
        ended = subprocess.run(
            [*java, *arguments],
            env={**os.environ, **variables},
            check=False,
            text=True,
            capture_output=True,
        )
        assert ended.returncode == 0, ended.stderr

    with running(programs) as java:
        yield run


@pytest.fixture(scope="module")
def kafka(java, folder, ports):
    """
    A broker with the settings that the image makes of the variables; one that
    does not start with them is a failure.
    """
    config = broker_settings(java, folder, ports)
    with KafkaServer(port=ports["LOCAL"], config=config) as server:
        for _ in range(2):  # as each start of all services does
            java("kafka.admin.ConfigCommand", *user_options(folder, ports))
        yield server


def broker_settings(java, folder, ports):
    """
    Let the image's own program write ``server.properties``.
    """
    given = environment("kafka", folder)
    data, final = folder / "data", folder / "config"
    final.mkdir()
    (final / "server.properties").touch()
    java(
        *("kafka.docker.KafkaDockerWrapper", "setup"),
        f"--default-configs-dir={folder / 'default'}",
        f"--mounted-configs-dir={folder / 'mounted'}",
        f"--final-configs-dir={final}",
        **{**given, "KAFKA_LOG_DIRS": str(data)},
        CLUSTER_ID="auditlogtestcluster000",
    )
    assert (data / "meta.properties").exists()
    written = (final / "server.properties").read_text()
    lines = [line for line in written.splitlines() if line.strip()]
    settings = dict(line.split("=", 1) for line in lines)
    return {
        name: moved(value, ports)
        for name, value in settings.items()
        if name != "log.dirs"
    }


def user_options(folder, ports):
    program, *options = compose()["services"]["kafka-init"]["command"]
    assert program == "/opt/kafka/bin/kafka-configs.sh"
    return [
        moved(each, ports).replace(MOUNTED, f"{folder}/secrets/")
        for each in options
    ]


# The application


@pytest.fixture
def run(folder, postgres, kafka, ports):
    """
    Run something in a service's container, or nearly.
    """

    def run(service, *command):
        return subprocess.run(
            command,
            cwd=folder,
            env={
                **without_settings(),
                **variables(service, folder, postgres, ports),
            },
            check=False,
            text=True,
            capture_output=True,
        )

    return run


def variables(service, folder, postgres, ports):
    given = environment(service, folder)
    given["CDK_DATABASE_HOST"] = HOST
    given["CDK_DATABASE_PORT"] = str(postgres.port)
    return {name: moved(value, ports) for name, value in given.items()}


def without_settings():
    programs = Path(sys.executable).parent
    return {
        name: value
        for name, value in os.environ.items()
        if not is_setting(name)
    } | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def test_the_page_works(run, folder, postgres, ports):
    """
    Tables are made and granted, twice to no harm; the application publishes
    with the least that it needs; and the doctor warns of one thing.
    """
    command = compose()["services"]["db-init"]["command"]

    first, second = run("db-init", *command), run("db-init", *command)
    published = run("app", sys.executable, "app.py")
    examined = run("app", "auditlog", "doctor", "--json")

    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (0, "")
    assert (published.returncode, published.stderr) == (0, "")
    findings = json.loads(examined.stdout)
    assert examined.returncode == 0, examined.stdout
    assert [
        each["detail"] for each in findings if each["state"] == "warning"
    ] == ["the login and all events travel in clear (SASL_PLAINTEXT)"]
    config = AuditLogConfig.from_env(variables("app", folder, postgres, ports))
    cluster, topic = config.clusters[0], config.publisher.topic_name
    (record,) = KafkaReader(cluster, topic)
    assert record.event.event_type == "App.Container.Start"


def test_nobody_comes_in_without_the_password(
    kafka, folder, postgres, ports, run
):
    """
    The listener for clients wants the user and the password of the page.
    """
    wrong = folder / "secrets" / "wrong"
    right = (folder / "secrets" / "kafka_client").read_text()
    wrong.write_text(right.replace('password="', 'password="x'))

    given = variables("app", folder, postgres, ports)
    refused = subprocess.run(
        ["auditlog", "clusters", "--json"],
        env={
            **without_settings(),
            **given,
            "CDK_CLUSTERS_0_PROPERTIES_FILE": str(wrong),
        },
        check=False,
        text=True,
        capture_output=True,
    )

    (cluster,) = json.loads(refused.stdout)
    assert refused.returncode == 1
    assert cluster["trouble"].startswith("Not authenticated. ")

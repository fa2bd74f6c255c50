"""
``auditlog doctor``: what is wrong, and what to do about it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys

import psycopg
import pytest

from psycopg import sql

from auditlog.postgres import grant_roles, init_schema
from auditlog.testing.services import PostgresServer, free_port
from tests.cli_tools import bare, diagnose, invoke, kafka_settings, told
from tests.fix_services import running
from tests.kafka_tools import admin, create
from tests.postgres_tools import ask_for_password, execute


RELAYED = {
    "CDK_AUDITLOGPUBLISHER_CLUSTER": "prod",
    "CDK_AUDITLOGPUBLISHER_TOPICNAME": "audit",
}


@pytest.fixture
def allow(topic):
    """
    Lets users do something with this test's topic, until the test ends.
    """
    with contextlib.ExitStack() as stack:

        def allow(server, *operations, user="alice"):
            server.grant(user, "topic", topic, *operations)
            stack.callback(server.revoke, user, "topic", topic)

        yield allow


def parts_of(role):
    """
    What somebody sets to connect as *role*, the config of one.
    """
    return {
        "CDK_DATABASE_HOST": role.host,
        "CDK_DATABASE_PORT": str(role.port),
        "CDK_DATABASE_NAME": role.name,
        "CDK_DATABASE_USERNAME": role.username,
        "CDK_DATABASE_CREATESCHEMA": "false",
    }


def states(found, state):
    return [name for name, each in found.items() if each["state"] == state]


def in_a_process(prelude, **environ):
    """
    What comes out of a process of its own in which warnings are errors.
    """
    code = f"import sys\n{prelude}\nfrom auditlog.cli import main\nmain()"
    kept = {k: v for k, v in os.environ.items() if k not in bare()}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **environ},
    )


# All of it


def test_all_is_well(
    database_url, make_role, kafka_server, kafka_proxy, topic
):
    """
    A role with what it needs, a broker, a topic: nothing but ok.
    """
    init_schema(database_url)
    role = make_role("app")
    names = [role.username]
    grant_roles(database_url, writers=names, relays=names, readers=names)
    create(kafka_proxy.address, topic)

    settings = kafka_settings(kafka_server, topic, protocol="PLAINTEXT")
    found = diagnose(**parts_of(role), **settings)

    others = [each for each in found if found[each]["state"] != "ok"]
    # A broker without an authorizer says that all is allowed.
    assert others == [], [told(found[each]) for each in others]
    assert {each.partition(".")[0] for each in found} == {
        "python",
        "machine",
        "configuration",
        "database",
        "kafka",
    }
    assert "psycopg 3" in found["python.versions"]["detail"]
    assert found["configuration"]["detail"].startswith("no mistakes in ")


def test_nothing_is_changed(database_url, secured_kafka, topic, allow):
    """
    No tables, no topic; both are told to come with the first event.
    """
    allow(secured_kafka, "Create", "Write")

    found = diagnose(
        CDK_DATABASE_URL=database_url, **kafka_settings(secured_kafka, topic)
    )

    assert states(found, "failed") == []
    assert "first event" in found["database.schema"]["detail"]
    assert found["kafka.topic"]["state"] == "ok"
    assert "the first event creates it" in found["kafka.topic"]["detail"]
    assert execute(database_url, "SELECT to_regnamespace('audit')::text") == [
        (None,)
    ]
    with admin(secured_kafka.bootstrap_servers) as client:
        assert topic not in client.list_topics()


def test_table(database_url, topic):
    """
    Fits into 80 columns, shows the ways out, and what was skipped for one
    reason as one line.
    """
    result = invoke(
        "doctor",
        CDK_DATABASE_URL=database_url,
        CDK_AUDITLOGPUBLISHER_CLUSTER="prod",
        CDK_AUDITLOGPUBLISHER_TOPICNAME=topic,
        CDK_CLUSTERS_0_ID="prod",
        CDK_CLUSTERS_0_BOOTSTRAPSERVERS=f"127.0.0.1:{free_port()}",
    )

    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:2] == ["state", "check"]
    assert "→ start the broker, or correct host and port" in result.stdout
    assert [" ".join(line.split()) for line in lines if "skipped" in line] == [
        "skipped database.tables + 6 not looked at: there are no tables yet",
        "skipped kafka.brokers + 4 not looked at: kafka.connection failed",
    ]


# The settings


def test_nothing_is_configured():
    """
    The first thing that a newcomer sees names what to set.
    """
    found = diagnose()

    assert states(found, "failed") == ["configuration"]
    assert "nothing is configured" in found["configuration"]["detail"]
    assert "CDK_DATABASE_URL" in found["configuration"]["way_out"]


def test_every_mistake_with_its_way_out():
    """
    All of them at once, each with the variable to mend.
    """
    result = invoke(
        "doctor",
        "--json",
        CDK_DATABASE_URL="mysql://me:c4n4ry@h/d",
        AUDITLOG_PUBLISHER_CLUSTR="prod",
        AUDITLOG_NONSENSE="1",
        CDK_CLUSTERS_0_ID="prod",
    )

    found = [
        each
        for each in json.loads(result.stdout)
        if each["check"] == "configuration"
    ]
    assert result.exit_code == 1
    assert "c4n4ry" not in result.output
    assert {each["state"] for each in found} == {"failed"}
    assert {each["way_out"] for each in found} == {
        (
            "remove AUDITLOG_NONSENSE, or look its name up: "
            "docs/reference/configuration.md lists all"
        ),
        "rename AUDITLOG_PUBLISHER_CLUSTR to CDK_AUDITLOGPUBLISHER_CLUSTER",
        "correct CDK_DATABASE_URL",
        "set CDK_CLUSTERS_0_BOOTSTRAPSERVERS",
    }


def test_properties_that_mean_nothing():
    """
    The variable that holds them is named, and which of them.
    """
    found = diagnose(
        **RELAYED,
        CDK_CLUSTERS_0_ID="prod",
        CDK_CLUSTERS_0_BOOTSTRAPSERVERS="h:1",
        CDK_CLUSTERS_0_PROPERTIES="security.protocol=KERBEROS",
    )["configuration"]

    assert "security.protocol must be PLAINTEXT or SSL" in found["detail"]
    assert found["way_out"] == "correct CDK_CLUSTERS_0_PROPERTIES"


def test_file_that_is_absent(tmp_path):
    """
    Is a mistake like others.
    """
    path = str(tmp_path / "audit.yaml")

    found = diagnose("-c", path)["configuration"]

    assert path in found["detail"]
    assert found["way_out"] == f"correct {path}"


def test_only_a_database(database_url):
    """
    No topic is no fault.
    """
    found = diagnose(CDK_DATABASE_URL=database_url)

    assert states(found, "failed") == []
    assert found["kafka.cluster"]["state"] == "skipped"


def test_only_a_topic(secured_kafka, topic, allow):
    """
    Neither is no database.
    """
    allow(secured_kafka, "Create", "Write")

    found = diagnose(**kafka_settings(secured_kafka, topic))

    assert states(found, "failed") == []
    assert found["database.connection"]["state"] == "skipped"


# The installation


@pytest.mark.parametrize(
    ("module", "extra", "check"),
    [
        ("psycopg", "postgres", "database.connection"),
        ("kafka", "kafka", "kafka.connection"),
        ("javaproperties", "kafka", "configuration"),
        ("requests", "oauth", "kafka.connection"),
    ],
)
def test_driver_that_is_missing(
    database_url, secured_kafka, topic, module, extra, check
):
    """
    The command that installs it, and all else is looked at.
    """
    settings = kafka_settings(secured_kafka, topic, mechanism="OAUTHBEARER")

    done = in_a_process(
        f"sys.modules[{module!r}] = None",
        CDK_DATABASE_URL=database_url,
        **settings,
    )

    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert (done.returncode, done.stderr) == (1, "")
    assert found[check]["state"] == "failed"
    assert "needs an extra" in found[check]["detail"]
    assert found[check]["way_out"] == (
        f'pip install "auditlog-publisher[{extra}]"'
    )
    others = {each.partition(".")[0] for each in found} - {"configuration"}
    assert (check == "configuration") or {"database", "kafka"} <= others


def test_django_auditlog(tmp_path, monkeypatch):
    """
    The other package of that name is seen though nothing warns of it.
    """
    folder = tmp_path / "django_auditlog-3.0.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: django-auditlog\nVersion: 3.0.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    found = diagnose()["python.neighbours"]

    assert found["state"] == "failed"
    assert "django-auditlog is installed here too" in found["detail"]
    assert "new environment" in found["way_out"]


def test_nothing_but_findings_is_said(kafka_server, topic):
    """
    No driver's log, no warning, no traceback, whatever is away.
    """
    kafka_server.pause()
    try:
        done = in_a_process(
            "",
            CDK_DATABASE_URL=f"postgresql://u:c4n4ry@127.0.0.1:{free_port()}/d",
            CDK_CLUSTERS_0_ID="prod",
            CDK_CLUSTERS_0_BOOTSTRAPSERVERS=kafka_server.bootstrap_servers,
            CDK_AUDITLOGPUBLISHER_CLUSTER="prod",
            CDK_AUDITLOGPUBLISHER_TOPICNAME=topic,
        )
    finally:
        kafka_server.resume()

    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert (done.returncode, done.stderr) == (1, "")
    assert "c4n4ry" not in done.stdout
    assert found["kafka.connection"]["detail"] == (
        f"Unreachable. {kafka_server.bootstrap_servers} takes connections, "
        "but does not answer"
    )


def test_drivers_keep_their_view_to_themselves(kafka_server, topic):
    """
    kafka-python logs what is a finding of ours.
    """
    settings = kafka_settings(kafka_server, topic, protocol="PLAINTEXT")
    servers = "CDK_CLUSTERS_0_BOOTSTRAPSERVERS"
    away = ",".join(f"127.0.0.1:{free_port()}" for _ in range(5))
    settings[servers] = f"{away},{settings[servers]}"
    logs = "import logging; logging.basicConfig(level=logging.INFO)"

    done = in_a_process(logs, **settings)

    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.stderr == ""
    assert found["kafka.connection"]["state"] == "warning"
    assert "and 2 more" in found["kafka.connection"]["detail"]


# The database


def test_database_is_away():
    """
    Where it was looked for, and what to correct.
    """
    port = free_port()

    found = diagnose(
        CDK_DATABASE_URL=f"postgresql://u:c4n4ry@127.0.0.1:{port}/d"
    )

    assert states(found, "failed") == ["database.connection"]
    assert f"127.0.0.1:{port}" in found["database.connection"]["detail"]
    assert found["database.connection"]["way_out"] == (
        "start the server, or correct host and port in database.url"
    )


def test_wrong_password_of_the_database():
    """
    The role is named, the settings too, the password is not.
    """
    with running(PostgresServer) as server:
        statement = "CREATE ROLE app LOGIN PASSWORD {}"
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format("right"))
        ask_for_password(server)
        url = server.url.replace("postgres@", "app:c4n4ry@")
        found = diagnose(CDK_DATABASE_URL=url)

    assert states(found, "failed") == ["database.connection"]
    assert 'user "app"' in found["database.connection"]["detail"]
    assert "database.password" in found["database.connection"]["way_out"]


def test_tables_are_absent(database_url, make_role):
    """
    Where nobody would create them the command is named that does.
    """
    found = diagnose(
        CDK_DATABASE_URL=database_url, CDK_DATABASE_CREATESCHEMA="false"
    )
    role = diagnose(**parts_of(make_role("app")))

    assert states(found, "failed") == ["database.schema"]
    assert found["database.schema"]["way_out"] == "run auditlog db init"
    assert "auditlog db grant --writer" in role["database.schema"]["way_out"]


@pytest.mark.parametrize(
    ("change", "way_out"),
    [
        (
            "INSERT INTO audit.schema_version VALUES (7)",
            "install the newer auditlog-publisher",
        ),
        ("DELETE FROM audit.schema_version", "auditlog db upgrade"),
    ],
)
def test_another_version(database_url, change, way_out):
    """
    Tables that are newer, or older.
    """
    init_schema(database_url)
    execute(database_url, change)

    found = diagnose(CDK_DATABASE_URL=database_url)

    assert states(found, "failed") == ["database.schema"]
    assert way_out in found["database.schema"]["way_out"]


def test_role_needs_what_it_has_to_do(database_url, make_role):
    """
    Whoever publishes has to be a writer, and a relay only if it relays.
    """
    init_schema(database_url)
    role = make_role("app")
    grant_roles(database_url, writers=[role.username])
    settings = parts_of(role)

    alone = diagnose(**settings)
    relaying = diagnose(**settings, **RELAYED)
    other = diagnose(**settings, **RELAYED, AUDITLOG_RELAY_RUN="false")

    assert states(alone, "failed") == []
    assert states(relaying, "failed") == ["database.relay", "kafka.cluster"]
    assert states(other, "failed") == ["kafka.cluster"]
    assert (
        f"auditlog db grant --relay {role.username}"
        in (relaying["database.relay"]["way_out"])
    )


def test_trigger_is_disabled(database_url):
    """
    What keeps events from being changed is looked at.
    """
    init_schema(database_url)
    execute(
        database_url, "ALTER TABLE audit.event DISABLE TRIGGER append_only"
    )

    found = diagnose(CDK_DATABASE_URL=database_url)

    assert states(found, "failed") == ["database.append_only"]
    assert "disabled" in found["database.append_only"]["detail"]


# The way to the cluster


@pytest.mark.parametrize(
    ("known", "way_out"),
    [
        ({}, "set CDK_CLUSTERS_0_ID and CDK_CLUSTERS_0_BOOTSTRAPSERVERS"),
        (
            {
                "CDK_CLUSTERS_0_ID": "staging",
                "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "h:1",
            },
            "(CDK_AUDITLOGPUBLISHER_CLUSTER) to 'staging', or configure",
        ),
    ],
)
def test_unknown_cluster(known, way_out):
    """
    The same words as in the log, with those that are known.
    """
    found = diagnose(**RELAYED, **known)

    assert states(found, "failed") == ["kafka.cluster"]
    assert found["kafka.cluster"]["detail"] == (
        "Not found. Could not find cluster prod"
    )
    assert way_out in found["kafka.cluster"]["way_out"]
    assert found["kafka.topic"]["state"] == "skipped"


def test_broker_is_away(topic):
    """
    All of several are named.
    """
    one, two = (f"127.0.0.1:{free_port()}" for _ in range(2))

    found = diagnose(
        **RELAYED,
        CDK_CLUSTERS_0_ID="prod",
        CDK_CLUSTERS_0_BOOTSTRAPSERVERS=f"{one},{two}",
    )

    assert states(found, "failed") == ["kafka.connection"]
    assert found["kafka.connection"]["detail"] == (
        f"none of 2 brokers can be used: Unreachable. {one} refuses "
        f"connections, Unreachable. {two} refuses connections"
    )


def test_one_of_several_is_away(secured_kafka, topic, allow):
    """
    Is a warning: it works until the others go too.
    """
    allow(secured_kafka, "Create", "Write")
    settings = kafka_settings(secured_kafka, topic)
    away = f"127.0.0.1:{free_port()}"
    settings["CDK_CLUSTERS_0_BOOTSTRAPSERVERS"] += f",{away}"

    found = diagnose(**settings)

    assert states(found, "failed") == []
    assert found["kafka.connection"]["state"] == "warning"
    assert found["kafka.connection"]["detail"] == (
        f"1 of 2 brokers can't be used: Unreachable. {away} refuses "
        "connections"
    )


def test_most_of_several_are_silent(kafka_server, topic):
    """
    The one that answers is enough to look at everything.
    """
    settings = kafka_settings(kafka_server, topic, protocol="PLAINTEXT")
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            silent = stack.enter_context(
                socket.create_server(("127.0.0.1", 0))
            )
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            settings["CDK_CLUSTERS_0_BOOTSTRAPSERVERS"] += f",{address}"
        found = diagnose(**settings)

    assert states(found, "failed") == []
    assert "5 of 6 brokers" in found["kafka.connection"]["detail"]
    assert found["kafka.topic"]["state"] == "ok"


@pytest.mark.parametrize(
    ("how", "detail", "way_out"),
    [
        (
            {"password": "hunter2"},
            "refuses the login with SCRAM-SHA-512",
            "correct username and password in sasl.jaas.config",
        ),
        (
            {"mechanism": "OAUTHBEARER", "password": "hunter2"},
            "refuses the client (HTTP 401, invalid_client)",
            "check clientId, clientSecret and scope",
        ),
    ],
)
def test_refused_login(secured_kafka, topic, how, detail, way_out):
    """
    The property to correct is named, its value is not.
    """
    found = diagnose(**kafka_settings(secured_kafka, topic, **how))

    assert states(found, "failed") == ["kafka.connection"]
    assert detail in found["kafka.connection"]["detail"]
    assert found["kafka.connection"]["way_out"] == way_out


def test_port_of_another_listener(secured_kafka, topic):
    """
    What listens there is said, and what to set.
    """
    settings = kafka_settings(secured_kafka, topic, protocol="PLAINTEXT")
    address = secured_kafka.address("SSL")
    settings["CDK_CLUSTERS_0_BOOTSTRAPSERVERS"] = address

    found = diagnose(**settings)

    assert told(found["kafka.connection"]) == (
        f"failed: Unreachable. {address} speaks TLS, the cluster's "
        "properties do not say so → set security.protocol to SSL or SASL_SSL"
    )


def test_expired_certificate_of_ours(secured_kafka, topic):
    """
    Its day, and what to renew.
    """
    expired = secured_kafka.security.certificate("alice", expired=True)

    found = diagnose(
        **kafka_settings(
            secured_kafka, topic, protocol="SSL", certificate=expired
        )
    )

    assert states(found, "failed") == ["kafka.certificate", "kafka.connection"]
    assert "expired on 2020-01-01" in found["kafka.certificate"]["detail"]
    assert "ssl.keystore" in found["kafka.certificate"]["way_out"]


def test_certificate_of_ours(secured_kafka, topic, allow):
    """
    A good one has its own line.
    """
    allow(secured_kafka, "Create", "Write")

    found = diagnose(**kafka_settings(secured_kafka, topic, protocol="SSL"))

    assert states(found, "failed") == []
    assert "is good until 3000-01-01" in found["kafka.certificate"]["detail"]


def test_publishing_has_a_login_of_its_own(secured_kafka, topic, allow):
    """
    Looked at is what publishes, not the login that others have.
    """
    allow(secured_kafka, "Create", "Write", user="bob")
    bob = kafka_settings(secured_kafka, topic, "bob")
    settings = kafka_settings(secured_kafka, topic, password="hunter2")

    found = diagnose(
        **settings,
        AUDITLOG_PUBLISHER_PROPERTIES=bob["CDK_CLUSTERS_0_PROPERTIES"],
    )

    assert states(found, "failed") == []


@pytest.mark.parametrize(
    ("protocol", "more", "way_out"),
    [
        ("SASL_PLAINTEXT", {}, "security.protocol=SASL_SSL"),
        (
            "SASL_SSL",
            {"CDK_CLUSTERS_0_IGNOREUNTRUSTEDCERTIFICATE": "true"},
            "ignoreUntrustedCertificate to false",
        ),
    ],
)
def test_others_could_read_along(
    secured_kafka, topic, allow, protocol, more, way_out
):
    """
    Works, and should be otherwise.
    """
    allow(secured_kafka, "Create", "Write")
    settings = kafka_settings(secured_kafka, topic, protocol=protocol)

    found = diagnose(**settings, **more)

    assert states(found, "failed") == []
    assert found["kafka.properties"]["state"] == "warning"
    assert way_out in found["kafka.properties"]["way_out"]


def test_address_that_leads_nowhere(kafka_server, topic):
    """
    Brokers that answer, and say that they are somewhere else.
    """
    settings = kafka_settings(kafka_server, topic, protocol="PLAINTEXT")
    bootstrap = f"127.0.0.1:{kafka_server.upstream_port}"
    settings["CDK_CLUSTERS_0_BOOTSTRAPSERVERS"] = bootstrap

    found = diagnose(**settings)

    assert states(found, "failed") == ["kafka.brokers"]
    told_by_broker = f"127.0.0.1:{kafka_server.advertised_port}"
    assert found["kafka.connection"]["state"] == "ok"
    assert told_by_broker in found["kafka.brokers"]["detail"]
    assert "advertised.listeners" in found["kafka.brokers"]["way_out"]


# What may be done


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        (("Write", "Create"), None),
        (("Write",), "Create"),
        (("Create",), "Write"),
    ],
)
def test_topic_that_is_to_be_created(
    secured_kafka, topic, allow, granted, missing
):
    """
    Fails with the ACL that lacks, before the first event does.
    """
    allow(secured_kafka, *granted)

    found = diagnose(**kafka_settings(secured_kafka, topic))

    assert states(found, "failed") == (["kafka.topic"] if missing else [])
    if missing:
        assert missing in found["kafka.topic"]["way_out"]
        assert topic in found["kafka.topic"]["detail"]


def test_topic_that_may_not_be_written_to(secured_kafka, topic, allow):
    """
    One failure, which names the ACL.
    """
    create(secured_kafka.bootstrap_servers, topic)
    allow(secured_kafka, "Describe", "Read")

    found = diagnose(**kafka_settings(secured_kafka, topic))

    assert states(found, "failed") == ["kafka.acls"]
    assert "Write is not granted" in found["kafka.acls"]["detail"]
    assert "the ACL Write on the topic" in found["kafka.acls"]["way_out"]


@pytest.mark.parametrize(
    ("granted", "remarks"),
    [
        (["Write", "Read", "DescribeConfigs"], []),
        (["Write", "Read"], ["DescribeConfigs"]),
        (["Write"], ["DescribeConfigs", "Read"]),
    ],
)
def test_what_may_not_be_seen(secured_kafka, topic, allow, granted, remarks):
    """
    Writing is enough; what can't be done without the rest is remarked.
    """
    create(secured_kafka.bootstrap_servers, topic)
    allow(secured_kafka, *granted)

    found = diagnose(**kafka_settings(secured_kafka, topic))

    assert states(found, "failed") == states(found, "warning") == []
    detail = found["kafka.acls"]["detail"]
    for name in ("DescribeConfigs", "Read"):
        assert (f"without {name} " in detail) is (name in remarks)


# The topic


def test_topic_as_configured(secured_kafka, topic):
    """
    Its partitions and for how long it keeps events.
    """
    create(
        secured_kafka.bootstrap_servers, topic, partitions=3, retention_ms=-1
    )

    found = diagnose(
        **kafka_settings(secured_kafka, topic, protocol="PLAINTEXT"),
        CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION="3",
    )

    assert states(found, "failed") == states(found, "warning") == []
    assert found["kafka.topic"]["detail"] == (
        f"topic {topic!r} has 3 partitions and keeps events for ever"
    )


def test_topic_that_differs(secured_kafka, topic):
    """
    Is a warning with both values.
    """
    create(secured_kafka.bootstrap_servers, topic)

    found = diagnose(
        **kafka_settings(secured_kafka, topic, protocol="PLAINTEXT"),
        CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION="3",
    )

    assert states(found, "warning") == ["kafka.topic"]
    assert "1 partition and not 3" in found["kafka.topic"]["detail"]


def test_topic_that_is_compacted(secured_kafka, topic):
    """
    Is a warning that says what it costs.
    """
    create(secured_kafka.bootstrap_servers, topic, cleanup_policy="compact")

    found = diagnose(
        **kafka_settings(secured_kafka, topic, protocol="PLAINTEXT")
    )

    assert states(found, "warning") == ["kafka.topic"]
    assert "deletes older events" in found["kafka.topic"]["detail"]
    assert "cleanup.policy" in found["kafka.topic"]["way_out"]


@pytest.mark.parametrize(
    ("replicas", "least", "state", "way_out"),
    [
        (1, 1, "warning", "kafka-reassign-partitions.sh"),
        (3, 1, "warning", "min.insync.replicas of the topic to 2"),
        (3, 2, "ok", ""),
    ],
)
def test_how_durable_a_topic_is(
    kafka_cluster, topic, replicas, least, state, way_out
):
    """
    One copy among three brokers, or one that suffices, is too little.
    """
    create(
        kafka_cluster.bootstrap_servers,
        topic,
        replicas=replicas,
        min_insync_replicas=least,
    )

    found = diagnose(
        **kafka_settings(kafka_cluster, topic, protocol="PLAINTEXT"),
        CDK_AUDITLOGPUBLISHER_TOPICCONFIG_REPLICATIONFACTOR=str(replicas),
    )

    assert states(found, "failed") == []
    assert found["kafka.durability"]["state"] == state
    assert way_out in (found["kafka.durability"]["way_out"] or "")


@pytest.mark.parametrize(
    ("factor", "check", "state"),
    [
        ("1", "kafka.durability", "warning"),
        ("3", "kafka.durability", "ok"),
        ("5", "kafka.topic", "failed"),
    ],
)
def test_how_durable_a_topic_will_be(
    kafka_cluster, topic, factor, check, state
):
    """
    Is told before it is created, with the variable to set.
    """
    found = diagnose(
        **kafka_settings(kafka_cluster, topic, protocol="PLAINTEXT"),
        CDK_AUDITLOGPUBLISHER_TOPICCONFIG_REPLICATIONFACTOR=factor,
    )

    assert found[check]["state"] == state
    if state == "warning":
        assert "TOPICCONFIG_REPLICATIONFACTOR) to 3" in found[check]["way_out"]
    if state == "failed":
        assert (
            "lower audit_log_publisher.topicConfig.replicationFactor"
            in (found[check]["way_out"])
        )

"""
The environment: documented names, our own, and files of secrets.
"""

from __future__ import annotations

import pytest

from auditlog.config import AuditLogConfig
from auditlog.errors import ConfigError


DOCUMENTED = {
    "CDK_AUDITLOGPUBLISHER_CLUSTER": "my-kafka-cluster",
    "CDK_AUDITLOGPUBLISHER_TOPICNAME": "_conduktor_console_audit_log",
    "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION": "3",
    "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_REPLICATIONFACTOR": "-1",
    "CDK_CLUSTERS_0_ID": "my-kafka-cluster",
    "CDK_CLUSTERS_0_NAME": "Production",
    "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "h:9092,i:9093",
    "CDK_CLUSTERS_0_PROPERTIES": "security.protocol=PLAINTEXT",
    "CDK_CLUSTERS_1_ID": "other",
    "CDK_CLUSTERS_1_BOOTSTRAPSERVERS": "j:9092",
    "CDK_DATABASE_URL": "postgresql://u:p@h/db",
    "CDK_DATABASE_CONNECTIONTIMEOUT": "30",
    "CDK_DATABASE_SCHEMA": "trail",
    "CDK_DATABASE_CREATESCHEMA": "false",
    "CDK_DATABASE_PREPARE": "no",
}


def own(name):
    return "AUDITLOG_" + name.removeprefix("CDK_").removeprefix("AUDITLOG")


def mistakes(**environ):
    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_env(environ)
    return caught.value.mistakes


def test_nothing_set():
    """
    An empty environment is an empty config, and no mistake.
    """
    assert AuditLogConfig() == AuditLogConfig.from_env({})


def test_documented_names():
    """
    The variables of an existing deployment work as they are.
    """
    config = AuditLogConfig.from_env(DOCUMENTED)

    assert config.publisher.cluster == "my-kafka-cluster"
    assert config.publisher.topic_name == "_conduktor_console_audit_log"
    assert config.publisher.topic_config.partition == 3
    assert config.publisher.topic_config.replication_factor == -1
    assert [c.id for c in config.clusters] == ["my-kafka-cluster", "other"]
    assert [c.name for c in config.clusters] == ["Production", "other"]
    assert config.clusters[0].bootstrap_servers == ("h:9092", "i:9093")
    assert (
        config.clusters[0].properties.reveal() == "security.protocol=PLAINTEXT"
    )
    assert config.clusters[1].properties is None
    assert config.database.url.reveal() == "postgresql://u:p@h/db"
    assert config.database.connection_timeout == 30.0
    assert config.database.schema == "trail"
    assert not config.database.create_schema
    assert not config.database.prepare


@pytest.mark.parametrize("name", DOCUMENTED)
def test_own_names(name):
    """
    Each documented name has a spelling of ours that does the same.
    """
    environ = dict(DOCUMENTED)
    environ[own(name)] = environ.pop(name)

    assert AuditLogConfig.from_env(DOCUMENTED) == AuditLogConfig.from_env(
        environ
    )


def test_settings_of_ours_alone():
    """
    What is not Conduktor's has our spelling only.
    """
    config = AuditLogConfig.from_env(
        {
            "AUDITLOG_RELAY_RUN": "off",
            "AUDITLOG_CODEC": "conduktor",
        }
    )

    assert not config.relay.run
    assert config.codec == "conduktor"


def test_both_spellings_agree():
    """
    The same value in both spellings is fine, another is a mistake.
    """
    name = "CDK_DATABASE_URL"
    url = DOCUMENTED[name]

    assert AuditLogConfig.from_env(DOCUMENTED) == AuditLogConfig.from_env(
        {**DOCUMENTED, own(name): url}
    )
    assert mistakes(CDK_DATABASE_URL=url, AUDITLOG_DATABASE_URL=url + "x") == (
        (
            "one setting with two values; keep one"
            " @ AUDITLOG_DATABASE_URL and CDK_DATABASE_URL"
        ),
    )


@pytest.mark.parametrize(
    "name",
    [
        "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION",
        "CDK_AUDIT_LOG_PUBLISHER_TOPIC_CONFIG_PARTITION",
        "CDK_AuditLogPublisher_topicConfig_partition",
        "CDK_AUDIT-LOG-PUBLISHER_TOPIC-CONFIG_PARTITION",
        "AUDITLOG_PUBLISHER_TOPIC_CONFIG_PARTITION",
        "AUDITLOG_publisher_topic-config_partition",
    ],
)
def test_names_fold(name):
    """
    Case, ``-`` and ``_`` within a name make no difference.
    """
    config = AuditLogConfig.from_env({name: "7"})

    assert config.publisher.topic_config.partition == 7


def test_clusters_by_index():
    """
    Clusters come in the order of their indexes, with gaps or leading zeros.
    """
    config = AuditLogConfig.from_env(
        {
            "CDK_CLUSTERS_17_ID": "c",
            "CDK_CLUSTERS_17_BOOTSTRAPSERVERS": "h:1",
            "CDK_CLUSTERS_1_ID": "b",
            "CDK_CLUSTERS_1_BOOTSTRAPSERVERS": "h:1",
            "AUDITLOG_CLUSTERS_0_BOOTSTRAPSERVERS": "h:1",
            "CDK_CLUSTERS_00_ID": "a",
        }
    )

    assert [each.id for each in config.clusters] == ["a", "b", "c"]


def test_empty_is_not_set():
    """
    An empty variable, as a compose file makes it, is not set.
    """
    environ = {
        "CDK_AUDITLOGPUBLISHER_CLUSTER": "",
        "CDK_DATABASE_URL": "",
        "CDK_DATABASE_URL_FILE": "",
        "CDK_DATABASE_NAME": "",
        "CDK_IN_CONF_FILE": "",
        "AUDITLOG_CLUSTERS_0_ID": "",
    }

    assert AuditLogConfig() == AuditLogConfig.from_env(environ)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("true", True),
        ("TRUE", True),
        ("1", True),
        ("Yes", True),
        ("on", True),
        ("false", False),
        ("0", False),
        ("no", False),
        ("OFF", False),
    ],
)
def test_flags(value, meant):
    """
    A flag is said in the usual words.
    """
    config = AuditLogConfig.from_env({"AUDITLOG_RELAY_RUN": value})

    assert meant is config.relay.run


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("AUDITLOG_RELAY_RUN", "maybe", "must be true or false (got 'maybe')"),
        ("AUDITLOG_RELAY_RUN", " 1", "must be true or false (got ' 1')"),
        (
            "AUDITLOG_CODEC",
            "json",
            "must be 'cloudevents' or 'conduktor' (got 'json')",
        ),
        (
            "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION",
            "three",
            "must be a whole number (got 'three')",
        ),
        (
            "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION",
            "1_0",
            "must be a whole number (got '1_0')",
        ),
        (
            "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION",
            "9" * 5000,
            f"must be a whole number (got '{'9' * 60}'…)",
        ),
        (
            "AUDITLOG_PUBLISHER_TOPICCONFIG_REPLICATIONFACTOR",
            "0",
            "must be at least 1, or -1 for the broker's default (got 0)",
        ),
    ],
    ids=["word", "blank", "codec", "text", "digits", "huge", "zero"],
)
def test_wrong_value(name, value, wrong):
    """
    A wrong value is told with the setting and the variable it came from.
    """
    (mistake,) = mistakes(**{name: value})

    what, _, where = mistake.partition(" @ ")
    assert wrong == what
    assert where.endswith(f" ({name})")


def test_every_mistake_at_once():
    """
    One look finds every mistake, each with its path and variable.
    """
    found = mistakes(
        CDK_AUDITLOGPUBLISHER_CLUSTER="c",
        CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION="0",
        CDK_AUDITLOGPUBLISHER_TOPIC="t",
        CDK_CLUSTERS_1_NAME="x",
        CDK_DATABASE_SCHEMA="9",
        AUDITLOG_RELAY_RUN="maybe",
    )

    assert {
        (
            "unknown setting; did you mean CDK_AUDITLOGPUBLISHER_TOPICNAME?"
            " @ CDK_AUDITLOGPUBLISHER_TOPIC"
        ),
        (
            "must be set, or host, name and username"
            " @ database.url (CDK_DATABASE_URL)"
        ),
        (
            "must be letters, digits and _, at most 63, and not pg_..."
            " (got '9') @ database.schema (CDK_DATABASE_SCHEMA)"
        ),
        "must be set @ clusters[1].id (CDK_CLUSTERS_1_ID)",
        (
            "must be set @ clusters[1].bootstrapServers"
            " (CDK_CLUSTERS_1_BOOTSTRAPSERVERS)"
        ),
        (
            "must be at least 1, or -1 for the broker's default (got 0)"
            " @ audit_log_publisher.topicConfig.partition"
            " (CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION)"
        ),
        (
            "must be set too, because audit_log_publisher.cluster"
            " (CDK_AUDITLOGPUBLISHER_CLUSTER) is"
            " @ audit_log_publisher.topicName"
            " (CDK_AUDITLOGPUBLISHER_TOPICNAME)"
        ),
        "must be true or false (got 'maybe') @ relay.run (AUDITLOG_RELAY_RUN)",
    } == set(found)
    assert len(found) == 8


def test_two_clusters_of_one_id():
    """
    Two clusters with one ID cannot be told apart.
    """
    assert mistakes(
        CDK_CLUSTERS_0_ID="a",
        CDK_CLUSTERS_0_BOOTSTRAPSERVERS="h:1",
        CDK_CLUSTERS_1_ID="a",
        CDK_CLUSTERS_1_BOOTSTRAPSERVERS="i:1",
    ) == ("has two of ID 'a' @ clusters",)


@pytest.mark.parametrize(
    "name",
    [
        "CDK_CLUSTERS_0_COLOR",
        "CDK_CLUSTERS_0_ICON",
        "CDK_CLUSTERS_0_SCHEMAREGISTRY_URL",
        "CDK_CLUSTERS_0_SCHEMAREGISTRY_PROPERTIES",
        "CDK_CLUSTERS_0_KAFKACONNECTS_0_ID",
        "CDK_SSO_OAUTH2_0_OPENID_ISSUER",
        "CDK_ADMIN_PASSWORD",
        "CDK_LICENSE_FILE",
        "CDK_DATABASE_HOSTNAMES",
        "CDK_",
        "CDK_CLUSTERS_1000000000000_ID",
        "AUDITLOG",
        "auditlog_relay",
        "AUDITLOG_TEST_POSTGRES",
        "PATH",
    ],
)
def test_foreign_names_are_left_alone(name, caplog):
    """
    What belongs to Conduktor Console, or to anybody, is neither read nor
    complained about.
    """
    config = AuditLogConfig.from_env({name: "what/ever"})

    assert AuditLogConfig() == config
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CDK_CLUSTER_0_ID", "CDK_CLUSTERS_0_ID"),
        ("CDK_CLUSTERS_0_BOOTSTRAPSERVER", "CDK_CLUSTERS_0_BOOTSTRAPSERVERS"),
        ("CDK_AUDITLOGPUBLISER_CLUSTER", "CDK_AUDITLOGPUBLISHER_CLUSTER"),
        ("CDK_CLUSTERS[]_ID", "CDK_CLUSTERS_0_ID"),
        ("CDK_RELAY_RUN", "AUDITLOG_RELAY_RUN"),
        ("CDK_DATABASE_URI", "CDK_DATABASE_URL"),
    ],
)
def test_nearly_ours_is_refused(name, meant):
    """
    What is left alone must look like somebody else's.
    """
    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_env({name: "c4n4ry"})

    (mistake,) = caught.value.mistakes
    assert f"unknown setting; did you mean {meant}? @ {name}" == mistake


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AUDITLOG_DATABASE_URI", "CDK_DATABASE_URL"),
        ("AUDITLOG_DATABAS_SCHEMA", "CDK_DATABASE_SCHEMA"),
        ("AUDITLOG_CLUSTER_0_ID", "CDK_CLUSTERS_0_ID"),
        ("AUDITLOG_CODE", "AUDITLOG_CODEC"),
        ("CDK_AUDITLOGPUBLISHER_CLUSTERID", "CDK_AUDITLOGPUBLISHER_CLUSTER"),
        ("AUDITLOG_TOPIC", None),
        ("AUDITLOG_", None),
        ("AUDITLOG_SECRET_KEY", None),
        ("CDK_AUDITLOGPUBLISHER_ACKS", None),
        ("CDK_AUDITLOGPUBLISHER_" + "X" * 100_000, None),
    ],
    ids=lambda value: None if value is None else value[:40],
)
def test_unknown_names_of_ours(name, meant):
    """
    An unknown name that can only be meant for us is a mistake.
    """
    (mistake,) = mistakes(**{name: ""})

    hint = f"; did you mean {meant}?" if meant else ""
    assert f"unknown setting{hint} @ {name[:200]}" == mistake


def test_database_by_its_parts():
    """
    As Conduktor Console has them; the password may come from a file.
    """
    config = AuditLogConfig.from_env(
        {
            "CDK_DATABASE_HOSTS_0_HOST": "a",
            "CDK_DATABASE_HOSTS_1_HOST": "b",
            "CDK_DATABASE_HOSTS_1_PORT": "5433",
            "CDK_DATABASE_NAME": "audit",
            "CDK_DATABASE_USERNAME": "me",
            "CDK_DATABASE_PASSWORD": "p@ss/word",
            "CDK_DATABASE_CONNECTIONTIMEOUT": "30",
        }
    )

    assert config.database.parameters() == {
        "host": "a,b",
        "port": "5432,5433",
        "dbname": "audit",
        "user": "me",
        "password": "p@ss/word",
    }
    assert "p@ss" not in repr(config)
    assert {
        (
            "must be set, because there is no url @ database.name "
            "(CDK_DATABASE_NAME)"
        ),
        (
            "must be a port (got 'x') @ database.hosts[1].port "
            "(CDK_DATABASE_HOSTS_1_PORT)"
        ),
        "must be set @ database.hosts[1].host (CDK_DATABASE_HOSTS_1_HOST)",
    } == set(
        mistakes(
            CDK_DATABASE_HOSTS_0_HOST="a",
            CDK_DATABASE_HOSTS_1_PORT="x",
            CDK_DATABASE_USERNAME="me",
        )
    )


def test_wrong_host_is_no_missing_one():
    """
    What is wrong is told once.
    """
    assert mistakes(
        CDK_DATABASE_HOSTS_0_HOST="a b",
        CDK_DATABASE_NAME="audit",
        CDK_DATABASE_USERNAME="me",
    ) == (
        (
            "must be one host, or the folder of a socket (got 'a b')"
            " @ database.hosts[0].host (CDK_DATABASE_HOSTS_0_HOST)"
        ),
    )


def test_names_cannot_forge_a_line():
    """
    A name with a line break stays within its line.
    """
    (mistake,) = mistakes(**{"AUDITLOG_X\nERROR": "1"})

    assert mistake == r"unknown setting @ 'AUDITLOG_X\nERROR'"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("postgresql://u:p@h/db", "postgresql://u:p@h/db"),
        ("postgresql://u:p@h/db\n", "postgresql://u:p@h/db"),
        ("postgresql://u:p@h/db\r\n", "postgresql://u:p@h/db"),
        ("\ufeffpostgresql://u:p@h/db", "postgresql://u:p@h/db"),
    ],
    ids=["bare", "newline", "crlf", "bom"],
)
@pytest.mark.parametrize("prefix", ["CDK", "AUDITLOG"])
def test_value_from_a_file(tmp_path, content, text, prefix):
    """
    ``X_FILE`` replaces ``X`` by what is in the file.
    """
    path = tmp_path / "url"
    path.write_text(content, "utf-8", newline="")
    environ = {
        f"{prefix}_DATABASE_URL": "postgresql://other/db",
        f"{prefix}_DATABASE_URL_FILE": str(path),
    }

    config = AuditLogConfig.from_env(environ)

    assert text == config.database.url.reveal()


def test_only_one_newline_is_stripped(tmp_path):
    """
    What else is in the file belongs to the value.
    """
    path = tmp_path / "properties"
    path.write_text("# x\n\n")

    config = AuditLogConfig.from_env(
        {
            "CDK_CLUSTERS_0_ID": "a",
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "h:1",
            "CDK_CLUSTERS_0_PROPERTIES_FILE": str(path),
        }
    )

    assert config.clusters[0].properties.reveal() == "# x\n"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "names a file that can't be read (No such file or directory)"),
        (b"", "names a file that is empty"),
        (b"\n", "names a file that is empty"),
        (
            b"abc\xff",
            "names a file that is not UTF-8 at byte 3; save it as UTF-8",
        ),
        (
            b"x" * 1024 * 1025,
            (
                "names a file that is larger than 1048576 bytes; "
                "is it the right one?"
            ),
        ),
    ],
    ids=["absent", "empty", "blank", "binary", "large"],
)
def test_unusable_file(tmp_path, content, wrong):
    """
    A file that gives no value is a mistake, and its path stays out of it.
    """
    path = tmp_path / "c4n4ry"
    if content is not None:
        path.write_bytes(content)

    (mistake,) = mistakes(AUDITLOG_DATABASE_URL_FILE=str(path))

    assert f"{wrong} @ AUDITLOG_DATABASE_URL_FILE" == mistake


@pytest.mark.parametrize("path", ["/", "\x00", "/dev/zero", "\udcff"])
def test_odd_path(path):
    """
    A path that is no file's is a mistake like others.
    """
    (mistake,) = mistakes(CDK_DATABASE_URL_FILE=path)

    assert mistake.startswith("names a file that ")

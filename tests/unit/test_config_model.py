"""
A config object that cannot work cannot be built.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import typing

import attrs
import pytest

from auditlog.config import (
    AuditLogConfig,
    ClusterConfig,
    DatabaseConfig,
    DatabaseHost,
    PublisherConfig,
    RelayConfig,
    Secret,
    TopicConfig,
)
from auditlog.errors import ClusterNotFoundError, ConfigError


def cluster(name="a", /, **more):
    return ClusterConfig(id=name, bootstrap_servers="h:9092", **more)


def mistakes(cls, **values):
    with pytest.raises(ConfigError) as caught:
        cls(**values)
    return caught.value.mistakes


def test_nothing_set():
    """
    An empty config is fine and has the documented defaults.
    """
    config = AuditLogConfig()

    assert config.database is None
    assert config.clusters == ()
    assert config.publisher.cluster is None
    assert config.publisher.topic_config.partition == 1
    assert config.publisher.topic_config.replication_factor == 1
    assert config.relay.run is True
    assert config.codec == "cloudevents"


def test_text_becomes_what_it_means():
    """
    Secrets may be given as text, addresses as text or a list.
    """
    database = DatabaseConfig(url="postgresql://u:p@h/db")
    listed = ClusterConfig(
        id="a", bootstrap_servers=["h:1", "i:2"], properties=""
    )

    assert Secret("postgresql://u:p@h/db") == database.url
    assert listed.bootstrap_servers == ("h:1", "i:2")
    assert Secret("") == listed.properties
    assert ClusterConfig(
        id="a", bootstrap_servers=" h:1,\n[::1]:2, "
    ).bootstrap_servers == ("h:1", "[::1]:2")


def test_name_is_the_id_by_default():
    """
    A cluster without a name is called by its ID.
    """
    assert cluster("a").name == "a"
    assert cluster("a", name="A").name == "A"


@pytest.mark.parametrize("value", [1, 7, -1, 2**15 - 1])
def test_counts(value):
    """
    Numbers from 1 and -1 are good for both.
    """
    config = TopicConfig(partition=value, replication_factor=value)

    assert value == config.partition == config.replication_factor


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (0, "must be at least 1, or -1 for the broker's default (got 0)"),
        (-2, "must be at least 1, or -1 for the broker's default (got -2)"),
        (2**15, "must be at most 32767 (got 32768)"),
        pytest.param(10**5000, "must be at most 32767 (got int)", id="huge"),
        (True, "must be a whole number (got True)"),
        (1.0, "must be a whole number (got 1.0)"),
        ("1", "must be a whole number (got '1')"),
        (None, "must be a whole number (got None)"),
        ([1], "must be a whole number (got list)"),
    ],
)
def test_counts_refused(value, wrong):
    """
    0 and what is no whole number is refused, with the attribute's name.
    """
    assert (f"{wrong} @ TopicConfig.replication_factor",) == mistakes(
        TopicConfig, replication_factor=value
    )


@pytest.mark.parametrize("name", ["a", "_x.Y-9", "a" * 249, "...", "a."])
def test_topic_names(name):
    """
    What Kafka takes as a topic's name is taken.
    """
    assert name == PublisherConfig(cluster="c", topic_name=name).topic_name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a" * 250, "a b", "ä", "a/b", "a\n", 5, "a\x00"]
)
def test_topic_names_refused(name):
    """
    What Kafka refuses as a topic's name is refused here already.
    """
    (mistake,) = mistakes(PublisherConfig, cluster="c", topic_name=name)

    assert mistake.startswith("must be ")
    assert mistake.endswith(" @ PublisherConfig.topic_name")


def test_cluster_and_topic_name_belong_together():
    """
    Only one of the two is a mistake that names both.
    """
    expected = "must be set too, because PublisherConfig.{} is @ {}"

    assert (
        expected.format("cluster", "PublisherConfig.topic_name"),
    ) == mistakes(PublisherConfig, cluster="c")
    assert (
        expected.format("topic_name", "PublisherConfig.cluster"),
    ) == mistakes(PublisherConfig, topic_name="t")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h:5432/db",
        "postgres://h",
        "postgresql:///db?host=/tmp/x&port=5433",
        "postgresql://u@/db?host=%2Ftmp",
        "postgresql://%2Fvar%2Frun/db",
        "postgresql://u:p%40%2F@h1:1,h2:2,[::1]:3/db?sslmode=require",
        "postgresql://h/db?",
        "postgresql://h/db?user=me%40here&password=a%3Db",
        "postgresql://ü:ß@h/db",
    ],
)
def test_urls(url):
    """
    What libpq reads as one URL in one way is taken as it is.
    """
    assert url == DatabaseConfig(url=url).url.reveal()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h/db",
        "mysql://h/db",
        "jdbc:postgresql:db",
        "jdbc:mysql://h/db",
        "POSTGRESQL://h/db",
        "postgresql:h/db",
        "postgresql://u:p@x@h/db",
        "postgresql://u:1/x@h/db",
        "postgresql://u:1?x@h/db",
        "postgresql://u:1#x@h/db",
        "postgresql://u:p@h/db#x",
        "postgresql://u:p%4@h/db",
        "postgresql://u:p%00@h/db",
        "postgresql://u:p%e4@h/db",
        "postgresql://u:p @h/db",
        "postgresql://u:p\n@h/db",
        "postgresql://u:p\x00@h/db",
        "postgresql://u:\udcff@h/db",
        "postgresql://h:0/db",
        "postgresql://h:65536/db",
        "postgresql://h:x/db",
        "postgresql://h:/db",
        "postgresql://[::1/db",
        "postgresql://h/db?sslmode",
        "postgresql://h/db?password=a=b",
        "postgresql://h?user=me@here",
        "postgresql://h/db/x",
        "postgresql://h/db?a=b?c=d",
    ],
)
def test_urls_refused(url):
    """
    A URL that can be read in two ways or none is refused, and not shown.
    """
    (mistake,) = mistakes(DatabaseConfig, url=url)

    assert mistake.endswith(" @ DatabaseConfig.url")
    assert not url or url not in mistake


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ursula:pw@h:1,i:2/db?password=pw", "h:1,i:2/db"),
        ("postgres://ursula@h", "h/"),
        ("postgresql:///db?host=/tmp", "/db"),
    ],
)
def test_database_shows_host_and_name(url, shown):
    """
    The repr says which database it is, without user and parameters.
    """
    text = repr(DatabaseConfig(url=url))

    assert f"url='postgresql://{shown}'" in text
    assert "pw" not in text
    assert "ursula" not in text


@pytest.mark.parametrize("schema", ["audit", "_x", "A9", "a" * 63])
def test_schemas(schema):
    """
    Plain names are schemas.
    """
    config = DatabaseConfig(url="postgresql://h/db", schema=schema)

    assert schema == config.schema


@pytest.mark.parametrize(
    "schema", ["", "9a", "a-b", 'a"', "pg_audit", "a" * 64, None, "ä", "a."]
)
def test_schemas_refused(schema):
    """
    Names that would need quotes, or that PostgreSQL keeps, are refused.
    """
    (mistake,) = mistakes(
        DatabaseConfig, url="postgresql://h/db", schema=schema
    )

    assert mistake.endswith(" @ DatabaseConfig.schema")


@pytest.mark.parametrize("seconds", [0.5, 10, 86_400])
def test_timeouts(seconds):
    """
    Seconds may be whole or not.
    """
    config = DatabaseConfig(
        url="postgresql://h/db", connection_timeout=seconds
    )

    assert seconds == config.connection_timeout


@pytest.mark.parametrize(
    "seconds",
    [
        0,
        -1,
        86_401,
        float("nan"),
        float("inf"),
        True,
        "1",
        None,
        pytest.param(10**5000, id="huge"),
    ],
)
def test_timeouts_refused(seconds):
    """
    What is no time to wait is refused.
    """
    (mistake,) = mistakes(
        DatabaseConfig, url="postgresql://h/db", connection_timeout=seconds
    )

    assert mistake.endswith(" @ DatabaseConfig.connection_timeout")


@pytest.mark.parametrize(
    ("servers", "wrong"),
    [
        ("", "must name at least one 'host:port'"),
        (" , ", "must name at least one 'host:port'"),
        (None, "must be 'host:port,host:port' (got None)"),
        ("h", "must be 'host:port,host:port' (not so: 1)"),
        (
            "h:1,i:0,j:99999,:4",
            "must be 'host:port,host:port' (not so: 2, 3, 4)",
        ),
        ("h:٣", "must be 'host:port,host:port' (not so: 1)"),
        ([1, None], "must be 'host:port,host:port' (not so: 1, 2)"),
        ("hö:1", "must be 'host:port,host:port' (not so: 1)"),
        ("http://h:80", "must be 'host:port,host:port' (not so: 1)"),
    ],
)
def test_addresses_refused(servers, wrong):
    """
    Addresses that cannot be reached are refused by their position.
    """
    assert (f"{wrong} @ ClusterConfig.bootstrap_servers",) == mistakes(
        ClusterConfig, id="a", bootstrap_servers=servers
    )


@pytest.mark.parametrize(
    "name", ["", "a\n", "\x1b[31m", "\u202e", "\udcff", 5, None, ["a"]]
)
def test_cluster_ids_refused(name):
    """
    An ID that would break the line of a log is none.
    """
    found = mistakes(ClusterConfig, id=name, name="x", bootstrap_servers="h:1")

    assert len(found) == 1
    assert found[0].endswith(" @ ClusterConfig.id")


@pytest.mark.parametrize(
    "properties",
    [
        "",
        "# a comment\n! another\n\n",
        "security.protocol=PLAINTEXT",
        "  security.protocol : plaintext \r\n",
        "security.protocol PLAINTEXT\\n# and another line",
    ],
)
def test_properties(properties):
    """
    Without a login, and without encryption, is supported in any spelling.
    """
    config = cluster(properties=properties)

    assert properties == config.properties.reveal()


def test_every_mistake_at_once():
    """
    One look finds all that is wrong with an object.
    """
    found = mistakes(
        DatabaseConfig,
        url=5,
        schema="",
        create_schema=1,
        prepare=None,
        connection_timeout=0,
    )

    assert len(found) == 5
    assert found[0] == (
        "must be text (got int); put it in quotes @ DatabaseConfig.url"
    )
    assert "must be true or false (got 1) @ DatabaseConfig.create_schema" in (
        found
    )


def test_parts_of_the_right_kind():
    """
    The whole is built from its parts, and clusters have IDs of their own.
    """
    assert mistakes(
        AuditLogConfig,
        database="postgresql://h/db",
        clusters="a",
        publisher=None,
        relay=False,
        codec=["x"],
    ) == (
        "must be a DatabaseConfig (got str) @ AuditLogConfig.database",
        (
            "must be objects of ClusterConfig only (got str)"
            " @ AuditLogConfig.clusters"
        ),
        "must be a PublisherConfig (got NoneType) @ AuditLogConfig.publisher",
        "must be a RelayConfig (got bool) @ AuditLogConfig.relay",
        (
            "must be 'cloudevents' or 'conduktor' (got list)"
            " @ AuditLogConfig.codec"
        ),
    )
    assert mistakes(
        AuditLogConfig, clusters=[cluster("a"), cluster("b"), cluster("a")]
    ) == ("has two of ID 'a' @ AuditLogConfig.clusters",)


def test_cluster_found_by_id():
    """
    A cluster is found by its ID; an unknown one names those that are known.
    """
    a, b = cluster("a"), cluster("b")
    config = AuditLogConfig(clusters=[a, b])

    assert b == config.cluster("b")
    with pytest.raises(ClusterNotFoundError) as caught:
        config.cluster("c")
    assert caught.value.known == ("a", "b")


def test_values_never_change():
    """
    Configs are frozen, comparable and hashable.
    """
    config = AuditLogConfig(clusters=[cluster()])

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.relay = RelayConfig(run=False)
    assert config == AuditLogConfig(clusters=(cluster(),))
    assert len({config, AuditLogConfig(clusters=(cluster(),))}) == 1


def test_pickles_without_secrets():
    """
    A config reaches another process whole but for its secrets.
    """
    config = AuditLogConfig(
        database=DatabaseConfig(url="postgresql://u:c4n4ry@h/db"),
        clusters=[cluster(properties="# c4n4ry")],
    )

    pickled = pickle.dumps(config)
    travelled = pickle.loads(pickled)

    assert b"c4n4ry" not in pickled
    assert travelled.database.schema == "audit"
    assert "url=Secret('***')" in repr(travelled)
    with pytest.raises(ConfigError, match="does not travel"):
        travelled.database.url.reveal()
    with pytest.raises(ConfigError, match="does not travel"):
        attrs.evolve(travelled.database, schema="other")


@pytest.mark.parametrize(
    "cls",
    [
        AuditLogConfig,
        ClusterConfig,
        DatabaseConfig,
        PublisherConfig,
        RelayConfig,
        TopicConfig,
    ],
)
def test_types_can_be_resolved(cls):
    """
    Libraries that load settings of their own find the types.
    """
    hints = typing.get_type_hints(cls)

    assert [each.name for each in attrs.fields(cls)] == list(hints)


def test_no_driver_is_loaded():
    """
    Building and loading a config needs no driver and no parser of YAML.
    """
    code = """
import sys
from auditlog.config import AuditLogConfig
AuditLogConfig.from_env({"CDK_DATABASE_URL": "postgresql://h/db"})
print({"psycopg", "kafka", "yaml", "tqdm", "click", "rich", "tenacity"}
      & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    assert done.stdout == "set()\n"


# A database by its parts


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://h/db", {"host": "h", "dbname": "db"}),
        (
            "postgresql://u:p%40@h1:1,h2:2,[::1]:3/db?sslmode=require",
            {
                "host": "h1,h2,::1",
                "port": "1,2,3",
                "dbname": "db",
                "user": "u",
                "password": "p@",
                "sslmode": "require",
            },
        ),
        ("postgresql://a,b:1/", {"host": "a,b", "port": ",1"}),
        ("postgresql://%2Fvar%2Frun/d", {"host": "/var/run", "dbname": "d"}),
        (
            "jdbc:postgresql://h:1/db?user=u&password=p%26&ssl=true",
            {
                "host": "h",
                "port": "1",
                "dbname": "db",
                "user": "u",
                "password": "p&",
                "sslmode": "verify-full",
            },
        ),
        (
            "jdbc:postgresql://h/db?sslmode=require&ssl=true&ApplicationName=a",
            {
                "host": "h",
                "dbname": "db",
                "sslmode": "require",
                "application_name": "a",
            },
        ),
        (
            (
                "postgresql://a,b/db?targetServerType=preferSecondary"
                "&tcpKeepAlive=false&ssl=false&reWriteBatchedInserts=true"
            ),
            {
                "host": "a,b",
                "dbname": "db",
                "port": ",",
                "target_session_attrs": "prefer-standby",
                "keepalives": "0",
            },
        ),
    ],
)
def test_parameters_of_a_url(url, expected):
    """
    What libpq is told, also of a URL as the Java driver has it.
    """
    assert expected == DatabaseConfig(url=url).parameters()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"host": "h", "name": "db", "username": "u"},
            {"host": "h", "port": "5432", "dbname": "db", "user": "u"},
        ),
        (
            {
                "hosts": (
                    DatabaseHost(host="a"),
                    DatabaseHost(host="b", port=2),
                ),
                "name": "db",
                "username": "u",
                "password": "p@/ :",
            },
            {
                "host": "a,b",
                "port": "5432,2",
                "dbname": "db",
                "user": "u",
                "password": "p@/ :",
            },
        ),
        (
            {
                "url": "postgresql://u:p@h:1/db?sslmode=require",
                "password": "q",
            },
            {
                "host": "h",
                "port": "1",
                "dbname": "db",
                "user": "u",
                "password": "q",
                "sslmode": "require",
            },
        ),
        (
            {"url": "postgresql://a:1,b:2/db", "host": "c"},
            {"host": "c", "port": "5432", "dbname": "db"},
        ),
        (
            {"url": "postgresql://a:6432/db?hostaddr=1.2.3.4", "host": "c"},
            {"host": "c", "port": "6432", "dbname": "db"},
        ),
        (
            {"url": "postgresql://a,b/db", "port": 6432},
            {"host": "a,b", "port": "6432", "dbname": "db"},
        ),
    ],
)
def test_parts_of_a_database(parts, expected):
    """
    In place of a URL, or over it.
    """
    assert expected == DatabaseConfig(**parts).parameters()


@pytest.mark.parametrize(
    ("parts", "wrong"),
    [
        (
            {},
            ["must be set, or host, name and username @ DatabaseConfig.url"],
        ),
        (
            {"password": "s3cret"},
            [
                f"must be set, because there is no url @ DatabaseConfig.{name}"
                for name in ("host", "name", "username")
            ],
        ),
        (
            {
                "url": "postgresql://h/db",
                "host": "h",
                "hosts": (DatabaseHost(host="h"),),
            },
            ["must not be set beside hosts @ DatabaseConfig.host"],
        ),
        (
            {
                "url": "postgresql://h/db",
                "port": 6432,
                "hosts": (DatabaseHost(host="h"),),
            },
            ["must not be set beside hosts @ DatabaseConfig.port"],
        ),
        (
            {"url": "postgresql://h/db", "host": "a,b", "port": 65536},
            [
                (
                    "must be one host, or the folder of a socket (got 'a,b')"
                    " @ DatabaseConfig.host"
                ),
                "must be 1 to 65535 (got 65536) @ DatabaseConfig.port",
            ],
        ),
        (
            {"url": "postgresql://h/db", "password": "s3\0cret"},
            ["must hold no NUL @ DatabaseConfig.password"],
        ),
        (
            {"url": "postgresql://h/db", "password": "p\udce4"},
            ["must be UTF-8 @ DatabaseConfig.password"],
        ),
    ],
)
def test_parts_refused(parts, wrong):
    """
    With all that is wrong, and no password.
    """
    assert wrong == list(mistakes(DatabaseConfig, **parts))


@pytest.mark.parametrize(
    ("parameter", "wrong"),
    [
        ("targetServerType=s3cret", "must have any or primary or master or"),
        ("currentSchema=s3cret", "set database.schema"),
        ("prepareThreshold=0", "set database.prepare"),
        ("s3Cret=x", "must end in parameters"),
        ("sECret=x", "has a parameter that libpq has not"),
    ],
)
def test_parameters_of_the_java_driver_refused(parameter, wrong):
    """
    By name, where that is no part of a password, with what to do instead.
    """
    url = f"jdbc:postgresql://h/db?{parameter}"
    (mistake,) = mistakes(DatabaseConfig, url=url)

    assert wrong in mistake
    assert "s3" not in mistake
    assert "sEC" not in mistake

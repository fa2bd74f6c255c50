"""
No text in any setting leaks a secret or breaks more than a `ConfigError`.
"""

from __future__ import annotations

import logging
import re
import tomllib

from urllib.parse import unquote

import psycopg
import pytest
import tomli_w
import yaml

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from auditlog.config import AuditLogConfig, ClusterConfig, DatabaseConfig
from auditlog.config.settings import table
from auditlog.errors import ConfigError
from tests.shown import CANARY, everything_shown


SETTINGS = table(AuditLogConfig)
NAMES = sorted(
    {
        name(*[0] * each.dotted.count("[]"))
        for each in SETTINGS
        for name in (each.variable, each.own_variable)
    }
)
SECRET = sorted(
    {
        name(*[0] * each.dotted.count("[]"))
        for each in SETTINGS
        for name in (each.variable, each.own_variable)
        if "Secret" in str(each.field.type)
    }
)

texts = st.text(
    st.characters(codec=None) | st.sampled_from("@:/?#[]%&=,.\\\n \x00"),
    max_size=30,
)

# Where a password can stand, and where it can end up by mistake.
secrets = st.one_of(
    st.builds("{}{}{}".format, texts, st.just(CANARY), texts),
    st.builds(
        "postgresql://{}{}{}@{}/{}".format,
        texts,
        st.just(CANARY),
        texts,
        st.sampled_from(["h", "h:1", "h:x", "[::1", "h,i", ""]),
        texts,
    ),
    st.builds(
        "{}={}{}{}".format,
        st.sampled_from(
            ["security.protocol", "sasl.jaas.config", "ssl.keystore.key", ""]
        ),
        texts,
        st.just(CANARY),
        texts,
    ),
    st.builds(
        "security.protocol={}\nsasl.mechanism={}\nsasl.jaas.config={} "
        "required username={} password={}{};{}\n{}={}".format,
        st.sampled_from(["SASL_SSL", "SASL_PLAINTEXT", CANARY]),
        st.sampled_from(["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER", CANARY]),
        st.sampled_from(["a.PlainLoginModule", "x.Scram", CANARY]),
        texts,
        st.just(CANARY),
        texts,
        texts,
        st.sampled_from(
            [
                "ssl.key.password",
                "ssl.truststore.location",
                "ssl.keystore.certificate.chain",
                "ssl.keystore.location",
                "sasl.oauthbearer.token.endpoint.url",
                "linger.ms",
                CANARY,
            ]
        ),
        st.sampled_from(["", CANARY, f"https://{CANARY}@h/", "/dev/null"]),
    ),
)


def nested(environ):
    """
    The same settings as a file has them.
    """
    content = {}
    for each in SETTINGS:
        value = environ.get(each.variable(*[0] * each.dotted.count("[]")))
        *groups, leaf = each.dotted.split(".")
        if value is None:
            continue
        at = content
        for group in groups:
            name = group.removesuffix("[]")
            at = at.setdefault(name, [{}] if name != group else {})
            at = at[0] if name != group else at
        at[leaf] = value
    return content


def ways(environ):
    """
    Every way to load or build what *environ* says.
    """
    content = nested(environ)
    yield lambda: AuditLogConfig.from_env(environ)
    yield lambda: AuditLogConfig.from_mapping(content)
    yield lambda: AuditLogConfig.from_mapping(content, environ)
    yield lambda: DatabaseConfig(url=environ.get("CDK_DATABASE_URL", ""))
    yield lambda: understood(environ.get("CDK_CLUSTERS_0_PROPERTIES", ""))


def understood(properties):
    """
    A cluster whose properties were looked at.
    """
    cluster = ClusterConfig(
        id="a", bootstrap_servers="h:1", properties=properties
    )
    repr(cluster.client())
    return cluster


VALID = {
    "CDK_AUDITLOGPUBLISHER_CLUSTER": "a",
    "CDK_AUDITLOGPUBLISHER_TOPICNAME": "t",
    "CDK_CLUSTERS_0_ID": "a",
    "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "h:1",
    "CDK_DATABASE_URL": f"postgresql://u:{CANARY}@h/db?password={CANARY}",
    "CDK_CLUSTERS_0_PROPERTIES": (
        f"# {CANARY}\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n"
        f"sasl.jaas.config=x.PlainLoginModule required username='{CANARY}' "
        f"password='{CANARY}';"
    ),
}


@pytest.mark.parametrize("name", SECRET)
@given(secret=secrets, other=st.booleans())
@example(secret=f"postgresql://u:{CANARY}@h/db", other=False)
@example(secret=f"postgresql://u:1/{CANARY}@h/db", other=False)
@example(secret=f"postgresql://u:1?{CANARY}@h/db", other=False)
@example(secret=f"postgresql://u:1#{CANARY}@h/db", other=False)
@example(secret=f"postgresql://u:{CANARY}%zz@h/db", other=False)
@example(secret=f"postgresql://u:p@x:{CANARY}@h/db", other=False)
@example(secret=f"password={CANARY}", other=True)
@example(secret=f"{CANARY}=x", other=True)
@example(secret=CANARY, other=True)
@settings(max_examples=100)
def test_secrets_never_shown(name, secret, other):
    """
    A secret is shown neither by the config nor by the error, nor by what
    hangs on the error, whatever else is wrong.
    """
    environ = {name: secret, "AUDITLOG_RELAY_RUN": "maybe" if other else "1"}
    if name.endswith("PROPERTIES"):
        environ |= {
            "CDK_CLUSTERS_0_ID": "a",
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "h:1",
            "CDK_AUDITLOGPUBLISHER_CLUSTER": "a",
            "CDK_AUDITLOGPUBLISHER_TOPICNAME": "t",
        }
    if name.endswith("PASSWORD"):
        environ |= {
            "CDK_DATABASE_HOST": "h",
            "CDK_DATABASE_NAME": "d",
            "CDK_DATABASE_USERNAME": "u",
        }
    documented = name.replace("AUDITLOG_PUBLISHER", "CDK_AUDITLOGPUBLISHER")
    documented = documented.replace("AUDITLOG_", "CDK_")
    if documented not in NAMES:
        documented = name

    for way in ways({**environ, documented: secret}):
        for shown in everything_shown(way):
            assert CANARY not in shown or _is_public(secret)


def _is_public(url):
    # Some of the texts that are made here put the canary where PostgreSQL's
    # own library reads a host or the name of the database.
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return False
    return not any(
        CANARY in str(value)
        for name, value in parts.items()
        if name not in {"host", "port", "dbname"}
    )


special = st.text("ab1@:/?#[]%&=,4f_.", max_size=12)


@given(
    st.builds(
        "postgresql://{}{}{}".format,
        special,
        st.sampled_from(["", "@", ":@", "/", "@h/", "/?", "@h:1/db?host="]),
        special,
    )
)
@settings(max_examples=1000)
@example("postgresql://h?user=me@here")
@example("postgresql://a,b:1/")
def test_urls_read_as_postgresql_reads_them(url):
    """
    A URL that is taken says to PostgreSQL's own library what it says here,
    and has the hosts and the database that the repr shows.
    """
    try:
        config = DatabaseConfig(url=url)
    except ConfigError:
        return
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError as exc:
        # It knows all parameters by name; that is left to it.
        if "invalid URI query parameter" not in str(exc):
            raise
        return

    assert config.parameters() == {k: v for k, v in parts.items() if v}
    hosts, _, name = repr(config).split("'")[1][13:].partition("/")
    _, _, query = url.partition("?")
    if "dbname=" not in query:
        assert unquote(name) == parts.get("dbname", "")
    if "host=" not in query:
        assert [
            re.sub(r":[0-9]+$", "", h).strip("[]")
            for h in (unquote(each) for each in hosts.split(","))
        ] == parts.get("host", "").split(",")


URL = f"postgresql://u:{CANARY}@h/db"
JAAS = f"security.protocol=SASL_SSL\nsasl.jaas.config=x password={CANARY};"
ASTRAY = {
    "CDK_IN_CONF_FILE": [URL, f"{{database: {{password: {CANARY}}}}}"],
    "CDK_ENV_FILE": [URL],
    "CDK_DATABASE_HOST": [URL, f"u:{CANARY}@h"],
    "CDK_DATABASE_PORT": [URL, f"5432?password={CANARY}"],
    "AUDITLOG_DATABASE_SCHEMA": [URL],
    "AUDITLOG_DATABASE_TIMEOUT": [URL],
    "AUDITLOG_DATABASE_PREPARE": [URL],
    "AUDITLOG_CODEC": [URL, JAAS],
    "CDK_AUDITLOGPUBLISHER_TOPICNAME": [URL, JAAS],
    "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION": [URL],
    "AUDITLOG_PUBLISHER_TOPICCONFIG_PROPERTIES": [
        URL,
        JAAS,
        JAAS.replace("\n", "\\n"),
        f"ssl.key.password={CANARY}",
        f"hunter.2{CANARY}",
        f"hunter.2{CANARY}=",
        CANARY,
    ],
    "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": [URL, JAAS, CANARY],
}


@pytest.mark.parametrize(
    ("name", "secret"),
    [(name, each) for name, texts in ASTRAY.items() for each in texts],
)
def test_secrets_in_the_wrong_place(name, secret):
    """
    A URL or properties with a password are refused where they don't belong,
    and not shown.
    """
    with pytest.raises(ConfigError):
        AuditLogConfig.from_env({name: secret})

    for shown in everything_shown(
        lambda: AuditLogConfig.from_env({name: secret})
    ):
        assert CANARY not in shown


def test_properties_show_nothing_of_themselves():
    """
    Nor does what they mean: files, endpoints, certificates and names.
    """
    pem = f"-----BEGIN {{0}}-----{CANARY}-----END {{0}}-----"
    cluster = understood(
        "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\n"
        f"sasl.oauthbearer.token.endpoint.url=https://h/{CANARY}?{CANARY}\n"
        f"sasl.oauthbearer.scope={CANARY}\n"
        f"sasl.jaas.config=x.OAuthBearerLoginModule required "
        f"clientId={CANARY} clientSecret={CANARY} extension_{CANARY[0]}="
        f"{CANARY};\n"
        f"ssl.truststore.type=PEM\nssl.truststore.location={CANARY}\n"
        f"ssl.keystore.type=PEM\nssl.keystore.location={CANARY}\n"
        f"ssl.truststore.certificates={pem.format('CERTIFICATE')}\n"
        f"ssl.keystore.certificate.chain={pem.format('CERTIFICATE')}\n"
        f"ssl.keystore.key={pem.format('PRIVATE KEY')}\n"
    )

    assert CANARY not in repr(cluster.client())


def test_valid_secrets_never_shown(caplog):
    """
    A config that works shows its secrets nowhere, logs included.
    """
    caplog.set_level(logging.DEBUG)

    for way in ways(VALID):
        assert all(CANARY not in shown for shown in everything_shown(way))
    assert CANARY not in caplog.text


@given(
    st.dictionaries(
        st.sampled_from(NAMES)
        | st.builds(
            "{}{}".format, st.sampled_from(["CDK_", "AUDITLOG_"]), texts
        )
        | st.builds(
            "{}{}".format,
            st.sampled_from(NAMES),
            st.sampled_from(["_FILE", "_0", "_", "S", "\n"]),
        ),
        texts | st.sampled_from(["", "1", "0", "h:1", "a", "postgresql://h"]),
    )
)
@settings(max_examples=300)
def test_any_environment(environ):
    """
    Any text in any variable is a config or a `ConfigError`.
    """
    for way in ways(environ):
        for _ in everything_shown(way):
            pass


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | st.dates()
    | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                sorted(
                    {
                        part.removesuffix("[]")
                        for each in SETTINGS
                        for part in each.dotted.split(".")
                    }
                )
            )
            | texts
            | st.integers()
            | st.none(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(values)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_mapping(content):
    """
    Any structure is a config or a `ConfigError`.
    """
    for _ in everything_shown(lambda: AuditLogConfig.from_mapping(content)):
        pass


good = st.fixed_dictionaries(
    {
        "CDK_AUDITLOGPUBLISHER_CLUSTER": st.from_regex(
            r"[^\W_]{1,9}", fullmatch=True
        ),
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": st.from_regex(
            r"[a-z][a-z0-9._-]{0,9}", fullmatch=True
        ),
    },
    optional={
        "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION": st.integers(
            1, 2**31 - 1
        ).map(str),
        "CDK_AUDITLOGPUBLISHER_TOPICCONFIG_REPLICATIONFACTOR": (
            st.sampled_from(["-1", "1", "3"])
        ),
        "CDK_DATABASE_URL": st.sampled_from(
            ["postgresql://u:p@h/db", "postgres:///x?host=/tmp"]
        ),
        "AUDITLOG_RELAY_RUN": st.sampled_from(["true", "false"]),
        "AUDITLOG_CODEC": st.sampled_from(["cloudevents", "conduktor"]),
    },
)


@given(good)
def test_all_sources_agree(environ):
    """
    The same settings make the same config wherever they stand.
    """
    config = AuditLogConfig.from_env(environ)
    content = nested(environ)

    assert config == AuditLogConfig.from_mapping(content)
    assert config == AuditLogConfig.from_mapping(
        yaml.safe_load(yaml.safe_dump(content))
    )
    assert config == AuditLogConfig.from_mapping(
        tomllib.loads(tomli_w.dumps(content))
    )
    assert environ["CDK_AUDITLOGPUBLISHER_CLUSTER"] == config.publisher.cluster


@given(
    st.binary(max_size=200) | texts.map(lambda t: t.encode("utf-8", "replace"))
)
@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize("suffix", ["yaml", "toml"])
def test_any_file(tmp_path, suffix, content):
    """
    Any bytes in a file are a config or a `ConfigError`.
    """
    path = tmp_path / f"audit.{suffix}"
    path.write_bytes(content)

    for _ in everything_shown(lambda: AuditLogConfig.from_file(path, {})):
        pass


FRAGMENTS = [
    "database:",
    "url:",
    " ",
    "\n",
    "\n  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    ": ",
    "'",
    '"',
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "!x ",
    "%YAML 1.1",
    "---",
    "...",
    "|",
    ">",
    "#",
    "= ",
    "[[",
    "]]",
    "2026-01-01",
    CANARY,
    f"postgresql://u:{CANARY}@h/db",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize("suffix", ["yaml", "toml"])
def test_broken_files_are_not_quoted(tmp_path, suffix, content):
    """
    However a file is broken, the parser's quotes of it go nowhere.
    """
    path = tmp_path / f"audit.{suffix}"
    path.write_text(content)

    for shown in everything_shown(lambda: AuditLogConfig.from_file(path, {})):
        assert CANARY not in shown

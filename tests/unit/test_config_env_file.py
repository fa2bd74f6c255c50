"""
A file of variables, as ``CDK_ENV_FILE`` names one.
"""

from __future__ import annotations

import contextlib
import sys

import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditlog.config import AuditLogConfig
from auditlog.errors import ConfigError, MissingExtraError


@pytest.fixture
def load(tmp_path):
    def load(content, **environ):
        path = tmp_path / "audit.env"
        path.write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
        return AuditLogConfig.from_env({"CDK_ENV_FILE": str(path), **environ})

    return load


@pytest.fixture
def mistakes(load, tmp_path):
    def mistakes(content, **environ):
        with pytest.raises(ConfigError) as caught:
            load(content, **environ)
        return [
            mistake.replace(f"{tmp_path}/", "")
            for mistake in caught.value.mistakes
        ]

    return mistakes


def test_variables_in_the_forms_that_there_are(load):
    """
    Comments, quotes, exports and text of several lines.
    """
    config = load(
        "# Kafka\r\n"
        "export CDK_CLUSTERS_0_ID=my-kafka-cluster\n"
        "CDK_CLUSTERS_0_NAME='Production, EU'\n"
        'CDK_CLUSTERS_0_BOOTSTRAPSERVERS="a:1,b:2" # two\n'
        'CDK_CLUSTERS_0_PROPERTIES="# nothing\nsecurity.protocol=PLAINTEXT"\n'
        "\n"
        "CDK_DATABASE_URL=postgresql://u:p$HOME@h/db\n"
        "PATH=/nowhere\n"
    )

    (cluster,) = config.clusters
    assert (cluster.id, cluster.name) == ("my-kafka-cluster", "Production, EU")
    assert cluster.bootstrap_servers == ("a:1", "b:2")
    assert "PLAINTEXT" in cluster.properties.reveal()
    assert config.database.url.reveal() == "postgresql://u:p$HOME@h/db"


def test_together_with_the_environment(load):
    """
    Settings of either; the same value twice is no mistake.
    """
    config = load(
        "CDK_CLUSTERS_0_ID=a\nAUDITLOG_CODEC=conduktor\n",
        CDK_CLUSTERS_0_BOOTSTRAPSERVERS="a:1",
        AUDITLOG_CODEC="conduktor",
    )

    assert config.clusters[0].id == "a"
    assert config.codec == "conduktor"


def test_it_names_the_file_of_settings_and_what_that_needs(load, tmp_path):
    """
    All variables count, wherever one is asked for.
    """
    path = tmp_path / "platform-config.yaml"
    path.write_text("database: {url: 'postgresql://u:${PW}@h/db'}")

    config = load(f"CDK_IN_CONF_FILE={path}\nPW=s3cret\n")
    given = AuditLogConfig.from_file(
        path, {"CDK_ENV_FILE": str(tmp_path / "audit.env")}
    )

    assert config == given
    assert config.database.url.reveal() == "postgresql://u:s3cret@h/db"


def test_what_is_no_setting_is_the_environments(load, tmp_path):
    """
    As in most programs that read such files.
    """
    path = tmp_path / "platform-config.yaml"
    path.write_text("clusters: [{id: '${X}', bootstrapServers: 'h:1'}]")

    config = load(f"CDK_IN_CONF_FILE={path}\nX=file\n", X="environment")

    assert config.clusters[0].id == "environment"


def test_wrong_lines_and_two_values_are_told_with_all_else(mistakes):
    """
    Nothing of a line is: it may be a part of a key.
    """
    assert [
        "line 1 is no NAME=value @ audit.env (CDK_ENV_FILE)",
        "line 3 is no NAME=value @ audit.env (CDK_ENV_FILE)",
        (
            "one setting with two values, in the environment and in the file "
            "of variables; keep one @ CDK_DATABASE_URL"
        ),
        (
            "must be 'cloudevents' or 'conduktor' (got 'xml') @ codec "
            "(AUDITLOG_CODEC)"
        ),
    ] == mistakes(
        "s3cret with blanks\nAUDITLOG_CODEC=xml\ns3cret\n"
        "CDK_DATABASE_URL=postgresql://u:s3cret@h/db\n",
        CDK_DATABASE_URL="postgresql://u:other@h/db",
    )


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"A=\xff", "is not UTF-8 at byte 2; save it as UTF-8"),
        (
            b"A=" + b"x" * 2**20,
            "is larger than 1048576 bytes; is it the right one?",
        ),
    ],
    ids=["not UTF-8", "large"],
)
def test_unreadable(mistakes, content, wrong):
    """
    The variables themselves are looked at all the same.
    """
    assert mistakes(content, AUDITLOG_CODEC="xml") == [
        f"names a file that {wrong} @ CDK_ENV_FILE",
        (
            "must be 'cloudevents' or 'conduktor' (got 'xml') @ codec "
            "(AUDITLOG_CODEC)"
        ),
    ]


def test_absent(tmp_path):
    """
    Conduktor Console goes on without it; here nothing is left out quietly.
    """
    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_env({"CDK_ENV_FILE": str(tmp_path / "absent")})

    assert caught.value.mistakes == (
        (
            "names a file that can't be read (No such file or directory)"
            " @ CDK_ENV_FILE"
        ),
    )


def test_two_files(load):
    """
    The second spelling is for one of the same name.
    """
    with pytest.raises(ConfigError, match="keep one @ CDK_ENV_FILE and AUDIT"):
        load("", AUDITLOG_ENV_FILE="other.env")


def test_extra_that_is_missing(load, monkeypatch):
    """
    Says what to install.
    """
    monkeypatch.setitem(sys.modules, "dotenv.parser", None)

    with pytest.raises(MissingExtraError, match=r"CDK_ENV_FILE.*\[dotenv\]"):
        load("")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="CDK_AUDITLOG=\"'\\\n#$ \r\0x") | st.binary())
def test_any_text(load, content):
    """
    Is loaded or refused.
    """
    with contextlib.suppress(ConfigError):
        load(content)

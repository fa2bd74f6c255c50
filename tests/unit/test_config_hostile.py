"""
Settings that are made to keep their reader busy: long, deep, endless, or
growing when they are read.
"""

from __future__ import annotations

import os
import signal

import javaproperties
import pytest

from hypothesis import given
from hypothesis import strategies as st

from auditlog.config import AuditLogConfig, DatabaseConfig, TopicConfig
from auditlog.config.properties import _whole_lines
from auditlog.errors import ConfigError


MIB = 1024 * 1024
BEGIN = "-----BEGIN CERTIFICATE-----"

# Far more than it takes, so that what hangs fails and not the whole suite.
PATIENCE = 60


@pytest.fixture(autouse=True)
def _watchdog():
    def bark(*_):
        pytest.fail(f"still busy after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def used(properties):
    """
    A config whose cluster is used, so that its properties are looked at.
    """
    return AuditLogConfig.from_mapping(
        {
            "publisher": {"cluster": "a", "topicName": "t"},
            "clusters": [
                {
                    "id": "a",
                    "bootstrapServers": "h:1",
                    "properties": properties,
                }
            ],
        }
    )


def tls(line):
    return used(f"security.protocol=SSL\n{line}")


def some(call, *args, **kwargs):
    """
    A config or one error: all that may come.
    """
    try:
        call(*args, **kwargs)
    except ConfigError as exc:
        return exc.mistakes
    return ()


# Regular expressions and loops


def of_length(piece, length=MIB // 4):
    return piece * (length // len(piece))


LONG = {
    "dashes": of_length("-"),
    "begins": of_length(BEGIN),
    "begins with bodies": of_length(f"{BEGIN} x "),
    "a body": BEGIN + of_length("x"),
    "blanks after a block": "-----" + of_length(" "),
    "backslashes": of_length("\\"),
    "written newlines": of_length("\\n"),
    "written newlines and blanks": "\\n" + of_length(" "),
    "written newlines and words": of_length("\\na "),
    "a written line that goes on": " \\\\n" + of_length("a") + of_length(" "),
    "lines that go on": of_length("a\\\n"),
    "lines": of_length("a\n", 50_000),
    "equals": of_length("="),
    "blanks": of_length(" ") + "x",
    "escapes": of_length("\\u0041"),
    "one property again and again": of_length("acks=all\n"),
    "many properties": "".join(f"a{n}.b=1\n" for n in range(4_000)),
    "many that matter": "".join(f"sasl.a{n}.b=1\n" for n in range(4_000)),
    "a long name": f"sasl.{of_length('a')}=1",
    "an open quote": 'sasl.jaas.config="' + of_length("\\\\a"),
    "many options": "sasl.jaas.config=m required " + of_length("a=b "),
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_properties(text):
    """
    A long text of whatever properties are made of is answered soon.
    """
    sasl = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n"

    some(used, sasl + text)
    some(TopicConfig, properties=text)


LONG_URLS = {
    "user": of_length("a") + "#",
    "password": "a:" + of_length(":"),
    "hosts": of_length("h,") + "@",
    "name": f"{of_length('a')}/{of_length('b')}?{of_length('c')}#",
    "percent": of_length("%"),
    "parameters": "h?" + of_length("a=b&"),
    "questions": of_length("?"),
    "address": "[" + of_length(":"),
}


@pytest.mark.parametrize("rest", LONG_URLS.values(), ids=LONG_URLS)
def test_long_urls(rest):
    """
    So is a long URL.
    """
    some(DatabaseConfig, url=f"postgresql://{rest}")


def test_lines_that_go_on():
    """
    Many thousand lines of one property are one value.
    """
    text = "max.request.size=\\\n" + "  \\\n" * 100_000 + "5"

    config = used(text)

    assert {"max.request.size": 5} == config.clusters[0].client().producer


@given(st.text("ab=: \t\f\\\\\n\r#!0\x0b"))
def test_whole_lines_mean_the_same(text):
    """
    Joining lines first changes nothing in what javaproperties reads.
    """
    joined = "\n".join(
        _whole_lines(
            text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        )
    )

    assert javaproperties.loads(text) == javaproperties.loads(joined)


LONG_FILES = {
    "dotted name.toml": "a" + ".a" * 200_000 + "=1",
    "quoted name.toml": '""' + ".''" * 200_000 + "=1",
    "blanks in a name.toml": "a" + " \t. a" * 100_000 + "=1",
    "long header.toml": "[a" + ".a" * 200_000 + "]",
    "name in a table.toml": "x={a" + ".a" * 200_000 + "=1}",
    "quotes.toml": 'a = "' + '\\"' * 500_000,
    "many quotes.toml": "a = " + '"' * MIB,
    "base 60.yaml": "a: 1" + ":1" * 500_000,
}


@pytest.mark.parametrize(("name", "text"), LONG_FILES.items(), ids=LONG_FILES)
def test_long_files(tmp_path, name, text):
    """
    A file that would take minutes to read is refused.
    """
    path = tmp_path / name
    path.write_text(text[:MIB])

    (mistake,) = some(AuditLogConfig.from_file, path, {})

    assert mistake.endswith(f" @ {path}")


def test_dots_that_join_no_name(tmp_path):
    """
    In a text, and in a comment, there may be any number of dots.
    """
    dots = "a." * 100
    path = tmp_path / "audit.toml"
    path.write_text(
        f'# {dots}\na = "{dots} \\" {dots}"\nb = \'{dots}\'\n'
        f'c = """\n{dots} "" {dots}"""\nd = \'\'\'\n{dots}\'\'\'\n'
        'codec = "conduktor"'
    )

    assert "conduktor" == AuditLogConfig.from_file(path, {}).codec


def test_blanks_in_a_file_of_variables(tmp_path):
    """
    Blanks without end are told by their line.
    """
    path = tmp_path / "audit.env"
    path.write_text("A=1\nB=x" + " " * 500_000 + "y")

    assert (
        "names a file that has too many blanks on line 2 @ CDK_ENV_FILE",
    ) == some(AuditLogConfig.from_env, {"CDK_ENV_FILE": str(path)})


def test_variables_that_grow(tmp_path):
    """
    A short file with long variables doesn't fill the memory.
    """
    path = tmp_path / "audit.yaml"
    path.write_text("database: {url: '" + "${A}" * 100_000 + "'}")

    first, *_ = some(AuditLogConfig.from_file, path, {"A": "x" * 100_000})

    assert first.startswith("is longer than 1048576 with its variables @ ")


def test_one_mistake_is_told_once(tmp_path):
    """
    However often it was made in one text.
    """
    path = tmp_path / "audit.yaml"
    path.write_text("codec: '" + "${" * 1000 + "'")

    assert 2 == len(some(AuditLogConfig.from_file, path, {}))


def in_itself():
    found = []
    found.append(found)
    return found


def deep():
    found = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize("make", [in_itself, deep])
def test_lists_in_lists(make):
    """
    A list that holds itself, or is very deep, is a mistake.
    """
    servers = make()

    (mistake,) = some(
        AuditLogConfig.from_mapping,
        {"clusters": [{"id": "a", "bootstrapServers": servers}]},
    )

    assert mistake.startswith("must be 'host:port,host:port' (not so: 1)")


# What never ends, or never begins


@pytest.fixture(params=["pipe", "device"])
def endless(request, tmp_path):
    """
    A function that makes a file of that name, which can't be read to its end.
    """

    def make(name):
        path = tmp_path / name
        if request.param == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        return path

    return make


WAITS = "can't be read (a pipe or device; name a file)"


@pytest.mark.parametrize("suffix", ["yaml", "toml"])
def test_settings_from_a_pipe(endless, suffix):
    """
    A pipe that nobody writes to is refused before it is opened.
    """
    path = endless(f"audit.{suffix}")

    assert (f"{WAITS} @ {path}",) == some(AuditLogConfig.from_file, path, {})


@pytest.mark.parametrize("name", ["CDK_ENV_FILE", "CDK_DATABASE_URL_FILE"])
def test_variables_from_a_pipe(endless, name):
    """
    The same holds for the files that variables name.
    """
    path = endless("audit")

    assert (f"names a file that {WAITS} @ {name}",) == some(
        AuditLogConfig.from_env, {name: str(path)}
    )


@pytest.mark.parametrize("store", ["truststore", "keystore"])
def test_certificates_from_a_pipe(endless, store):
    """
    The same holds for those that properties name, whose names stay hidden.
    """
    path = endless("store.pem")

    (mistake,) = some(
        tls, f"ssl.{store}.type=PEM\nssl.{store}.location={path}"
    )

    assert mistake.startswith(f"ssl.{store}.location {WAITS} @ ")

"""
What is given any text, and what must then be so.

Each target takes a text and raises `AssertionError`, or whatever broke, if a
promise does not hold. What makes the texts is not its business: see
`tests.fuzz.__main__` and `tests.fuzz.test_targets`.
"""

from __future__ import annotations

import re

import psycopg

from psycopg.conninfo import conninfo_to_dict

from auditlog.config import (
    AuditLogConfig,
    ClusterConfig,
    DatabaseConfig,
    TopicConfig,
)
from auditlog.config.jaas import read_jaas
from auditlog.config.properties import read_properties
from auditlog.config.settings import table
from auditlog.errors import ConfigError, MissingExtraError
from auditlog.testing.services._java_properties import jaas, java_properties
from tests.shown import CANARY, everything_shown


def properties(text):
    """
    Client properties are settings or one error, and show nothing.
    """
    found = read_properties(text)
    assert isinstance(found, dict) or CANARY not in found

    cluster = ClusterConfig(id="a", bootstrap_servers="h:1", properties=text)
    for call in (
        lambda: cluster,
        lambda: _client(cluster),
        lambda: used(text),
    ):
        hidden(call)


def _client(cluster):
    # Its repr and nothing else: its parts are for the client to use.
    return _Shown(repr(cluster.client()))


def used(text):
    """
    A config whose cluster is used, so that its properties are looked at.
    """
    return AuditLogConfig.from_env(
        {
            "CDK_AUDITLOGPUBLISHER_CLUSTER": "a",
            "CDK_AUDITLOGPUBLISHER_TOPICNAME": "t",
            "CDK_CLUSTERS_0_ID": "a",
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "h:1",
            "CDK_CLUSTERS_0_PROPERTIES": text,
        }
    )


def login(text):
    """
    A JAAS line is a login or a message, which shows nothing of it; and a
    password comes back as it was, if it was written as Java wants it.
    """
    found = read_jaas(text)
    assert not isinstance(found, str) or CANARY not in found

    if _can_be_written(text):
        line = jaas("plain.PlainLoginModule", username="u", password=text)
        read = read_properties(java_properties({"sasl.jaas.config": line}))
        entry = read_jaas(read["sasl.jaas.config"])
        assert entry.options == {"username": "u", "password": text}


def _can_be_written(text):
    # Quotes don't go over a line's end, and what looks like a line of
    # properties or PEM is read in a form that Java has not.
    return not re.search(r"[\0\n\r\ud800-\udfff]|-----BEGIN", text)


def url(text):
    """
    A database URL that is taken says to PostgreSQL's own library what it says
    here; no other is shown.
    """
    call = f"postgresql://{text}"
    try:
        config = DatabaseConfig(url=call)
    except ConfigError:
        hidden(lambda: DatabaseConfig(url=call))
        return
    try:
        theirs = conninfo_to_dict(call)
    except psycopg.ProgrammingError as exc:
        # It knows all parameters by name; that is left to it.
        if "invalid URI query parameter" not in str(exc):
            raise
        return
    ours = config.parameters()
    if not _JDBC.search(text):
        assert ours == {name: value for name, value in theirs.items() if value}
    if CANARY not in _place(call):
        hidden(lambda: config)


# Parameters that the Java driver has, too, with a meaning of its own.
_JDBC = re.compile(r"[?&](ssl|autosave|stringtype)=")


def _place(given):
    # Hosts and the database, which are shown.
    return given.partition("?")[0].rpartition("@")[2]


def environment(text):
    """
    Any variables are a config or an error that shows no secret.

    One variable a paragraph, as ``NAME=value``; what has no name, or one that
    a system could not have, is left out.
    """
    pairs = (each.partition("=") for each in text.split("\n\n"))
    environ = {
        _PREFIXES.get(name[:1], "") + name[1:]: value
        for name, _, value in pairs
        if name and "\0" not in name
    }
    secret = all(
        CANARY not in name and (CANARY not in value or name in _SECRETS)
        for name, value in environ.items()
    )
    shown = "".join(_seen(lambda: AuditLogConfig.from_env(environ)))
    assert not secret or CANARY not in shown or _names_a_place(environ)


_PREFIXES = {"c": "CDK_", "a": "AUDITLOG_"}
_SECRETS = {
    name(*[0] * each.dotted.count("[]"))
    for each in table(AuditLogConfig)
    for name in (each.variable, each.own_variable)
    if "Secret" in str(each.field.type)
}


def _names_a_place(environ):
    return any(
        CANARY in _place(environ.get(name, ""))
        for name in ("CDK_DATABASE_URL", "AUDITLOG_DATABASE_URL")
    )


def topic(text):
    """
    Settings of a topic are texts by names, or an error that shows no value.
    """
    try:
        found = TopicConfig(properties=text).settings()
    except ConfigError as exc:
        # A name that is nearly right is shown.
        said = re.sub(r"no topic has \S+; did", "", f"{exc}")
        assert CANARY not in said
    else:
        assert all(
            re.fullmatch(r"[\w.-]+", name) and value.isprintable() and value
            for name, value in found.items()
        )
        f"{found}".encode()


class _Shown:
    __attrs_attrs__ = ()

    def __init__(self, shown):
        self.shown = shown

    def __repr__(self):
        return self.shown

    def __reduce__(self):
        return (_Shown, ("",))


def hidden(call):
    """
    Whatever comes of *call*, the canary isn't seen in it.
    """
    for shown in _seen(call):
        assert CANARY not in shown


def _seen(call):
    try:
        yield from everything_shown(call)
    except MissingExtraError as exc:
        yield str(exc)


TARGETS = {
    each.__name__: each
    for each in (properties, login, url, environment, topic)
}

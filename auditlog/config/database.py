"""
PostgreSQL URLs, in libpq's form and in JDBC's, as what libpq is told.

Nothing here may show a value, not even a part of one.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING
from urllib.parse import unquote

from .kinds import is_port


if TYPE_CHECKING:
    from collections.abc import Iterator


# libpq ends the user and password at the first `@`, other parsers at the
# last: an unescaped one is refused, before a part of a password is taken for
# a host. The same goes for `/`, `?` and `#`.
URL = re.compile(
    r"(?:jdbc:)?postgres(?:ql)?://"
    r"(?:(?P<user>[^@/?#\s:]*)(?::(?P<password>[^@/?#\s]*))?@)?"
    r"(?P<hosts>[^@/?#\s]*)"
    r"(?:/(?P<name>[^@/?#\s]*))?"
    r"(?:\?(?P<query>[^@?#\s]*))?"
)
_HOST = re.compile(
    r"(?:\[(?P<v6>[0-9A-Za-z:.%]+)\]|(?P<host>[^\[\]:,]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_BAD_ESCAPE = re.compile("%(?:00|(?![0-9A-Fa-f]{2}))")

# What pgjdbc calls it, and libpq. Each name that is not all in lower case
# and `_` has to be here or below.
_RENAMED = {
    "ApplicationName": "application_name",
    "channelBinding": "channel_binding",
    "connectTimeout": "connect_timeout",
    "gssEncMode": "gssencmode",
    "kerberosServerName": "krbsrvname",
    "sslNegotiation": "sslnegotiation",
}
_TRANSLATED: dict[str, dict[str, tuple[str, str] | None]] = {
    "loadBalanceHosts": {
        "true": ("load_balance_hosts", "random"),
        "false": ("load_balance_hosts", "disable"),
    },
    "ssl": {"true": ("sslmode", "verify-full"), "false": None},
    "targetServerType": {
        "any": ("target_session_attrs", "any"),
        "primary": ("target_session_attrs", "primary"),
        "master": ("target_session_attrs", "primary"),
        "secondary": ("target_session_attrs", "standby"),
        "slave": ("target_session_attrs", "standby"),
        "preferSecondary": ("target_session_attrs", "prefer-standby"),
        "preferSlave": ("target_session_attrs", "prefer-standby"),
        # libpq has no such wish; events can be stored in a primary only.
        "preferPrimary": ("target_session_attrs", "primary"),
    },
    "tcpKeepAlive": {
        "true": ("keepalives", "1"),
        "false": ("keepalives", "0"),
    },
}
# How fast the Java driver is, which is not for this one to say.
_WITHOUT_MEANING = frozenset(
    {
        "autosave",
        "binaryTransfer",
        "cleanupSavepoints",
        "defaultRowFetchSize",
        "logUnclosedConnections",
        "loggerLevel",
        "maxResultBuffer",
        "preparedStatementCacheQueries",
        "preparedStatementCacheSizeMiB",
        "reWriteBatchedInserts",
        "readOnlyMode",
        "stringtype",
        "tcpNoDelay",
    }
)
_INSTEAD = {
    "currentSchema": "set database.schema",
    "loginTimeout": "set database.connection_timeout",
    "prepareThreshold": "set database.prepare",
    "socketTimeout": "leave it out",
    "sslfactory": "give sslmode and sslrootcert",
}


def wrong_url(url: str) -> str | None:
    """
    What is wrong with a URL, or nothing.
    """
    if not re.match(r"(?:jdbc:)?postgres(?:ql)?://", url):
        return "must start with postgresql:// or jdbc:postgresql://"
    match = URL.fullmatch(url)
    if match is None or not url.isprintable() or not _is_encoded(url):
        return (
            "is no PostgreSQL URL; percent-encode what is special in user "
            "and password, as in postgresql://user:p%40ss@host:5432/name"
        )
    return " and ".join(dict.fromkeys(_wrong_parts(match))) or None


def _wrong_parts(match: re.Match[str]) -> Iterator[str]:
    if not all(map(_is_host, match["hosts"].split(","))):
        yield "must name its hosts as host:port,host:port"
    for name, value in _pairs(match["query"]):
        wrong = _wrong_parameter(name, value)
        if wrong is not None:
            yield wrong


def _wrong_parameter(name: str, value: str | None) -> str | None:
    if not re.fullmatch("[A-Za-z_]+", name) or value is None or "=" in value:
        return "must end in parameters such as ?sslmode=require&user=me"
    if name in _INSTEAD:
        return f"can't have the parameter {name}; {_INSTEAD[name]}"
    if name in _TRANSLATED and unquote(value) not in _TRANSLATED[name]:
        known = " or ".join(_TRANSLATED[name])
        return f"must have {known} for the parameter {name}"
    known_or_libpqs = (
        name in _TRANSLATED
        or name in _RENAMED
        or name in _WITHOUT_MEANING
        or name == name.lower()
    )
    # An unescaped `&` makes a part of a password look like a name.
    return None if known_or_libpqs else "has a parameter that libpq has not"


def _pairs(query: str | None) -> Iterator[tuple[str, str | None]]:
    if not query:
        return
    for each in query.removesuffix("&").split("&"):
        name, equals, value = each.partition("=")
        yield name, value if equals else None


def _is_encoded(url: str) -> bool:
    try:
        unquote(url, errors="strict")
    except UnicodeDecodeError:
        return False
    return not _BAD_ESCAPE.search(url)


def _is_host(given: str) -> bool:
    match = _HOST.fullmatch(given)
    return match is not None and is_port(match["port"] or "5432")


def parameters(url: str) -> dict[str, str]:
    """
    What libpq calls the parts of a URL that is not wrong.
    """
    match = URL.fullmatch(url)
    assert match is not None
    found = {
        "user": unquote(match["user"] or ""),
        "password": unquote(match["password"] or ""),
        "dbname": unquote(match["name"] or ""),
        **_hosts(match["hosts"]),
    }
    # What libpq calls so itself wins: sslmode over ssl.
    for name, value in sorted(
        _pairs(match["query"]), key=lambda pair: pair[0] not in _TRANSLATED
    ):
        found |= _parameter(name, unquote(value or ""))
    return {name: value for name, value in found.items() if value}


def _hosts(given: str) -> dict[str, str]:
    hosts = [_HOST.fullmatch(each) for each in given.split(",")]
    names = [unquote(each["v6"] or each["host"]) for each in hosts if each]
    ports = [each["port"] or "" for each in hosts if each]
    return {"host": ",".join(names), "port": ",".join(ports)}


def _parameter(name: str, value: str) -> dict[str, str]:
    if name in _WITHOUT_MEANING:
        return {}
    if name in _TRANSLATED:
        pair = _TRANSLATED[name][value]
        return dict([pair]) if pair else {}
    return {_RENAMED.get(name, name): value}

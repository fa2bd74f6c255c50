"""
How to reach a server: settings that hold passwords.

Nothing here may show a value, not even a part of one.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from auditlog.errors import ConfigError

from .kinds import Kind, is_port
from .secret import Secret


if TYPE_CHECKING:
    from collections.abc import Callable


def keep_secret(value: Secret | str) -> Secret:
    """
    Make text a secret; anything else stays as it is.
    """
    return Secret(value) if isinstance(value, str) else value


def _secret(name: str, wrong: Callable[[str], str | None]) -> Kind:
    def wrong_secret(value: Any) -> str | None:
        if not isinstance(value, Secret):
            return f"must be text (got {type(value).__name__})"
        return wrong(value.reveal())

    return Kind(name=name, wrong=wrong_secret, parse=keep_secret)


# libpq ends the user and password at the first `@`, other parsers at the
# last: an unescaped one is refused, before a part of a password is taken for
# a host. The same goes for `/`, `?` and `#`.
_URL = re.compile(
    r"postgres(?:ql)?://"
    r"(?:[^@/?#\s]*@)?"
    r"(?P<hosts>[^@/?#\s]*)"
    r"(?:/(?P<name>[^@/?#\s]*))?"
    r"(?:\?(?P<query>[^@?#\s]*))?"
)
_HOST = re.compile(
    r"(?:\[[0-9A-Za-z:.%]+\]|[^\[\]:,]*)(?::(?P<port>[0-9]{1,5}))?"
)
_BAD_ESCAPE = re.compile("%(?:00|(?![0-9A-Fa-f]{2}))")


def _wrong_url(url: str) -> str | None:
    if not url.startswith(("postgresql://", "postgres://")):
        return "must start with postgresql:// or postgres://" + (
            "; jdbc: is not supported yet" * url.startswith("jdbc:")
        )
    match = _URL.fullmatch(url)
    if match is None or not url.isprintable() or not _is_encoded(url):
        return (
            "is no PostgreSQL URL; percent-encode what is special in user "
            "and password, as in postgresql://user:p%40ss@host:5432/name"
        )
    if not all(map(_is_host, match["hosts"].split(","))):
        return "must name its hosts as host:port,host:port"
    if not re.fullmatch("(?:[a-z_]+=[^&=]*(?:&|$))*", match["query"] or ""):
        return "must end in parameters such as ?sslmode=require&user=me"
    return None


def _is_encoded(url: str) -> bool:
    try:
        unquote(url, errors="strict")
    except UnicodeDecodeError:
        return False
    return not _BAD_ESCAPE.search(url)


def _is_host(given: str) -> bool:
    match = _HOST.fullmatch(given)
    return match is not None and is_port(match["port"] or "5432")


def show_url(secret: Secret) -> str:
    """
    The hosts and the database of a URL, without its user and password.
    """
    try:
        match = _URL.fullmatch(secret.reveal())
    except ConfigError:  # out of a pickle
        return repr(secret)
    if match is None:  # pragma: no cover
        return repr(secret)
    return repr(f"postgresql://{match['hosts']}/{match['name'] or ''}")


POSTGRES_URL = _secret("`postgresql://` URL", _wrong_url)


# Only these are named in messages: a line that is no property may be a
# password or a key.
_NAMES = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "sasl.client.callback.handler.class",
        "sasl.jaas.config",
        "sasl.login.callback.handler.class",
        "sasl.mechanism",
        "sasl.oauthbearer.token.endpoint.url",
        "security.protocol",
        "ssl.endpoint.identification.algorithm",
        "ssl.key.password",
        "ssl.keystore.certificate.chain",
        "ssl.keystore.key",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.keystore.type",
        "ssl.truststore.certificates",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.type",
    }
)


def _wrong_properties(properties: str) -> str | None:
    # A newline also comes as a backslash and an n, from files of variables.
    lines = properties.replace("\\n", "\n").split("\n")
    refused = [
        _property_name(line) or f"line {number}"
        for number, line in enumerate(map(str.strip, lines), 1)
        if line and line[0] not in "#!" and not _is_plaintext(line)
    ]
    if refused:
        return f"client properties not supported yet: {', '.join(refused)}"
    return None


def _property_name(line: str) -> str | None:
    name = re.split(r"[=:\s]", line, maxsplit=1)[0]
    return name if name in _NAMES else None


def _is_plaintext(line: str) -> bool:
    plain = r"security\.protocol\s*[=:\s]\s*plaintext"
    return re.fullmatch(plain, line, re.IGNORECASE) is not None


CLIENT_PROPERTIES = _secret("Java client properties", _wrong_properties)

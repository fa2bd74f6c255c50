"""
How to reach a server: settings that hold passwords.

Nothing here may show a value, not even a part of one.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any

from auditlog.errors import ConfigError

from .database import URL, wrong_url
from .kinds import Kind
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


def show_url(secret: Secret | None) -> str:
    """
    The hosts and the database of a URL, without its user and password.
    """
    if secret is None:
        return repr(secret)
    try:
        match = URL.fullmatch(secret.reveal())
    except ConfigError:  # out of a pickle
        return repr(secret)
    if match is None:  # pragma: no cover
        return repr(secret)
    return repr(f"postgresql://{match['hosts']}/{match['name'] or ''}")


POSTGRES_URL = _secret(
    "`postgresql://` or `jdbc:postgresql://` URL", wrong_url
)


def _wrong_password(password: str) -> str | None:
    return "must hold no NUL" if "\0" in password else None


PASSWORD = _secret("text", _wrong_password)


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

"""
How to reach a server: settings that hold passwords.

Nothing here may show a value, not even a part of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.errors import ConfigError

from .database import URL, wrong_url
from .kinds import Kind
from .secret import Secret


if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import ClusterConfig


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


CLIENT_PROPERTIES = _secret("Java client properties", lambda _: None)


def wrong_properties(cluster: ClusterConfig) -> tuple[str, ...]:
    """
    What is wrong with client properties and with the files that they name.
    """
    try:
        client = cluster.client()
        if client.tls is not None:
            from .tls import tls_context  # noqa: PLC0415 - costs time

            tls_context(client.tls)
    except ConfigError as exc:
        return exc.mistakes
    return ()

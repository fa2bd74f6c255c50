"""
How to reach a server: settings that hold passwords.

Nothing here may show a value, not even a part of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.errors import ConfigError

from .database import URL, wrong_url
from .kinds import Kind, wrong_characters
from .secret import Secret
from .translation import client_settings


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
            given = type(value).__name__
            return f"must be text (got {given}); put it in quotes"
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


PASSWORD = _secret("text", wrong_characters)


CLIENT_PROPERTIES = _secret("Java client properties", lambda _: None)


def joined(own: Secret | None, more: Secret | None) -> Secret | None:
    """
    Client properties with *more*, which win.
    """
    if own is None or more is None:
        return own or more
    # The empty line ends one that would go on.
    return Secret(f"{own.reveal()}\n\n{more.reveal()}")


def wrong_properties(
    properties: Secret | None, *, ignore_untrusted: bool
) -> tuple[str, ...]:
    """
    What is wrong with client properties and with the files that they name.
    """
    try:
        client = client_settings(properties, ignore_untrusted=ignore_untrusted)
        if client.tls is not None:
            from .tls import tls_context  # noqa: PLC0415 - costs time

            tls_context(client.tls)
    except ConfigError as exc:
        return exc.mistakes
    return ()

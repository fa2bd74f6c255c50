"""
How kafka-python is told to encrypt and to log in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka.net.sasl import get_sasl_mechanism
from kafka.net.sasl.oauth import AbstractTokenProvider

from auditlog.config.client import Password, Token
from auditlog.config.tls import tls_context
from auditlog.kafka.tokens import token_for


if TYPE_CHECKING:
    from auditlog.config.client import ClientSettings


def security(client: ClientSettings) -> dict[str, Any]:
    """
    What makes a connection of kafka-python's as *client* wants it.

    Raises:
        ConfigError: If a file, certificate or key can't be used.
    """
    made: dict[str, Any] = {"security_protocol": client.protocol}
    if client.tls is not None:
        made["ssl_context"] = tls_context(client.tls)
    if client.login is not None:
        made |= _login(client.login)
    return made


def login(client: ClientSettings, host: str) -> Any:
    """
    One exchange of kafka-python's, to log in at *host*.
    """
    assert client.login is not None
    mechanism = get_sasl_mechanism(client.login.mechanism)
    return mechanism(host=host, **_login(client.login))


def _login(wanted: Password | Token) -> dict[str, Any]:
    made: dict[str, Any] = {"sasl_mechanism": wanted.mechanism}
    if isinstance(wanted, Token):
        made["sasl_oauth_token_provider"] = _Tokens(wanted)
    else:
        made["sasl_plain_username"] = _name(wanted)
        made["sasl_plain_password"] = wanted.password.reveal()
    return made


def _name(login: Password) -> str:
    if login.mechanism == "PLAIN":
        return login.username
    # As RFC 5802 wants it, which kafka-python leaves out.
    return login.username.replace("=", "=3D").replace(",", "=2C")


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]
    def __init__(self, wanted: Token) -> None:
        super().__init__()
        self._wanted = wanted

    def token(self) -> str:
        return token_for(self._wanted)

    def extensions(self) -> dict[str, str]:
        return dict(self._wanted.extensions)

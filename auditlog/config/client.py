"""
How to speak to a cluster, in terms that any client understands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from .secret import Secret  # noqa: TC001 (for `get_type_hints()`)


if TYPE_CHECKING:
    from collections.abc import Mapping


Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


@attrs.frozen(kw_only=True)
class Password:
    """
    A login with a password.

    Attributes:
        mechanism: ``PLAIN``, ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``.
    """

    mechanism: str
    username: str = attrs.field(repr=False)
    password: Secret


@attrs.frozen(kw_only=True)
class Token:
    """
    A login with a token that an endpoint issues to a client (OAUTHBEARER).

    Attributes:
        endpoint: Its URL, of OAuth 2.0's grant ``client_credentials``.

        scope: What is asked for, if anything.

        extensions: What the broker is told beside the token.
    """

    endpoint: str = attrs.field(repr=False)
    client_id: str = attrs.field(repr=False)
    client_secret: Secret
    scope: str = attrs.field(default="", repr=False)
    extensions: tuple[tuple[str, str], ...] = attrs.field(
        default=(), repr=False
    )
    mechanism: str = "OAUTHBEARER"


@attrs.frozen(kw_only=True)
class TLS:
    """
    Whom to trust, and who we are.

    Attributes:
        trusted: Certificates as PEM; with neither these nor a file, those
            that this machine trusts.

        trusted_file: A file that holds them.

        certificate: Our own certificate and what leads to its issuer, as PEM.

        key: The key of that certificate, as PEM.

        keystore_file: A file that holds both.

        key_password: What the key is encrypted with.

        check_hostname: Whether the certificate has to name the server.

        verify: Whether it has to be issued by somebody trusted.

        versions: Which are allowed, as ``TLSv1.2``; all safe ones if empty.
    """

    trusted: str = attrs.field(default="", repr=False)
    trusted_file: str = attrs.field(default="", repr=False)
    certificate: str = attrs.field(default="", repr=False)
    key: Secret | None = None
    keystore_file: str = attrs.field(default="", repr=False)
    key_password: Secret | None = None
    check_hostname: bool = True
    verify: bool = True
    versions: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ClientSettings:
    """
    How to speak to a cluster.

    Attributes:
        protocol: As Kafka calls it.

        login: Who logs in, if the protocol has a login.

        tls: If the protocol has TLS.

        producer: What is said of producers, by the properties' names.
    """

    protocol: Protocol = "PLAINTEXT"
    login: Password | Token | None = None
    tls: TLS | None = None
    producer: Mapping[str, int | str] = attrs.field(factory=dict)

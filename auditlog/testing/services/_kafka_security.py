"""
Who may come to a Kafka broker, and by what they are known.
"""

from __future__ import annotations

import re

from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from auditlog.testing.services._certificates import Authority, Certificate
from auditlog.testing.services._token_server import TokenServer


if TYPE_CHECKING:
    import ssl

    from collections.abc import Mapping


USERS: Mapping[str, str] = MappingProxyType(
    {name: f"{name}-secret" for name in ("alice", "bob")}
)


def _check_names(_: object, __: object, users: Mapping[str, str]) -> None:
    for name in users:
        if not re.fullmatch(r"[A-Za-z0-9._@-]+", name):
            raise ValueError(
                f"can't make a Kafka user {name!r}; use letters, digits and"
                f" ._@-"
            )


@attrs.frozen(kw_only=True, eq=False)
class KafkaSecurity:
    """
    Users, certificates and tokens of a secured broker or cluster.

    .. code-block:: python

        security = KafkaSecurity(users={"app": "app-secret"})
        with KafkaServer(security=security) as server:
            server.grant("app", "topic", "orders", "Write", "Describe")
            properties = server.client_properties("app")

    Beside ``PLAINTEXT`` such a broker listens with ``SASL_SSL``,
    ``SASL_PLAINTEXT`` and ``SSL``, see :meth:`KafkaServer.address`:

    ======================== ================================================
    Listener                 A user is who
    ======================== ================================================
    SASL_SSL, SASL_PLAINTEXT has the password (``PLAIN``, ``SCRAM-SHA-256``,
                             ``SCRAM-SHA-512``) or a token of *tokens*
                             (``OAUTHBEARER``)
    SSL                      has a certificate of :meth:`certificate`
    ======================== ================================================

    Users may do nothing until they are granted it. Whoever comes by
    ``PLAINTEXT`` is a superuser, ``User:ANONYMOUS``: the door for a test's
    own work.

    Args:
        users: Their passwords; two users, ``alice`` and ``bob``, by default.

        tokens:
            Whose tokens the broker trusts. By default one that knows *users*
            and runs as long as the first server or cluster that it is for;
            one that already runs stays as it is.

        expired: Whether the broker's own certificate has expired.

    Raises:
        ValueError: If a user's name isn't of letters, digits and ``._@-``.

        MissingExtraError: If the extra ``services`` is not installed.

    .. versionadded:: 0.1.0
    """

    users: Mapping[str, str] = attrs.field(
        default=USERS,
        repr=lambda users: repr([*users]),
        validator=_check_names,
    )
    tokens: TokenServer = attrs.field(
        default=attrs.Factory(lambda self: TokenServer(self.users), True)
    )
    expired: bool = False
    _authority: Authority = attrs.field(
        factory=Authority, init=False, repr=False
    )
    _stranger: Authority = attrs.field(
        factory=Authority, init=False, repr=False
    )

    @property
    def authority(self) -> str:
        """
        The certificate, in PEM, that makes a client trust the broker.
        """
        return self._authority.pem

    def certificate(
        self, user: str, *, expired: bool = False, foreign: bool = False
    ) -> Certificate:
        """
        Issue a client certificate: who shows it to the broker is *user*.

        Args:
            user: The common name; need not be one of *users*.

            expired: Whether it is of no use any more.

            foreign: Whether it comes from an authority nobody trusts.
        """
        authority = self._stranger if foreign else self._authority
        return authority.issue(user, expired=expired)

    def ssl_context(
        self, certificate: Certificate | None = None
    ) -> ssl.SSLContext:
        """
        Return what a Python client takes to trust the broker.

        Args:
            certificate: What the client shows of itself.
        """
        return self._authority.context(certificate)

    def password(self, user: str) -> str:
        """
        Return the password of *user*.

        Raises:
            ValueError: If there is no such user.
        """
        try:
            return self.users[user]
        except KeyError:
            raise ValueError(
                f"KafkaSecurity has no user {user!r} (has"
                f" {', '.join(self.users)}); name one of them in users=, or"
                f" pass password="
            ) from None

"""
What a broker's settings say of its secured listeners.
"""

from __future__ import annotations

import base64
import hashlib
import os

from typing import TYPE_CHECKING

from auditlog.testing.services._java_properties import jaas, one_line


if TYPE_CHECKING:
    from auditlog.testing.services._kafka_security import KafkaSecurity


#: The listeners that only a secured broker has.
SECURED = ("SASL_SSL", "SASL_PLAINTEXT", "SSL")
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
MECHANISMS = ("PLAIN", *SCRAM, "OAUTHBEARER")

_OAUTH = "org.apache.kafka.common.security.oauthbearer"


def security_settings(security: KafkaSecurity, keys: str) -> dict[str, str]:
    """
    Return lines of ``server.properties``.

    Args:
        security: Who may come.

        keys: The URL of the file with the key of the token server.
    """
    return {
        **_AUTHORIZER,
        **_tls(security),
        **_sasl("sasl_ssl", security),
        **_sasl("sasl_plaintext", security),
        **_tokens(security, keys),
    }


def scram_options(security: KafkaSecurity) -> list[str]:
    """
    Return the options that have the formatting make the SCRAM users.
    """
    return [
        f"--add-scram={mechanism}=[{_credential(mechanism, user, password)}]"
        for mechanism in SCRAM
        for user, password in security.users.items()
    ]


def _credential(mechanism: str, user: str, password: str) -> str:
    # Not the password itself: a command line can't hold all that one may.
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac(
        mechanism.removeprefix("SCRAM-"), password.encode(), salt, _ITERATIONS
    )
    told = {
        "salt": base64.b64encode(salt).decode(),
        "saltedpassword": base64.b64encode(salted).decode(),
    }
    quoted = ",".join(f'{name}="{text}"' for name, text in told.items())
    return f"name={user},iterations={_ITERATIONS},{quoted}"


# The least that Kafka takes.
_ITERATIONS = 4096

_AUTHORIZER = {
    "authorizer.class.name": (
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    ),
    "allow.everyone.if.no.acl.found": "false",
    # Brokers and tests, who come by PLAINTEXT.
    "super.users": "User:ANONYMOUS",
}


def _tls(security: KafkaSecurity) -> dict[str, str]:
    own = security._authority.issue("broker", expired=security.expired)
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": one_line(own.key),
        "ssl.keystore.certificate.chain": one_line(own.chain),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": one_line(security.authority),
        "listener.name.ssl.ssl.client.auth": "required",
        # CN=alice,OU=… is User:alice.
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
    }


def _sasl(listener: str, security: KafkaSecurity) -> dict[str, str]:
    users = {f"user_{name}": text for name, text in security.users.items()}
    scram = jaas("scram.ScramLoginModule")
    of = f"listener.name.{listener}"
    return {
        f"{of}.sasl.enabled.mechanisms": ",".join(MECHANISMS),
        f"{of}.plain.sasl.jaas.config": jaas(
            "plain.PlainLoginModule", **users
        ),
        **{f"{of}.{each.lower()}.sasl.jaas.config": scram for each in SCRAM},
        f"{of}.oauthbearer.sasl.jaas.config": jaas(
            "oauthbearer.OAuthBearerLoginModule"
        ),
        f"{of}.oauthbearer.sasl.server.callback.handler.class": (
            f"{_OAUTH}.OAuthBearerValidatorCallbackHandler"
        ),
    }


def _tokens(security: KafkaSecurity, keys: str) -> dict[str, str]:
    return {
        "sasl.oauthbearer.jwks.endpoint.url": keys,
        "sasl.oauthbearer.expected.audience": security.tokens.audience,
        "sasl.oauthbearer.expected.issuer": security.tokens.issuer,
    }

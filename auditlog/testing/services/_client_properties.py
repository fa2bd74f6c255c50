"""
A Kafka client's settings, as users of Java clients write them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.testing.services._java_properties import (
    jaas,
    java_properties,
    one_line,
)
from auditlog.testing.services._kafka_listeners import MECHANISMS, SCRAM


if TYPE_CHECKING:
    from auditlog.testing.services._certificates import Certificate
    from auditlog.testing.services._kafka_security import KafkaSecurity


def client_properties(
    security: KafkaSecurity,
    user: str,
    *,
    protocol: str,
    mechanism: str,
    password: str | None,
    certificate: Certificate | None,
) -> str:
    settings = {"security.protocol": protocol}
    if protocol.startswith("SASL"):
        secret = security.password(user) if password is None else password
        settings |= _sasl(security, user, mechanism, secret)
    if protocol.endswith("SSL"):
        settings |= _trust(security)
    if protocol == "SSL":
        settings |= _identity(certificate or security.certificate(user))
    return java_properties(settings)


def _sasl(
    security: KafkaSecurity, user: str, mechanism: str, secret: str
) -> dict[str, str]:
    if mechanism not in MECHANISMS:
        raise ValueError(
            f"no listener takes SASL mechanism {mechanism!r}; use one of"
            f" {', '.join(MECHANISMS)}"
        )
    settings = {"sasl.mechanism": mechanism}
    if mechanism == "OAUTHBEARER":
        return settings | _oauth(security, user, secret)
    module = "scram.Scram" if mechanism in SCRAM else "plain.Plain"
    told = jaas(f"{module}LoginModule", username=user, password=secret)
    return settings | {"sasl.jaas.config": told}


def _oauth(security: KafkaSecurity, user: str, secret: str) -> dict[str, str]:
    return {
        "sasl.jaas.config": jaas(
            "oauthbearer.OAuthBearerLoginModule",
            clientId=user,
            clientSecret=secret,
        ),
        "sasl.login.callback.handler.class": (
            "org.apache.kafka.common.security.oauthbearer"
            ".OAuthBearerLoginCallbackHandler"
        ),
        "sasl.oauthbearer.token.endpoint.url": security.tokens.url,
    }


def _trust(security: KafkaSecurity) -> dict[str, str]:
    return {
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": one_line(security.authority),
    }


def _identity(certificate: Certificate) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": one_line(certificate.chain),
        "ssl.keystore.key": one_line(certificate.key),
    }

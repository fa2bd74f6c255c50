"""
What Java client properties mean.

A property is understood, without meaning here, or refused with what to use
instead. What bears on security is never passed over: an unknown name there is
a mistake.

Nothing here may show a value, not even a part of one.
"""

from __future__ import annotations

import difflib
import re

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from auditlog.errors import ConfigError

from .client import TLS, ClientSettings, Password, Token
from .jaas import Entry, read_jaas
from .properties import as_pem, read_properties
from .secret import Secret


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .client import Protocol


def client_settings(
    properties: Secret | None, *, ignore_untrusted: bool = False
) -> ClientSettings:
    """
    What *properties* say.

    Args:
        ignore_untrusted: Whether any certificate of a server will do.

    Raises:
        ConfigError: If they can't be used, with all that is wrong.
    """
    text = properties.reveal() if properties else ""
    found = read_properties(text)
    if isinstance(found, str):
        raise ConfigError([found])
    reading = _Reading(found, ignore_untrusted=ignore_untrusted)
    if reading.mistakes:
        raise ConfigError(reading.mistakes)
    return reading.settings


# Names

_OAUTH = "sasl.oauthbearer."
_CREDENTIALS = f"{_OAUTH}client.credentials.client."

_UNDERSTOOD = {
    "security.protocol",
    "sasl.mechanism",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    f"{_OAUTH}token.endpoint.url",
    f"{_OAUTH}scope",
    f"{_CREDENTIALS}id",
    f"{_CREDENTIALS}secret",
    "ssl.enabled.protocols",
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
    "acks",
    "batch.size",
    "compression.type",
    "delivery.timeout.ms",
    "enable.idempotence",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "max.request.size",
    "request.timeout.ms",
}

_INSTEAD = {
    "bootstrap.servers": "set bootstrapServers of the cluster",
    "interceptor.classes": "Java classes can't be loaded; leave it out",
    "partitioner.class": "Java classes can't be loaded; leave it out",
    "transactional.id": "events are published without transactions",
    "sasl.client.callback.handler.class": (
        "Java classes can't be loaded; leave it out"
    ),
    "sasl.login.class": "Java classes can't be loaded; leave it out",
    "ssl.cipher.suites": "OpenSSL chooses; leave it out",
    "ssl.engine.factory.class": "Java classes can't be loaded; leave it out",
    f"{_OAUTH}jwt.retriever.class": (
        "Java classes can't be loaded; leave it out"
    ),
    f"{_OAUTH}jwt.validator.class": (
        "Java classes can't be loaded; leave it out"
    ),
}

# How Java's own machinery works, which is not for this one to say.
_WITHOUT_MEANING = re.compile(
    r"""(?:
        retries
      | sasl\.kerberos\..*
      | sasl\.login\.(?:connect|read|refresh|retry)\..*
      | sasl\.oauthbearer\.(?:
            clock|expected|header|iat|jwks|scope\.claim|sub\.claim)\..*
      | security\.providers
      | ssl\.(?:protocol|provider|secure\.random\.implementation)
      | ssl\.(?:key|trust)manager\.algorithm
      | (?!sasl\.|security\.|ssl\.)[a-z][a-z0-9_-]*(?:\.[a-zA-Z0-9_-]+)+
    )""",
    re.VERBOSE,
)
_IAM = ("aws_access_key_id", "aws_secret_access_key")

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MODULES = {
    "PLAIN": "PlainLoginModule",
    "SCRAM-SHA-256": "ScramLoginModule",
    "SCRAM-SHA-512": "ScramLoginModule",
    "OAUTHBEARER": "OAuthBearerLoginModule",
}
_NO_MECHANISM = {
    "AWS_MSK_IAM": (
        "can't be AWS_MSK_IAM; switch on SASL/SCRAM for the cluster, which "
        "Amazon MSK offers beside IAM, and use SCRAM-SHA-512"
    ),
    "GSSAPI": "can't be GSSAPI (Kerberos); use SCRAM-SHA-512",
}
_LOGIN_HANDLERS = {"OAuthBearerLoginCallbackHandler"}
_PEM_ONLY = (
    "must be PEM, as Java's own keystores can't be read here; convert it, "
    "for instance with keytool -list -rfc or openssl pkcs12"
)
_VERSIONS = ("TLSv1.2", "TLSv1.3")
_COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")
_NUMBERS = {
    "batch.size": (0, 2**31 - 1),
    "delivery.timeout.ms": (1, 2**31 - 1),
    "linger.ms": (0, 60_000),
    "max.in.flight.requests.per.connection": (1, 5),
    "max.request.size": (1, 2**31 - 1),
    "request.timeout.ms": (1, 2**31 - 1),
}


class _Reading:
    """
    One look at all properties, which finds every mistake.
    """

    def __init__(
        self, properties: Mapping[str, str], *, ignore_untrusted: bool
    ) -> None:
        self._of = {name: text.strip() for name, text in properties.items()}
        self._secrets = properties  # a password keeps its blanks
        self._ignore_untrusted = ignore_untrusted
        self.mistakes: list[str] = []
        self._check_names()
        protocol = self._protocol()
        self.settings = ClientSettings(
            protocol=protocol,
            login=self._login() if "SASL" in protocol else None,
            tls=self._tls() if "SSL" in protocol else None,
            producer=dict(self._producer()),
        )

    def _wrong(self, name: str, wrong: str) -> None:
        self.mistakes.append(f"{name} {wrong}")

    # Names

    def _check_names(self) -> None:
        for place, name in enumerate(self._of, 1):
            if name in _INSTEAD:
                self._wrong(name, f"is not supported; {_INSTEAD[name]}")
            elif name not in _UNDERSTOOD and name not in _IAM:
                self._check_foreign(name, place)

    def _check_foreign(self, name: str, place: int) -> None:
        near = difflib.get_close_matches(name, _UNDERSTOOD, 1, 0.9)
        if _WITHOUT_MEANING.fullmatch(name) and not near:
            return
        # The name is not shown: what is no property may be a password.
        near = near or difflib.get_close_matches(name, _UNDERSTOOD, 1, 0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.mistakes.append(
            f"property {place} of {len(self._of)} has no name that is "
            f"known{hint}"
        )

    def _one_of(self, name: str, known: tuple[str, ...], default: str) -> str:
        given = self._of.get(name) or default
        for each in known:
            if given.upper() == each.upper():
                return each
        self._wrong(name, f"must be {' or '.join(known)}")
        return default

    # The protocol

    def _protocol(self) -> Protocol:
        meant = self._of.get("security.protocol", "").upper()
        # So that the rest of one that is misspelt is looked at, too.
        near = "SASL_SSL" if "SASL" in meant else "PLAINTEXT"
        given = self._one_of("security.protocol", _PROTOCOLS, near)
        if given == "PLAINTEXT" and "security.protocol" not in self._of:
            self._check_forgotten()
        protocol: Protocol = given  # type: ignore[assignment]
        return protocol

    def _check_forgotten(self) -> None:
        for name in ("sasl.jaas.config", "ssl.truststore.certificates"):
            if name in self._of:
                self._wrong(
                    name,
                    "has no use without security.protocol, which is "
                    "PLAINTEXT by default; set it to SASL_SSL or SSL",
                )

    # The login

    def _login(self) -> Password | Token | None:
        mechanism = self._of.get("sasl.mechanism", "GSSAPI").upper()
        if mechanism not in _MODULES:
            self._wrong(
                "sasl.mechanism",
                _NO_MECHANISM.get(mechanism)
                or f"must be {' or '.join(_MODULES)}",
            )
            return None

        entry = self._entry(mechanism)
        if mechanism == "OAUTHBEARER":
            return self._token(entry)
        return self._password(mechanism, entry) if entry else None

    def _entry(self, mechanism: str) -> Entry | None:
        name, text = "sasl.jaas.config", self._secrets.get("sasl.jaas.config")
        if text is None:
            if mechanism != "OAUTHBEARER":
                self._wrong(name, f"must be set for {mechanism}")
            return None

        entry = read_jaas(text)
        if isinstance(entry, str):
            self._wrong(name, entry)
            return None
        if entry.module != _MODULES[mechanism]:
            self._wrong(
                name,
                f"must begin with {_MODULES[mechanism]} for {mechanism}, "
                "package and all",
            )
            return None
        return entry

    def _password(self, mechanism: str, entry: Entry) -> Password | None:
        missing = [
            each
            for each in ("username", "password")
            if not entry.options.get(each)
        ]
        if missing:
            self._wrong(
                "sasl.jaas.config", f"must give {' and '.join(missing)}"
            )
            return None
        return Password(
            mechanism=mechanism,
            username=entry.options["username"],
            password=Secret(entry.options["password"]),
        )

    def _token(self, entry: Entry | None) -> Token | None:
        self._check_handler()
        before = len(self.mistakes)
        endpoint = self._endpoint()
        options = entry.options if entry else {}
        client = self._of.get(f"{_CREDENTIALS}id") or options.get("clientId")
        secret = self._secrets.get(f"{_CREDENTIALS}secret") or options.get(
            "clientSecret"
        )
        for given, name in ((client, "clientId"), (secret, "clientSecret")):
            if not given and before == len(self.mistakes):
                self._wrong("sasl.jaas.config", f"must give {name}")
        if not (endpoint and client and secret):
            return None
        return Token(
            endpoint=endpoint,
            client_id=client,
            client_secret=Secret(secret),
            scope=self._of.get(f"{_OAUTH}scope") or options.get("scope", ""),
            extensions=tuple(self._extensions(options)),
        )

    def _extensions(
        self, options: Mapping[str, str]
    ) -> Iterator[tuple[str, str]]:
        for name, value in options.items():
            if not name.startswith("extension_"):
                continue
            plain = name.removeprefix("extension_")
            if _EXTENSION.fullmatch(f"{plain}={value}"):
                yield plain, value
            else:
                self._wrong(
                    "sasl.jaas.config",
                    "must give extensions as extension_name=value, of ASCII "
                    "letters, and not extension_auth",
                )

    def _check_handler(self) -> None:
        name = "sasl.login.callback.handler.class"
        given = self._of.get(name, "OAuthBearerLoginCallbackHandler")
        if given.rsplit(".", 1)[-1] not in _LOGIN_HANDLERS:
            self._wrong(
                name,
                "can't be a class of Java but OAuthBearerLoginCallbackHandler"
                ", whose work is done here; give a token endpoint",
            )

    def _endpoint(self) -> str | None:
        name = f"{_OAUTH}token.endpoint.url"
        url = self._of.get(name)
        if not url:
            self._wrong(name, "must be set for OAUTHBEARER")
        elif not _is_endpoint(url):
            self._wrong(name, "must be an https:// or http:// URL, no user")
        else:
            return url
        return None

    # TLS

    def _tls(self) -> TLS:
        algorithm = self._of.get("ssl.endpoint.identification.algorithm")
        if algorithm not in {None, "", "https", "HTTPS"}:
            self._wrong(
                "ssl.endpoint.identification.algorithm",
                "must be https, or empty to let any host name pass",
            )
        key = self._pem("ssl.keystore.key", "PRIVATE KEY")
        verify = not self._ignore_untrusted
        return TLS(
            trusted=self._pem("ssl.truststore.certificates", "CERTIFICATE"),
            trusted_file=self._file("ssl.truststore"),
            certificate=self._certificate(key),
            key=Secret(key) if key else None,
            keystore_file=self._file("ssl.keystore"),
            key_password=self._secret("ssl.key.password"),
            check_hostname=verify and algorithm != "",
            verify=verify,
            versions=self._versions(),
        )

    def _secret(self, name: str) -> Secret | None:
        return Secret(self._secrets[name]) if name in self._secrets else None

    def _pem(self, name: str, label: str) -> str:
        text = self._of.get(name, "")
        pem = as_pem(text) or ""
        if text and not (f"{label}-----" in pem and pem.isascii()):
            self._wrong(
                name,
                f"must be PEM: -----BEGIN {label}----- and so on, on one "
                "line or several",
            )
        return pem

    def _certificate(self, key: str) -> str:
        chain = "ssl.keystore.certificate.chain"
        pem = self._pem(chain, "CERTIFICATE")
        pair = {"ssl.keystore.key": key, chain: pem}
        for name, text in pair.items():
            if any(pair.values()) and not text and name not in self._of:
                self._wrong(name, "must be set too, as the other half is")
        return pem

    def _file(self, store: str) -> str:
        path = self._of.get(f"{store}.location", "")
        kind = self._of.get(f"{store}.type", "" if not path else "JKS")
        if kind.upper() not in {"", "PEM"}:
            self._wrong(f"{store}.type", _PEM_ONLY)
            return ""
        return path

    def _versions(self) -> tuple[str, ...]:
        given = self._of.get("ssl.enabled.protocols", "")
        wanted = [each for each in re.split(r"[,\s]+", given) if each]
        known = tuple(each for each in _VERSIONS if each in wanted)
        if wanted and not known:
            self._wrong(
                "ssl.enabled.protocols",
                f"must have {' or '.join(_VERSIONS)}; older ones are not safe",
            )
        return known

    # Producers

    def _producer(self) -> Iterator[tuple[str, int | str]]:
        self._check_durable()
        if "compression.type" in self._of:
            name = "compression.type"
            yield name, self._one_of(name, _COMPRESSIONS, "gzip")
        for name, (least, most) in _NUMBERS.items():
            text = self._of.get(name)
            if text is None:
                continue
            number = int(text) if re.fullmatch("[0-9]{1,10}", text) else -1
            if least <= number <= most:
                yield name, number
            else:
                self._wrong(name, f"must be a whole number, {least} to {most}")

    def _check_durable(self) -> None:
        if self._of.get("acks", "all").lower() not in {"all", "-1"}:
            self._wrong(
                "acks",
                "must be all: an event counts as stored once every replica "
                "in sync has it",
            )
        if self._of.get("enable.idempotence", "true").lower() != "true":
            self._wrong(
                "enable.idempotence",
                "must be true: without it events change places",
            )


# As RFC 7628, section 3.1, has them; else one could end the message.
_EXTENSION = re.compile(r"(?!auth=)[A-Za-z]+=[\x21-\x7e \t\r\n]+")


def _is_endpoint(url: str) -> bool:
    if not re.fullmatch(r"https?://[!-~]+", url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
        # What is looked up in DNS, which a name may fail on before it is.
        (parts.hostname or ".").encode("idna")
    except ValueError:
        return False
    return port != 0 and "@" not in parts.netloc and "#" not in url

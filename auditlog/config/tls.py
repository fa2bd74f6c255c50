"""
A TLS context out of what client properties say.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import tempfile

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.errors import ConfigError

from .files import refuse_what_waits


if TYPE_CHECKING:
    from .client import TLS


_KEY = "key with its certificate, or ssl.key.password does not open it,"


def tls_context(tls: TLS) -> ssl.SSLContext:
    """
    A context for the client's side of a connection.

    Reads the files that *tls* names, so that those which somebody renewed
    are taken up by the next client.

    Raises:
        ConfigError: If a file, certificate or key can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.versions:
        names = [each.replace(".", "_") for each in tls.versions]
        context.minimum_version = ssl.TLSVersion[names[0]]
        context.maximum_version = ssl.TLSVersion[names[-1]]
    context.check_hostname = tls.check_hostname
    if not tls.verify:
        context.verify_mode = ssl.CERT_NONE

    mistakes = [*_trust(context, tls), *_present(context, tls)]
    if mistakes:
        raise ConfigError(mistakes)
    return context


def expiry(tls: TLS) -> datetime | None:
    """
    When our own certificate ends, if there is one that can be read.
    """
    text = tls.certificate
    with contextlib.suppress(OSError, ValueError):
        if tls.keystore_file:
            refuse_what_waits(tls.keystore_file)
            text = Path(tls.keystore_file).read_text("ascii")
        match = _CERTIFICATE.search(text)
        der = ssl.PEM_cert_to_DER_cert(match[0]) if match else b""
        # The first two times in a certificate are those of its validity (RFC
        # 5280, section 4.1); years of two digits begin with 1950.
        times = _TIME.findall(der)
        if len(times) > 1:
            short, long = (each.decode() for each in times[1])
            century = "19" if short >= "50" else "20"
            given = long or century + short
            return datetime.strptime(given, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return None


_CERTIFICATE = re.compile(
    "-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)
_TIME = re.compile(rb"\x17\x0d([0-9]{12})Z|\x18\x0f([0-9]{14})Z")


def _trust(context: ssl.SSLContext, tls: TLS) -> list[str]:
    name = "ssl.truststore.certificates"
    try:
        if tls.trusted_file:
            name = "ssl.truststore.location"
            refuse_what_waits(tls.trusted_file)
            context.load_verify_locations(cafile=tls.trusted_file)
        elif tls.trusted:
            context.load_verify_locations(cadata=tls.trusted)
        else:
            context.load_default_certs()
    except (OSError, ValueError) as exc:
        return [f"{name} {_reason(exc, 'certificate')}"]
    return []


def _present(context: ssl.SSLContext, tls: TLS) -> list[str]:
    name = "ssl.keystore.key"
    try:
        if tls.keystore_file:
            name = "ssl.keystore.location"
            refuse_what_waits(tls.keystore_file)
            _load(context, tls.keystore_file, tls)
        elif tls.certificate and tls.key:
            _load_texts(context, tls)
    except (OSError, ValueError) as exc:
        return [f"{name} {_reason(exc, _KEY)}"]
    return []


def _load(context: ssl.SSLContext, path: str, tls: TLS) -> None:
    # Never none: OpenSSL would ask at the terminal.
    password = tls.key_password.reveal() if tls.key_password else ""
    context.load_cert_chain(path, password=password)


def _load_texts(context: ssl.SSLContext, tls: TLS) -> None:
    # OpenSSL takes a key from a file only.
    assert tls.key is not None
    handle, path = tempfile.mkstemp(prefix="auditlog-")  # 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(tls.key.reveal() + tls.certificate)
        _load(context, path, tls)
    finally:
        Path(path).unlink()


def _reason(exc: Exception, what: str) -> str:
    if isinstance(exc, OSError) and not isinstance(exc, ssl.SSLError):
        return f"can't be read ({exc.strerror})"
    if "MISMATCH" in str(exc):
        return "does not belong to its certificate"
    # OpenSSL's own words are about its parser.
    return f"holds no {what} that OpenSSL can read"

"""
An authority for tests and what it certifies.
"""

from __future__ import annotations

import ssl
import tempfile

from datetime import datetime
from pathlib import Path

import attrs

from auditlog.errors import MissingExtraError


@attrs.frozen(kw_only=True)
class Certificate:
    """
    A certificate and its key, in PEM.

    Attributes:
        chain: The certificate; its authority is the one that signed it.

        key: The private key, PKCS #8 without a password.

    .. versionadded:: 0.1.0
    """

    chain: str
    key: str = attrs.field(repr=False)


class Authority:
    """
    Issues certificates that only who is told of it trusts.
    """

    def __init__(self) -> None:
        try:
            import trustme  # noqa: PLC0415 - an extra
        except ImportError as exc:
            raise MissingExtraError("KafkaSecurity", "services") from exc
        self._authority = trustme.CA()

    @property
    def pem(self) -> str:
        return self._authority.cert_pem.bytes().decode()

    def issue(self, name: str, *, expired: bool = False) -> Certificate:
        """
        Certify *name* for this machine's own address.
        """
        issued = self._authority.issue_cert(
            *("127.0.0.1", "localhost"),
            common_name=name,
            not_after=_PAST if expired else None,
        )
        return Certificate(
            chain=issued.cert_chain_pems[0].bytes().decode(),
            key=_pkcs8(issued.private_key_pem.bytes()),
        )

    def context(self, certificate: Certificate | None) -> ssl.SSLContext:
        """
        Return a client's context that trusts this authority.
        """
        context = ssl.create_default_context(cadata=self.pem)
        if certificate:
            # Python takes a client's certificate from a file only.
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "client.pem")
                path.write_text(certificate.chain + certificate.key)
                context.load_cert_chain(path)
        return context


_PAST = datetime(2020, 1, 1)  # noqa: DTZ001 - trustme's own are naive


def _pkcs8(pem: bytes) -> str:
    """
    Return a private key in the only form that Kafka reads.
    """
    from cryptography.hazmat.primitives import (  # noqa: PLC0415 - an extra
        serialization,
    )

    key = serialization.load_pem_private_key(pem, password=None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()

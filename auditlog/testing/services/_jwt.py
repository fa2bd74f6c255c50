"""
Signed tokens and the key that proves them.
"""

from __future__ import annotations

import base64
import json

from typing import TYPE_CHECKING, Any

from auditlog.errors import MissingExtraError


if TYPE_CHECKING:
    from collections.abc import Mapping


class SigningKey:
    """
    Signs JSON Web Tokens with RS256.
    """

    def __init__(self) -> None:
        try:
            from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415 - an extra
                rsa,
            )
        except ImportError as exc:
            raise MissingExtraError("TokenServer", "services") from exc
        self._key = rsa.generate_private_key(65537, 2048)

    def sign(self, claims: Mapping[str, Any]) -> str:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415
            padding,
        )

        head = {"alg": "RS256", "typ": "JWT", "kid": _KEY_ID}
        text = f"{_part(_json(head))}.{_part(_json(claims))}"
        signature = self._key.sign(
            text.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        return f"{text}.{_part(signature)}"

    def jwks(self) -> str:
        """
        Return the public key as a set of one, in JSON.
        """
        numbers = self._key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": _KEY_ID,
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }
        return json.dumps({"keys": [key]})


_KEY_ID = "test"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _number(value: int) -> str:
    return _part(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

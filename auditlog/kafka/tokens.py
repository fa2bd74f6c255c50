"""
Tokens for a login, from an OAuth 2.0 endpoint.
"""

from __future__ import annotations

import time

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from auditlog.errors import MissingExtraError

from .errors import RefusedLoginError, UnreachableError


if TYPE_CHECKING:
    from auditlog.config.client import Token


TIMEOUT = 5.0

# A token is used for so much of its life, as the Java client does it.
_USED = 0.8
_LONGEST = 10**9

_REFUSALS = {400, 401, 403}
# RFC 6749, section 5.2. What else an endpoint says is not repeated.
_CODES = {
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
}

# Without a lock, which a fork could leave held: two threads may both ask.
_kept: dict[Token, tuple[float, str]] = {}


def token_for(login: Token) -> str:
    """
    A token for *login*: the last one while it is good, or else a new one.

    Raises:
        RefusedLoginError: If the endpoint refuses the client.

        UnreachableError: If it can't be reached, or gives no token.

        MissingExtraError: If requests is not installed.
    """
    until, token = _kept.get(login, (0.0, ""))
    if time.monotonic() < until:
        return token

    asked = time.monotonic()
    answer = _ask(login)
    token = str(answer["access_token"])
    _kept[login] = (asked + _USED * _life(answer.get("expires_in")), token)
    return token


def _life(given: object) -> float:
    known = isinstance(given, int | float) and 0 < given < _LONGEST
    return float(given) if known else 0.0  # type: ignore[arg-type]


def _ask(login: Token) -> dict[str, Any]:
    """
    What the endpoint answers to the grant ``client_credentials`` (RFC 6749,
    section 4.4).
    """
    wanted = {"grant_type": "client_credentials"}
    if login.scope:
        wanted["scope"] = login.scope
    where = f"The token endpoint {_origin(login.endpoint)}"
    return _read(_answer(login, wanted, where), where)


def _answer(login: Token, wanted: dict[str, str], where: str) -> Any:
    requests = _load()
    try:
        return requests.post(
            login.endpoint,
            data=wanted,
            # Bytes: texts would have to be Latin-1.
            auth=(
                login.client_id.encode(),
                login.client_secret.reveal().encode(),
            ),
            headers={"Accept": "application/json"},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
    except (requests.RequestException, ValueError) as exc:
        kind = type(exc).__name__
    # Outside, so that the request, which has the secret, hangs on no error.
    raise UnreachableError(
        f"{where} does not answer ({kind}); start it, or correct "
        "sasl.oauthbearer.token.endpoint.url"
    )


def _read(response: Any, where: str) -> dict[str, Any]:
    status = response.status_code
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        answer = None
    found = answer if isinstance(answer, dict) else {}
    if status in _REFUSALS:
        code = found.get("error")
        said = f", {code}" if isinstance(code, str) and code in _CODES else ""
        raise RefusedLoginError(
            f"{where} refuses the client (HTTP {status}{said}); check "
            "clientId, clientSecret and scope"
        )
    token = found.get("access_token")
    if not response.ok or not isinstance(token, str) or not token.isascii():
        raise UnreachableError(
            f"{where} gives no token (HTTP {status}); check "
            "sasl.oauthbearer.token.endpoint.url"
        )
    return found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _load() -> Any:
    try:
        import requests  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise MissingExtraError("a login with OAUTHBEARER", "oauth") from exc
    return requests

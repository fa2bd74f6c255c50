"""
An OAuth 2 server that hands out signed tokens to who knows a secret.
"""

from __future__ import annotations

import base64
import json
import socketserver
import threading
import time

from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote_plus

from auditlog.testing.services._jwt import SigningKey
from auditlog.testing.services._service import HOST, free_port


if TYPE_CHECKING:
    from collections.abc import Mapping


class TokenServer:
    """
    A small real OAuth 2 token endpoint on a free port of this machine.

    .. code-block:: python

        with TokenServer({"alice": "alice-secret"}) as tokens:
            answer = httpx.post(
                tokens.url,
                auth=("alice", "alice-secret"),
                data={"grant_type": "client_credentials"},
            )

    It knows the grant ``client_credentials``, with the client's id and secret
    in the header (HTTP Basic) or in the form, and signs tokens with RS256 and
    a key of its own. ``GET /jwks`` shows the public part. It speaks HTTP, so
    it is for tests alone.

    Args:
        clients: The secret of each client id.

        audience: For whom the tokens are.

        lifetime: How long a token is good, in seconds.

        port: The TCP port; a free one by default.

    Attributes:
        lifetime: That of the tokens to come; may be set at any time.

        requests: How many tokens were asked for, also in vain.

    Raises:
        MissingExtraError: If the extra ``services`` is not installed.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        clients: Mapping[str, str],
        *,
        audience: str = "kafka",
        lifetime: float = 3600.0,
        port: int | None = None,
    ) -> None:
        self.audience = audience
        self.lifetime = lifetime
        self.port = port or free_port()
        self.requests = 0
        self._clients = dict(clients)
        self._key = SigningKey()
        self._refusal: tuple[int, str] | None = None
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def __repr__(self) -> str:
        """
        The address and whether it runs.
        """
        state = "running" if self.running else "stopped"
        return f"<TokenServer {HOST}:{self.port} {state}>"

    def __enter__(self) -> Self:
        """
        Start the server.
        """
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """
        Stop the server.
        """
        self.close()

    @property
    def running(self) -> bool:
        """
        Whether it answers.
        """
        return self._server is not None

    @property
    def issuer(self) -> str:
        """
        Who the tokens say they are from.
        """
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """
        The token endpoint.
        """
        return f"{self.issuer}/token"

    @property
    def jwks(self) -> str:
        """
        The public key that proves the tokens, as a JSON Web Key Set.
        """
        return self._key.jwks()

    def start(self) -> None:
        """
        Take requests; does nothing if it does.
        """
        if self._server is None:
            self._server = _Server((HOST, self.port), self._handler())
            threading.Thread(
                target=self._server.serve_forever,
                args=(0.05,),
                name=f"auditlog-tokens-{self.port}",
                daemon=True,
            ).start()

    def close(self) -> None:
        """
        Stop; safe to call twice, and :meth:`start` takes it up again.

        Tokens stay good: who trusts them has the key.
        """
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def refuse(self, error: str = "invalid_client", status: int = 401) -> None:
        """
        Answer every request with *error* until :meth:`accept`.
        """
        self._refusal = (status, error)

    def accept(self) -> None:
        """
        Answer as the credentials deserve.
        """
        self._refusal = None

    def token(self, client: str, **claims: Any) -> str:
        """
        Return a token for *client* without being asked over HTTP.

        Args:
            client: The id that becomes the subject, known or not.

            claims: More claims, or others than those it would have.
        """
        now = time.time()
        return self._key.sign(
            {
                "iss": self.issuer,
                "aud": self.audience,
                "sub": client,
                "iat": int(now),
                "exp": int(now + self.lifetime),
                "scope": "kafka",
                **claims,
            }
        )

    def _answer(self, form: Mapping[str, str], header: str) -> _Answer:
        with self._lock:
            self.requests += 1
        if self._refusal is not None:
            status, error = self._refusal
            return status, {"error": error}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        client, secret = _basic(header) or _in_form(form)
        if not self._knows(client, secret):
            return 401, {"error": "invalid_client"}
        return 200, self._grant(client, form.get("scope") or "kafka")

    def _knows(self, client: str, secret: str) -> bool:
        # As they are, and as RFC 6749 wants them in a header.
        return self._clients.get(client) == secret or (
            self._clients.get(unquote_plus(client)) == unquote_plus(secret)
        )

    def _grant(self, client: str, scope: str) -> dict[str, Any]:
        return {
            "access_token": self.token(client, scope=scope),
            "token_type": "Bearer",
            "expires_in": int(self.lifetime),
            "scope": scope,
        }

    def _handler(self) -> type[_Handler]:
        return type("Handler", (_Handler,), {"tokens": self})


_Answer = tuple[int, dict[str, Any]]


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    with suppress(ValueError):
        text = base64.b64decode(encoded).decode()
        client, _, secret = text.partition(":")
        return client, secret
    return "", ""


def _in_form(form: Mapping[str, str]) -> tuple[str, str]:
    return form.get("client_id", ""), form.get("client_secret", "")


class _Server(socketserver.ThreadingTCPServer):
    # Not HTTPServer: that one looks its own name up, and may wait for it.
    allow_reuse_address = True
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    tokens: TokenServer

    def do_GET(self) -> None:
        if self.path == "/jwks":
            self._send(200, self.tokens.jwks)
        else:
            self._send(404, "{}")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        fields = parse_qs(self.rfile.read(length).decode())
        if self.path != "/token":
            return self._send(404, "{}")
        status, answer = self.tokens._answer(  # noqa: SLF001
            {name: values[0] for name, values in fields.items()},
            self.headers.get("Authorization", ""),
        )
        return self._send(status, json.dumps(answer))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """
        Keep quiet.
        """

    def _send(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

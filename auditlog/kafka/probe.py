"""
Finds out why a broker can't be used, where kafka-python only times out.

It does what a client does: connect, TLS, login, one question. At whichever
of these it ends, the reason is known.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from auditlog.config.client import Token
from auditlog.config.tls import expiry, tls_context

from .errors import RefusedLoginError, UnreachableError, UntrustedError


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auditlog.config.client import ClientSettings

    _Reason = RefusedLoginError | UntrustedError | UnreachableError


# Key and version of requests, as of the first brokers that had them.
_METADATA = (3, 1)
_SASL_HANDSHAKE = (17, 1)
_SASL_AUTHENTICATE = (36, 0)

_NO_SUCH_MECHANISM = 33
_NO_LOGIN_THERE = {34, 35}  # ILLEGAL_SASL_STATE, UNSUPPORTED_VERSION

_TLS_ALERT = b"\x15\x03"
_LONGEST = 2**20


def check_reachable(
    servers: Sequence[str],
    client: ClientSettings,
    login: Callable[[ClientSettings, str], Any],
    timeout: float,
) -> None:
    """
    Return if one of *servers* can be used.

    Args:
        servers: ``host:port`` of each.

        client: How to speak to them.

        login: Makes the exchange of a login at a host.

        timeout: Longest wait, in seconds, for all of them together.

    Raises:
        RefusedLoginError: If one refuses the login.

        UntrustedError: If one's certificate or ours is not accepted.

        UnreachableError: If they can't be used for any other reason.

        ConfigError: If a file, certificate or key can't be used.
    """
    context = tls_context(client.tls) if client.tls else None
    deadline = time.monotonic() + timeout
    reasons: list[_Reason] = []
    for left, server in enumerate(reversed(servers)):
        share = (deadline - time.monotonic()) / (len(servers) - left)
        attempt = _Attempt(server, client, context, max(share, 0.1))
        try:
            attempt.make(login)
        except (RefusedLoginError, UnreachableError, UntrustedError) as exc:
            reasons.append(exc)
        else:
            return
    raise _worst(reasons)


def _worst(reasons: list[_Reason]) -> Exception:
    # What somebody has to mend comes before what may pass.
    kinds = (RefusedLoginError, UntrustedError, UnreachableError)
    kind = min(map(type, reasons), key=kinds.index)
    found: Exception = kind("; ".join(dict.fromkeys(map(str, reasons))))
    return found


class _Attempt:
    """
    One connection to one server.
    """

    def __init__(
        self,
        server: str,
        client: ClientSettings,
        context: ssl.SSLContext | None,
        timeout: float,
    ) -> None:
        self._server = server
        self._client = client
        self._context = context
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._stage = "connect"

    def make(self, login: Callable[[ClientSettings, str], Any]) -> None:
        host, _, port = self._server.rpartition(":")
        host = host.strip("[]")
        with contextlib.ExitStack() as stack:
            try:
                stream = stack.enter_context(
                    socket.create_connection((host, int(port)), self._timeout)
                )
                if self._context is not None:
                    self._stage = "tls"
                    stream = stack.enter_context(
                        self._context.wrap_socket(stream, server_hostname=host)
                    )
                if self._client.login is not None:
                    self._stage = "login"
                    self._log_in(stream, login(self._client, host))
                self._stage = "ask"
                self._ask(stream, _METADATA, struct.pack("!i", 0))
            except OSError as exc:
                raise self._reason(exc) from None
            except UnicodeError:  # a name that no address can have
                raise self._nameless("not a name") from None
            except struct.error:  # an answer that ends too soon
                raise self._no_kafka() from None

    # Kafka's protocol

    def _log_in(self, stream: socket.socket, exchange: Any) -> None:
        assert self._client.login is not None
        mechanism = self._client.login.mechanism
        answer = self._ask(stream, _SASL_HANDSHAKE, _text(mechanism))
        (code,) = struct.unpack_from("!h", answer)
        if code == _NO_SUCH_MECHANISM:
            raise RefusedLoginError(
                f"{self._server} does not take SASL mechanism {mechanism} but "
                f"{' and '.join(_texts(answer[2:]))}; change sasl.mechanism"
            )
        if code:
            raise self._no_login_there()

        while not exchange.is_done():
            token = exchange.auth_bytes()
            size = struct.pack("!i", len(token))
            answer = self._ask(stream, _SASL_AUTHENTICATE, size + token)
            (code,) = struct.unpack_from("!h", answer)
            if code:
                raise self._refused()
            self._receive(exchange, answer)
        if not exchange.is_authenticated():
            raise self._refused()

    def _receive(self, exchange: Any, answer: bytes) -> None:
        (size,) = struct.unpack_from("!h", answer, 2)
        at = 4 + max(size, 0)
        (length,) = struct.unpack_from("!i", answer, at)
        try:
            exchange.receive(answer[at + 4 : at + 4 + length])
        except (ValueError, KeyError):
            raise self._refused() from None

    def _ask(
        self, stream: socket.socket, request: tuple[int, int], body: bytes
    ) -> bytes:
        """
        The body of the answer.
        """
        key, version = request
        head = struct.pack("!hhih", key, version, 0, -1)
        stream.sendall(struct.pack("!i", len(head + body)) + head + body)
        begin = self._receive_exactly(stream, 8)
        size, _ = struct.unpack("!ii", begin)
        if begin.startswith(_TLS_ALERT):
            raise UnreachableError(
                f"{self._server} speaks TLS, the cluster's properties do not "
                "say so; set security.protocol to SSL or SASL_SSL"
            )
        if begin.startswith(b"HTTP") or not 4 <= size <= _LONGEST:  # noqa: PLR2004
            raise self._no_kafka()
        return self._receive_exactly(stream, size - 4)

    def _receive_exactly(self, stream: socket.socket, size: int) -> bytes:
        found = b""
        while len(found) < size:
            # Or each byte of a slow answer would have the time of all.
            left = self._deadline - time.monotonic()
            stream.settimeout(max(left, 0.001))
            more = stream.recv(size - len(found))
            if not more:
                # A TLS alert is shorter than the head of an answer.
                if found.startswith(_TLS_ALERT):
                    return found.ljust(size, b"\0")
                raise ConnectionResetError
            found += more
        return found

    # Reasons

    def _refused(self) -> Exception:
        assert self._client.login is not None
        return RefusedLoginError(
            f"{self._server} refuses the login with "
            f"{self._client.login.mechanism}; {self._login_way_out()}"
        )

    def _login_way_out(self) -> str:
        if isinstance(self._client.login, Token):
            return (
                "let the brokers trust the issuer of its tokens, or correct "
                "sasl.oauthbearer.token.endpoint.url"
            )
        return "correct username and password in sasl.jaas.config"

    def _no_login_there(self) -> Exception:
        tls = "SSL" if self._client.tls else "PLAINTEXT"
        return RefusedLoginError(
            f"{self._server} has no login; set security.protocol to {tls}, "
            "or give the port that has one"
        )

    def _reason(self, exc: OSError) -> Exception:
        where = self._server
        if isinstance(exc, socket.gaierror):
            return self._nameless(exc.strerror)
        if isinstance(exc, ConnectionRefusedError):
            return UnreachableError(
                f"{where} refuses connections; start the broker, or correct "
                "host and port"
            )
        if isinstance(exc, ssl.SSLError):
            return self._tls_reason(exc)
        if isinstance(exc, TimeoutError):
            return UnreachableError(f"{where} {self._silence()}")
        if isinstance(exc, ConnectionError) and self._stage != "connect":
            return UnreachableError(f"{where} hangs up, {self._guess()}")
        return UnreachableError(
            f"{where} can't be connected to ({exc.strerror or exc}); correct "
            "host and port, or this machine's network"
        )

    def _nameless(self, why: str | None) -> Exception:
        return UnreachableError(
            f"{self._server} has no address (DNS: {why}); correct the name, "
            "or this machine's resolver"
        )

    def _no_kafka(self) -> Exception:
        return UnreachableError(
            f"{self._server} speaks something else, not Kafka; see "
            "bootstrapServers"
        )

    def _silence(self) -> str:
        if self._stage == "connect":
            return (
                f"lets no connection through within {self._timeout:.1f} s; "
                "look for a firewall in between"
            )
        return (
            "takes connections, but does not answer; look at what listens "
            "there"
        )

    def _guess(self) -> str:
        protocol = self._client.protocol
        wanted = "a SASL login" if self._client.tls else "TLS or a SASL login"
        if self._client.login is None:
            return (
                f"as if it expected {wanted}; set security.protocol in the "
                "cluster's properties"
            )
        return f"as if it did not speak {protocol}; see security.protocol"

    def _tls_reason(self, exc: ssl.SSLError) -> Exception:
        where = self._server
        if isinstance(exc, ssl.SSLCertVerificationError):
            return UntrustedError(
                f"The certificate of {where} is not accepted: "
                f"{exc.verify_message}; {_way_out(exc)}"
            )
        code = exc.reason or ""
        if "ALERT" in code and ("CERT" in code or "UNKNOWN_CA" in code):
            return self._not_accepted(code.partition("ALERT_")[2])
        if not code or "EOF" in code or code == "WRONG_VERSION_NUMBER":
            return UnreachableError(
                f"{where} knows no TLS; give the port of a listener with TLS "
                "in bootstrapServers (without, security.protocol would send "
                "all in clear)"
            )
        return UnreachableError(
            f"{where} speaks no TLS that we do ({code}); see "
            "ssl.enabled.protocols, and the broker's"
        )

    def _not_accepted(self, alert: str) -> Exception:
        assert self._client.tls is not None
        ends = expiry(self._client.tls)
        if ends is not None and ends < datetime.now(UTC):
            return UntrustedError(
                f"{self._server} does not accept our certificate, which "
                f"expired on {ends:%Y-%m-%d}; renew "
                "ssl.keystore.certificate.chain"
            )
        said = alert.lower().replace("_", " ")
        return UntrustedError(
            f"{self._server} does not accept our certificate ({said}); give "
            "one of an issuer that the brokers trust in "
            "ssl.keystore.certificate.chain"
        )


def _way_out(exc: ssl.SSLCertVerificationError) -> str:
    said = exc.verify_message.lower()
    if "expired" in said:
        return "the broker needs a new one (or set this machine's clock)"
    if "hostname" in said or "ip address" in said:
        return (
            "use the name that it is for in bootstrapServers, or have the "
            "broker's certificate name this one"
        )
    return "put the certificate of its issuer in ssl.truststore.certificates"


def _text(text: str) -> bytes:
    return struct.pack("!h", len(text)) + text.encode()


def _texts(data: bytes) -> list[str]:
    (count,), at = struct.unpack_from("!i", data), 4
    found = []
    for _ in range(count):
        (size,) = struct.unpack_from("!h", data, at)
        found.append(data[at + 2 : at + 2 + size].decode("ascii", "replace"))
        at += 2 + size
    return found

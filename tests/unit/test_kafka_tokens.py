"""
Whatever a token endpoint answers is a token, or an error that shows nothing.
"""

from __future__ import annotations

import json
import threading
import time

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from auditlog.config import Secret
from auditlog.config.client import Token
from auditlog.kafka.errors import RefusedLoginError, UnreachableError
from auditlog.kafka.tokens import _kept, token_for
from auditlog.testing.services import free_port


@contextmanager
def endpoint(status, body):
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            # What is not read would cut the answer off.
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token"
        finally:  # or a test that fails would keep the process from ending
            server.shutdown()
            thread.join()


def login(url):
    return Token(endpoint=url, client_id="me", client_secret=Secret("c4n4ry"))


NO_TOKEN = {
    "nothing": b"",
    "no JSON": b"<html>",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "no token": b"{}",
    "a number": b'{"access_token": 5}',
    "not UTF-8": b'{"access_token": "\xff"}',
    "a long number": b"9" * 5000,
}


@pytest.mark.parametrize("body", NO_TOKEN.values(), ids=NO_TOKEN)
def test_answers_without_a_token(body):
    """
    Any body is refused as one without a token.
    """
    with (
        endpoint(200, body) as url,
        pytest.raises(UnreachableError, match="gives no token"),
    ):
        token_for(login(url))


@pytest.mark.parametrize("error", [[], {}, None, 5, "c4n4ry"])
def test_refusals_of_any_form(error):
    """
    Only the codes of the standard are repeated.
    """
    body = json.dumps({"error": error}).encode()

    with (
        endpoint(400, body) as url,
        pytest.raises(RefusedLoginError, match=r"\(HTTP 400\)"),
    ):
        token_for(login(url))


@pytest.mark.parametrize(
    "life", ["Infinity", "NaN", "1" + "0" * 400, "-1", '"x"', "[]"]
)
def test_odd_lives_of_tokens(life):
    """
    A token that says no sensible life is used once.
    """
    body = f'{{"access_token": "t", "expires_in": {life}}}'.encode()

    with endpoint(200, body) as url:
        assert "t" == token_for(login(url))

    assert _kept.pop(login(url))[0] <= time.monotonic()


@pytest.mark.parametrize("host", [".", "a..b", "a" * 70])
def test_endpoints_that_are_no_host(host):
    """
    Even what no configuration lets through is an error of ours.
    """
    with pytest.raises(UnreachableError):
        token_for(login(f"http://{host}/"))


def test_request_hangs_on_no_error():
    """
    The request has the client's secret in its header.
    """
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        token_for(login(f"http://127.0.0.1:{free_port()}/c4n4ry"))

    assert "c4n4ry" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None

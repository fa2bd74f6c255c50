"""
Whatever answers at a broker's address is a broker, or told as what it is.
"""

from __future__ import annotations

import socket
import struct
import threading

from contextlib import contextmanager, suppress

import pytest

from hypothesis import example, given, settings
from hypothesis import strategies as st

from auditlog.config import Secret
from auditlog.config.client import ClientSettings, Password
from auditlog.kafka.errors import RefusedLoginError, UnreachableError
from auditlog.kafka.probe import check_reachable


LOGIN = Password(mechanism="PLAIN", username="u", password=Secret("p"))
CLIENTS = {
    "plain": ClientSettings(),
    "login": ClientSettings(protocol="SASL_PLAINTEXT", login=LOGIN),
}


class Exchange:
    """
    A login of one question.
    """

    done = False

    def auth_bytes(self):
        return b"x"

    def receive(self, _):
        self.done = True

    def is_done(self):
        return self.done

    is_authenticated = is_done


@contextmanager
def answering(answers):
    """
    A server that gives one of *answers* to each question, and then hangs up.
    """

    def serve():
        connection, _ = server.accept()
        with connection, suppress(ConnectionError):
            for each in answers:
                if not connection.recv(4096):
                    return
                connection.sendall(each)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            thread.join()


def check(client, answers, timeout=2.0):
    with answering(answers) as server:
        check_reachable([server], client, lambda *_: Exchange(), timeout)


def framed(body):
    return struct.pack("!ii", len(body) + 4, 0) + body


bodies = st.binary(max_size=40).map(framed) | st.binary(max_size=40)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@given(answers=st.lists(bodies, min_size=1, max_size=3))
@example(answers=[framed(b"")])
@example(answers=[framed(b"\0\0"), framed(b"\0\0\0")])
@example(answers=[framed(b"\0\x21\0\0\0\x05")])
@settings(max_examples=60, deadline=None)
def test_any_answer(client, answers):
    """
    Rubbish is no crash: it counts as a broker, or has a reason of ours.
    """
    with suppress(RefusedLoginError, UnreachableError):
        check(client, answers, timeout=0.05)


@pytest.mark.parametrize(
    "answers", [[framed(b"")], [framed(b"\0\0"), framed(b"\0\0\0")]]
)
def test_answer_that_ends_too_soon(answers):
    """
    Is that of something else.
    """
    with pytest.raises(UnreachableError, match="something else, not Kafka"):
        check(CLIENTS["login"], answers)

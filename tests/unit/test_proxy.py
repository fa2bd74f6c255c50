"""
The proxy breaks connections in exactly the way it is told to.
"""

from __future__ import annotations

import socket
import threading
import time

from contextlib import suppress

import pytest

from auditlog.testing.services import TCPProxy, free_port


@pytest.fixture
def server():
    """
    A server that answers every line with ``re: `` and that line.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        EchoServer(listener).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(server):
    with TCPProxy("127.0.0.1", server) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with connect(proxy) as client:
        client.sendall(b"ready\n")
        assert client.recv(100) == b"re: ready\n"
        yield client


class EchoServer(threading.Thread):
    def __init__(self, listener):
        super().__init__(daemon=True)
        self.listener = listener

    def run(self):
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(
                    target=self.answer, args=(client,), daemon=True
                ).start()

    def answer(self, client):
        # Outermost, as closing the stream writes what is left.
        with suppress(OSError), client, client.makefile("rwb") as stream:
            for line in stream:
                stream.write(b"re: " + line)
                stream.flush()


def connect(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def is_silent(client):
    """
    Whether *client* gets nothing for as long as an answer never takes.
    """
    client.settimeout(0.3)
    try:
        client.recv(100)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)
    return False


def test_bytes_and_ends_pass(client):
    """
    Without a fault both sides see what the other does, also a half-close.
    """
    client.sendall(b"a\nb\n")
    client.shutdown(socket.SHUT_WR)

    with client.makefile("rb") as stream:
        assert stream.read() == b"re: a\nre: b\n"


def test_large_transfer_is_unharmed(proxy):
    """
    Megabytes come back in order when both buffers fill.
    """
    lines = b"".join(b"%09d\n" % number for number in range(300_000))

    with connect(proxy) as client, client.makefile("rb") as stream:
        sender = threading.Thread(target=client.sendall, args=(lines,))
        sender.start()
        answers = [stream.readline() for _ in range(300_000)]
        sender.join()

    assert lines == b"".join(answer[4:] for answer in answers)


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_stalled_bytes_arrive_after_restore(proxy, client, direction):
    """
    Nothing comes while stalled, and nothing was lost afterwards.
    """
    proxy.stall(direction)
    client.sendall(b"a\n")

    assert is_silent(client)

    proxy.restore()

    assert client.recv(100) == b"re: a\n"


def test_stall_holds_back_the_end(proxy, client):
    """
    A peer that hangs up is not noticed through a stalled network.
    """
    proxy.stall("down")
    client.shutdown(socket.SHUT_WR)

    assert is_silent(client)

    proxy.restore()

    assert client.recv(100) == b""


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_black_hole_loses_bytes_and_resets_later(proxy, client, direction):
    """
    What is lost is never healed quietly.
    """
    proxy.black_hole(direction)
    client.sendall(b"a\n")

    assert is_silent(client)

    proxy.restore()

    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_black_hole_spares_connections_that_lost_nothing(proxy, client):
    """
    An idle connection outlives a gap in the network.
    """
    proxy.black_hole()
    proxy.restore()
    client.sendall(b"a\n")

    assert client.recv(100) == b"re: a\n"


def test_directions_are_separate(proxy, client):
    """
    With answers stalled, questions still reach the server.
    """
    came = proxy.watch(b"re: a\n", direction="down")
    proxy.stall("down")
    client.sendall(b"a\n")

    assert came.wait(5)
    assert is_silent(client)


def test_cut_resets_open_connections_and_takes_new_ones(proxy, client):
    """
    The client sees a reset, not an orderly end.
    """
    proxy.cut()

    with pytest.raises(ConnectionResetError):
        client.recv(100)
    with connect(proxy) as another:
        another.sendall(b"a\n")

        assert another.recv(100) == b"re: a\n"


def test_cut_works_on_a_stalled_connection(proxy, client):
    """
    Faults add up: an answer that was held back is never seen.
    """
    proxy.stall("down")
    client.sendall(b"a\n")

    proxy.cut()
    proxy.restore()

    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_refuse_turns_new_connections_away(proxy, client):
    """
    Open connections go on; the port is taken up again afterwards.
    """
    proxy.refuse()

    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    client.sendall(b"a\n")
    assert client.recv(100) == b"re: a\n"

    proxy.restore()

    connect(proxy).close()


def test_watch_acts_before_the_bytes_are_passed_on(proxy, client):
    """
    The server gets the question, the client never gets the answer.
    """
    seen = proxy.watch(b"COMMIT", lambda: proxy.stall("down"))
    answered = proxy.watch(b"re: COMMIT", direction="down")

    client.sendall(b"COMMIT\n")

    assert seen.wait(5)
    assert answered.wait(5)
    assert is_silent(client)


def test_throttle_slows_down(proxy, client):
    """
    Time is the point here: at 100 bytes a second 50 take about 0.5 s.
    """
    proxy.throttle(100, "down")
    start = time.monotonic()
    client.sendall(b"a" * 45 + b"\n")
    with client.makefile("rb") as stream:
        line = stream.readline()

    assert line == b"re: " + b"a" * 45 + b"\n"
    assert time.monotonic() - start > 0.3


def test_server_that_is_away_resets():
    """
    A proxy to nowhere resets what connects to it.
    """
    with (
        TCPProxy("127.0.0.1", free_port()) as proxy,
        pytest.raises(ConnectionResetError),
        connect(proxy) as client,
    ):
        client.recv(100)


def test_close_frees_the_port_and_ends_connections(server):
    """
    Closing twice is fine; using a closed proxy says so.
    """
    proxy = TCPProxy("127.0.0.1", server)
    proxy.start()
    with connect(proxy) as client:
        proxy.close()
        proxy.close()

        with pytest.raises(ConnectionResetError):
            client.recv(100)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    with pytest.raises(RuntimeError, match="does not listen"):
        proxy.cut()

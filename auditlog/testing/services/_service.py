"""
Start, watch and stop a server program that no test run leaves behind.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import time

from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from auditlog.errors import AuditLogError
from auditlog.testing.services import _supervisor


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


HOST = "127.0.0.1"
# Between two looks at whether something is so, in seconds.
POLL = 0.05

# What was handed out of late: a server takes its port only when it starts.
_taken: deque[int] = deque(maxlen=1000)

logger = logging.getLogger("auditlog.testing")


class ServiceError(AuditLogError, RuntimeError):
    """
    A service for tests cannot be had; says why, with the end of its log.

    .. versionadded:: 0.1.0
    """


def free_port() -> int:
    """
    Return a loopback TCP port that nobody listens on.

    It lies below the range from which the system takes the ports of outgoing
    connections: a client that tries again and again to reach a stopped server
    in that range may end up connected to itself.

    The port is not reserved, but this process is not given it again soon.

    .. versionadded:: 0.1.0
    """
    while True:
        port = random.randint(15_000, 32_000)  # noqa: S311
        if port in _taken:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            _taken.append(port)
            return port


class Service(ABC):
    """
    A server program with a directory of its own.

    Nothing runs and nothing is written before :meth:`start`.
    """

    #: How the directory is called and what messages say.
    name: ClassVar[str]
    #: What makes the program end tidily, and at once.
    stop_signal: ClassVar[signal.Signals]
    end_signal: ClassVar[signal.Signals]

    def __init__(
        self,
        *,
        port: int | None = None,
        timeout: float = 120.0,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.timeout = timeout
        self._log = log or logger.info
        self._supervisor: _Client | None = None
        self._pid: int | None = None

    def __repr__(self) -> str:
        """
        The address and whether it runs.
        """
        state = "running" if self.running else "stopped"
        return f"<{type(self).__name__} {HOST}:{self.port} {state}>"

    def __enter__(self) -> Self:
        """
        Start the server.
        """
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        """
        Stop the server and remove its files.
        """
        self.close()

    @property
    def running(self) -> bool:
        """
        Whether the process lives; one that is paused does.
        """
        return self._pid is not None and _lives(self._pid)

    @property
    def pid(self) -> int:
        """
        The process id of the server.

        Raises:
            ServiceError: If it was not started.
        """
        if self._pid is None:
            raise ServiceError(f"{self.name} is not running; call start()")
        return self._pid

    @property
    def directory(self) -> Path:
        """
        Where data and log lie; removed by :meth:`close`.

        Raises:
            ServiceError: If the server was never started.
        """
        if self._supervisor is None:
            raise ServiceError(f"{self.name} has no directory before start()")
        return self._supervisor.directory

    def start(self) -> None:
        """
        Start the server and return once it answers.

        The first time with empty data, then with what was there before. Does
        nothing if it runs.

        Raises:
            ServiceError:
                If it does not answer in time; the message ends with the last
                lines of its log.
        """
        if self.running:
            return
        self._launch()
        self._await()

    def stop(self) -> None:
        """
        Stop the server tidily and keep its data for :meth:`start`.

        Does nothing if it does not run.
        """
        self._end(self.stop_signal)

    def kill(self) -> None:
        """
        End the server with ``SIGKILL`` and keep its data for :meth:`start`.
        """
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """
        Stop the server and start it with the same port and data.
        """
        self.stop()
        self.start()

    def close(self) -> None:
        """
        Stop the server and remove its directory; safe to call twice.
        """
        if self._supervisor is not None:
            self._supervisor.close()
        self._supervisor = self._pid = None

    def _create(self) -> _Client:
        self._log(f"preparing {self.name}")
        supervisor = _Client(f"auditlog-{self.name}-", self._owner())
        self._supervisor = supervisor
        try:
            self._prepare(supervisor)
        except BaseException:
            self.close()
            raise
        return supervisor

    def _launch(self) -> None:
        """
        Start the program, with empty data the first time.
        """
        supervisor = self._supervisor or self._create()
        self._log(f"starting {self.name} on {HOST}:{self.port}")
        self._pid = supervisor.spawn(self._argv(), end=self.end_signal)

    def _await(self) -> None:
        deadline = time.monotonic() + self.timeout
        while not self._answers(deadline):
            time.sleep(POLL)

    def _answers(self, deadline: float) -> bool:
        """
        Whether it is ready; raises if it won't be, or not by *deadline*.
        """
        if self._is_ready():
            return True
        if not self.running:
            self._check_end()
            self._launch()
        if time.monotonic() > deadline:
            self.kill()
            raise self._failure(f"did not answer in {self.timeout:g} s")
        return False

    def _check_end(self) -> None:
        """
        Raise if the server ended while starting and would do so again.
        """
        raise self._failure("ended while starting")

    def _failure(self, what: str) -> ServiceError:
        return ServiceError(f"{self.name} {what}\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        """
        Return the last *lines* of the server's log.
        """
        text = (self.directory / "log").read_text("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    def _end(self, number: signal.Signals) -> None:
        if self._pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)
        deadline = time.monotonic() + self.timeout
        while _lives(self._pid):
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.01)
        self._pid = None

    def _owner(self) -> str:
        """
        The user to run as; empty for the one at hand.
        """
        return ""

    @abstractmethod
    def _prepare(self, supervisor: _Client) -> None:
        """
        Make the empty data.
        """

    @abstractmethod
    def _argv(self) -> list[str]:
        """
        The command that runs the server in the foreground.
        """

    @abstractmethod
    def _is_ready(self) -> bool:
        """
        Whether the server answers a real request.
        """


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class _Client:
    """
    This side of a supervisor process.
    """

    def __init__(self, prefix: str, owner: str) -> None:
        # In a session of its own, so that Ctrl-C reaches the test run alone.
        self._process = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-I", "-S", str(_supervisor.__file__)),
                *(prefix, owner, str(os.getpid())),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.directory = Path(self._answer()["directory"])

    def spawn(self, argv: Sequence[str], *, end: signal.Signals) -> int:
        return int(self._ask(argv, wait=False, end=end)["pid"])

    def run(self, argv: Sequence[str]) -> int:
        return int(self._ask(argv, wait=True, end=signal.SIGKILL)["code"])

    def can_run(self, argv: Sequence[str]) -> bool:
        try:
            return self.run(argv) == 0
        except ServiceError:
            return False

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, argv: Sequence[str], **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        message = {"argv": list(argv), "env": _environment(), **request}
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise ServiceError(f"can't start a service: {answer['error']}")
        return answer


def _environment() -> Mapping[str, str]:
    """
    The environment without what would steer the servers.
    """
    steering = ("PG", "KAFKA_", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(steering)
    }

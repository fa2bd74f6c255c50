"""
Outlive the test run, and then stop its services and remove their files.

Run as a script of its own, with the standard library alone. It makes the
directory of one service, starts what it is told to on standard input, and
when its parent is gone, however it went, ends all of it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from contextlib import suppress
from pathlib import Path
from typing import Any


def main(prefix: str, owner: str, parent: int) -> None:
    """
    Answer the requests of process *parent* until it is gone.

    Args:
        prefix: How the name of the directory begins.

        owner: The user to run services as; empty for the one at hand.

        parent:
            Whose end is waited for. A child that it forked may hold the pipe
            open, so the end of the input does not tell by itself.
    """
    supervisor = _Supervisor(prefix, owner)
    try:
        _answer({"directory": supervisor.directory})
        while os.getppid() == parent:
            if not select.select([sys.stdin], [], [], 1.0)[0]:
                continue
            if not (line := sys.stdin.buffer.readline()):
                break
            _answer(supervisor.handle(json.loads(line)))
    finally:
        supervisor.end()


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class _Supervisor:
    def __init__(self, prefix: str, owner: str) -> None:
        self.owner = owner
        self.directory = tempfile.mkdtemp(prefix=prefix)
        self.signals: dict[subprocess.Popen[bytes], int] = {}
        if owner:
            shutil.chown(self.directory, owner, _group_of(owner))

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            process = self.spawn(request["argv"], request["env"])
        except OSError as exc:
            return {"error": str(exc)}
        if request["wait"]:
            return {"code": process.wait()}

        self.signals[process] = request["end"]
        threading.Thread(target=process.wait, daemon=True).start()
        return {"pid": process.pid}

    def spawn(
        self, argv: list[str], env: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        with Path(self.directory, "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                argv,
                env=env,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity(),
            )

    def _identity(self) -> dict[str, Any]:
        if not self.owner:
            return {}
        return {
            "user": self.owner,
            "group": _group_of(self.owner),
            "extra_groups": [],
        }

    def end(self) -> None:
        for process, number in self.signals.items():
            _end(process, number)
        shutil.rmtree(self.directory, ignore_errors=True)


def _group_of(user: str) -> int:
    import pwd  # noqa: PLC0415 - absent on Windows

    return pwd.getpwnam(user).pw_gid


def _end(process: subprocess.Popen[bytes], number: int) -> None:
    # A paused process hears nothing but SIGCONT and SIGKILL.
    for each in (signal.SIGCONT, number):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, each)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

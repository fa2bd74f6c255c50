"""
Runs processes that may hang, and checks that have to notice what is broken.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time

from pathlib import Path

import attrs
import pytest


ROOT = Path(__file__).parent.parent

# Longest that any of them may take; one that hangs is killed and fails.
DEADLINE = 60


@attrs.frozen
class Ended:
    """
    How a process ended, and what it said.
    """

    code: int
    out: str
    err: str
    at: float


@contextlib.contextmanager
def started(command, **options):
    """
    A process in a group of its own, of which nothing is left afterwards.
    """
    with subprocess.Popen(
        [*map(str, command)],
        **{"cwd": ROOT, "text": True, "start_new_session": True, **options},
    ) as running:
        try:
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def program(script, broken=None):
    """
    *script* as a program, on a library that is *broken*.
    """
    head = f"from tests import broken; broken.apply({broken!r})\n"
    return head + textwrap.dedent(script)


def run(script, *arguments, broken=None, deadline=DEADLINE, code=0):
    """
    Run *script*, which has to end with *code* before the *deadline*.
    """
    command = [sys.executable, "-c", program(script, broken), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, **pipes) as running:
        ended = finish(running, deadline)
    assert ended.code == code, ended.err
    return ended


def finish(running, deadline=DEADLINE, say=None):
    """
    Wait for the end of a process that was started, and is told to go on.
    """
    try:
        out, err = running.communicate(say, timeout=deadline)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        _, err = running.communicate()
        pytest.fail(f"it hangs: {err}")
    return Ended(running.returncode, out, err, time.monotonic())


@contextlib.contextmanager
def noticed(broken):
    """
    The check within passes as it is, and fails on what is *broken*.
    """
    if broken is None:
        yield
        return
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        yield

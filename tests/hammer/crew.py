"""
Processes that start fast, are killed at will, and never stay behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import multiprocessing
import os
import signal
import sys
import time

from pathlib import Path


ROOT = Path(__file__).parents[2]
MODULES = {
    "writer": "tests.hammer.writer",
    "relay": "tests.hammer.relaying",
}
PR_SET_PDEATHSIG = 1

# Forked from a process that has everything loaded but has opened nothing.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["auditlog.kafka.driver", "pytest", __name__, *MODULES.values()]
)


def _run(what, log, kwargs):
    """
    What a process of the crew does.
    """
    with contextlib.suppress(OSError, AttributeError):  # Linux alone
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Whoever is asked to end before it can hear that is ended afterwards.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for each in (1, 2):
        os.dup2(descriptor, each)
    sys.path.insert(0, str(ROOT))
    importlib.import_module(MODULES[what]).main(**kwargs)


class Member:
    """
    A process that is started again after each kill, with new notes.

    Args:
        what: A writer or a relay.

        name: Of its files in *folder*.
    """

    def __init__(self, what, name, folder, **kwargs):
        self.what, self.name, self.folder = what, name, folder
        self.kwargs = kwargs
        self.starts = 0
        self.process = None

    def start(self):
        self.starts += 1
        kwargs = dict(self.kwargs)
        if self.what == "writer":
            name = f"{self.name}-{self.starts}.notes"
            kwargs["path"] = str(self.folder / name)
            kwargs["seed"] = f"{kwargs['seed']} {self.starts}"
        log = str(self.folder / f"{self.name}.log")
        self.process = _context.Process(
            target=_run, args=(self.what, log, kwargs), daemon=True
        )
        self.process.start()

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        if self.process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self):
        self.process.kill()
        self.process.join(20)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)


def end(members, timeout):
    """
    End *members* tidily; the names of those that did not in time.
    """
    for each in members:
        each.signal(signal.SIGTERM)
    deadline = time.monotonic() + timeout
    for each in members:
        each.process.join(max(0, deadline - time.monotonic()))
    late = [each for each in members if each.process.exitcode is None]
    for each in late:
        each.kill()
    return [
        f"{each.name} ended with {each.process.exitcode} (see its log)"
        for each in members
        # Ended by the signal itself is who had not even begun.
        if each.process.exitcode not in {0, -signal.SIGTERM}
    ]

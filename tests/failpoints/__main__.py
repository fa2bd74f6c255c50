"""
A warm process that forks children, which work, and die where they are told.

It reads a job a line from its input, and writes how the child ended.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import tempfile
import threading
import traceback

from pathlib import Path

from tests.failpoints import broken, workloads
from tests.failpoints.points import Points, install


# Seconds after which the system ends a child that hangs.
DEADLINE = 60


def run(job):
    """
    Do it in a child; how that ended, as `os.waitpid` says it.
    """
    child = os.fork()
    if child == 0:
        work(job)
    _, status = os.waitpid(child, 0)
    return status


def work(job):
    """
    The child's life.
    """
    signal.alarm(DEADLINE)
    folder = Path(job["folder"])
    points = Points(job["kill"], job["fail"])
    try:
        workload = workloads.prepared(job["workload"], folder)
        getattr(broken, job["broken"])()
        install(points)
        workload(**job["arguments"])
        (folder / "passed").write_text(json.dumps(points.listed()))
    except BaseException:  # noqa: BLE001 - the status says it
        (folder / "error").write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def warm_up():
    """
    Load and build here what each child would.
    """
    with tempfile.TemporaryDirectory() as folder:
        workloads.prepared("spool", Path(folder))()
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(DEADLINE)
    gc.freeze()  # or each child would copy what it only looks at


def main():
    warm_up()
    for line in sys.stdin:
        print(run(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()

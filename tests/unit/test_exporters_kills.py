"""
Exports that are killed at any moment end as if they never had been.
"""

from __future__ import annotations

import random
import subprocess
import sys

from tests.process_tools import finish, started


def test_a_hundred_kills_change_no_byte(tmp_path):
    """
    Resumed exports equal those without a break, compressed and in parts, at
    each moment there are whole files only, and what is followed is in one
    file; killed at random, and before each call that changes something.
    """
    seed = random.randrange(10**6)
    command = [sys.executable, "-m", "tests.kill_loop", tmp_path, seed]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    with started(command, **pipes) as running:
        ended = finish(running, deadline=240)

    assert ended.code == 0, f"seed {seed}: {ended.err}"
    told = dict(line.split(" ", 1) for line in ended.out.splitlines())
    kills, resumed = map(int, told["random"].split())
    assert kills >= 60
    assert resumed > kills / 3
    assert int(told["calls"]) > 20
    kills, files = map(int, told["followed"].split())
    assert kills >= 40
    assert files > 3

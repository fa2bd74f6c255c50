"""
Exports that are killed at any moment end as if they never had been.
"""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from tests.process_tools import finish, noticed, started


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "names_without_a_note",
        "keeps_what_was_not_noted",
        "forgets_row_groups",
        "moves_on_before_names",
    ],
)
def test_a_hundred_kills_change_no_byte(tmp_path, broken):
    """
    Resumed exports equal those without a break, compressed and in parts, at
    each moment there are whole files only, and what is followed is in one
    file; killed at random, and before each call that changes something.
    """
    with noticed(broken):
        kills = killed_again_and_again(tmp_path, broken)

        assert kills > 100


def killed_again_and_again(folder, broken):
    """
    How often it was killed, if all was as it has to be.
    """
    seed = random.randrange(10**6)
    command = [sys.executable, "-m", "tests.kill_loop", folder, seed]
    command += [] if broken is None else [broken]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    with started(command, **pipes) as running:
        ended = finish(running, deadline=240)

    assert ended.code == 0, f"seed {seed}: {ended.err}"
    told = [line.split() for line in ended.out.splitlines()]
    [(kills, resumed)] = numbers(told, "random")
    assert resumed > kills / 3
    followed = numbers(told, "followed")
    assert all(files > 3 for _, files in followed)
    calls = sum(each[0] for each in numbers(told, "calls"))
    return kills + calls + sum(more for more, _ in followed)


def numbers(told, what):
    return [[*map(int, each)] for name, *each in told if name == what]

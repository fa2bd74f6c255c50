"""
Make mistakes in what delivers, and see which of them no test notices.

Run it as ``python -m tests.mutants``, or as ``make mutants``. All of them
take many hours; a sample of each part is fair and takes one or two.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys

from collections import Counter
from pathlib import Path

from auditlog.testing.services import PostgresServer


PARTS = ("publisher", "_engine", "relay", "spool", "postgres")
# What mutmut counts as noticed: a test failed, or the mutant hung.
NOTICED = {1, 3, 36, 24, -24, 152, 255}

# Python 3.11 crashes over the context variable in which mutmut keeps who
# calls whom, which nobody here asks for. And most mutants are noticed by a
# test that takes no time, so those come first.
MUTMUT = """
from mutmut.__main__ import cli
from mutmut.core import MutmutCallStack
from mutmut.runners.harness import PytestRunner
from mutmut.state import state

MutmutCallStack.set = MutmutCallStack.reset = staticmethod(lambda _: None)

def run_tests(self, *, mutant_name, tests, run=PytestRunner.run_tests):
    tests = sorted(tests, key=lambda test: state().duration_by_test[test])
    return run(self, mutant_name=mutant_name, tests=tests)

PytestRunner.run_tests = run_tests
cli()
"""


def results():
    """
    Each mutant that was made, with its exit code, None if it wasn't tried.
    """
    found = {}
    for path in Path("mutants/auditlog").rglob("*.meta"):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def part_of(mutant):
    return mutant.split(".")[1]


def sample(count, seed):
    """
    The names of *count* mutants of each part, the same for the same code.
    """
    chance, names = random.Random(seed), sorted(results())
    for part in PARTS:
        mine = [name for name in names if part_of(name) == part]
        yield from chance.sample(mine, min(count, len(mine)))


def mutmut(*names):
    command = [sys.executable, "-c", MUTMUT, "run", "--max-children", "1"]
    return subprocess.call([*command, *names])


def tell(names):
    """
    Print of how many mutants each part was told, and who was not.
    """
    codes = results()
    tried = Counter(map(part_of, names))
    noticed = Counter(part_of(n) for n in names if codes[n] in NOTICED)
    for part, count in tried.items():
        print(f"{part}: {noticed[part]} of {count} noticed")
    print(*sorted(n for n in names if codes[n] not in NOTICED), sep="\n")


@contextlib.contextmanager
def database():
    """
    One server for all mutants, unless the environment gives one.
    """
    if "AUDITLOG_TEST_POSTGRES" in os.environ:
        yield
        return
    with PostgresServer() as server:
        os.environ["AUDITLOG_TEST_POSTGRES"] = server.url
        yield


def main():
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="such as auditlog.relay.*")
    parser.add_argument("--sample", type=int, help="so many of each part")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()

    with database():
        if not given.sample:
            return mutmut(*given.names)
        # Whichever is tried first has all of them made.
        mutmut("auditlog._engine.own.*")
        names = [*sample(given.sample, given.seed)]
        code = mutmut(*names)
    tell(names)
    return code


if __name__ == "__main__":
    sys.exit(main())

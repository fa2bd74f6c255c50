"""
``import auditlog``, beside importing what it depends on.

Each import is made in a new interpreter, whose own start does not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from functools import partial
from typing import TYPE_CHECKING

from harness import Contender, Measure, Row, Run, compare


if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting


TIME = Measure(name="", unit="ms", of=lambda run: run.seconds * 1e3, less=True)
NEEDED = "import attrs, cattrs, msgspec"

DRIVERS = {"psycopg", "kafka", "yaml", "tqdm", "click", "rich", "tenacity"}

# At most 1.3 times the time is at least that part of the rate. The second is
# what nearly every application needs: names are loaded when asked for.
STATEMENTS = {
    "import auditlog": 1 / 1.3,
    "from auditlog import AuditEvent, AuditLogPublisher": None,
}

# Only the first import of each may have to compile.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONDONTWRITEBYTECODE"
}

PROGRAM = """
import json, sys, time
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
print(json.dumps([seconds, list(sys.modules)]))
"""


def rows(setting: Setting) -> Iterator[Row]:
    """
    The time, and the drivers that came along.
    """
    for statement, target in STATEMENTS.items():
        yield from compare(
            statement,
            Contender(name="auditlog", run=partial(_once, statement)),
            Contender(
                name=NEEDED,
                run=partial(_once, NEEDED),
                targets={} if target is None else {"": target},
            ),
            rounds=3 * setting.rounds,
            measures=(TIME,),
        )
    _, modules = _import("import auditlog")
    yield Row(
        contest="drivers that import auditlog loads",
        contender="auditlog",
        unit="modules",
        median=len(modules & DRIVERS),
        rounds=1,
    )


def _once(statement: str) -> Run:
    return Run(_import(statement)[0], 1, 1)


def _import(statement: str) -> tuple[float, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
    )
    seconds, loaded = json.loads(done.stdout)
    return seconds, set(loaded)

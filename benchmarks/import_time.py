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

from harness import Row, Run, duel


if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting


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
    needed = "import attrs, cattrs, msgspec"
    for statement, target in STATEMENTS.items():
        yield duel(
            f"{statement}, {needed}",
            partial(_once, statement),
            partial(_once, needed),
            rounds=2 * setting.rounds,
            target=target,
        )
    _, modules = _import("import auditlog")
    yield Row(
        what="drivers that import auditlog loads",
        unit="modules",
        ours=len(modules & DRIVERS),
        ratio=1.0 if not modules & DRIVERS else 0.0,
        target=1.0,
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

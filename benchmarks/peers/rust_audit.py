"""
rust-py-audit: a line of JSON for each event, chained by its hash.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from harness import Run, Stopwatch, count
from rust_py_audit import AuditLogger
from samples import make_parts


class Synced:
    """
    With ``fsync=True``, as its README says for a power loss.
    """

    name = "rust-py-audit, fsync"
    settings = "log() with fsync=True: a line and a sync for each event"
    unfair = ""
    fsync = True

    def __init__(self, folder: str) -> None:
        self._path = Path(folder, f"chain-{self.fsync}.jsonl")
        self._log = AuditLogger(
            app_name="benchmarks", file_path=str(self._path), fsync=self.fsync
        )

    def store(self, number: int, /) -> Run:
        """
        Log as many events.
        """
        calls = [call() for _ in range(number)]
        before = self._stored()
        watch = Stopwatch()
        with watch():
            for each in calls:
                self._log.log(**each)
        return watch.run(number, self._stored() - before)

    def _stored(self) -> int:
        if not self._path.exists():
            return 0
        with self._path.open("rb") as lines:
            return count(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


class Unsynced(Synced):
    """
    As in its quick start.
    """

    name = "rust-py-audit"
    settings = "log() as in its README: a line for each event"
    unfair = "nothing is synced: a power loss takes what was logged last"
    fsync = False


def call() -> dict[str, Any]:
    """
    The sample event as arguments of ``log()``.
    """
    parts = make_parts()
    return {
        "actor_id": parts["actor"]["id"],
        "action": parts["event_type"],
        "resource": parts["resource"]["type"],
        "resource_id": parts["resource"]["id"],
        "metadata": parts["request"]
        | parts["metadata"]
        | {
            "email": parts["actor"]["email"],
            "parent": parts["resource"]["parent"],
            "correlation_id": parts["correlation_id"],
        },
    }

"""
One part of a look that neither hangs nor breaks the others.
"""

from __future__ import annotations

import threading

from typing import TYPE_CHECKING

from auditlog.errors import AuditLogError
from auditlog.findings import Finding


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


# Seconds. Each question in a look has a limit of its own, far below.
PATIENCE = 60.0


def bounded(
    check: str,
    look: Callable[[], Iterable[Finding]],
    patience: float = PATIENCE,
) -> list[Finding]:
    """
    What *look* found, also if it does not end, or fails.

    Args:
        check: What is said to have failed then.

        patience: Longest wait, in seconds.
    """
    stage = _Stage(check, look)
    stage.start()
    stage.join(patience)
    found = list(stage.found)
    if stage.is_alive():
        detail = f"no end within {patience:g} s"
        found.append(Finding(check, "failed", detail, _HANGS))
    return found


class _Stage(threading.Thread):
    def __init__(
        self, check: str, look: Callable[[], Iterable[Finding]]
    ) -> None:
        super().__init__(name=f"auditlog-{check}", daemon=True)
        self._check = check
        self._look = look
        self.found: list[Finding] = []

    def run(self) -> None:
        try:
            for each in self._look():
                self.found.append(each)
        except AuditLogError as exc:
            self.found.append(Finding.of_error(self._check, exc))
        except Exception as exc:  # noqa: BLE001 - others are still looked at
            # Its text may quote a secret.
            detail = f"can't be looked at: {type(exc).__name__}"
            self.found.append(Finding(self._check, "failed", detail, _BROKEN))


_HANGS = (
    "look at what answers names (DNS) on this machine, and at the service; "
    "then try again"
)
_BROKEN = "report this as a fault of auditlog, with all of these findings"

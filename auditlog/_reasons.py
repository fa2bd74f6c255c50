"""
Why something was passed over, counted by reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections import Counter


# Reasons that are told apart; memory stays flat, whatever a source holds.
MAX_REASONS = 100


def count(skipped: Counter[str], reason: str, times: int = 1) -> None:
    """
    Count in *skipped* that something was passed over for that *reason*.
    """
    if reason not in skipped and len(skipped) >= MAX_REASONS:
        reason = "other reasons"
    skipped[reason] += times

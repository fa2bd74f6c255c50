"""
A clock that moves when it is told to.
"""

from __future__ import annotations


class FakeClock:
    """
    Stands in for :func:`time.monotonic`.

    .. versionadded:: 0.1.0
    """

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """
        Seconds.
        """
        return self.now

    def advance(self, seconds: float) -> None:
        """
        Move on by *seconds*.
        """
        self.now += seconds

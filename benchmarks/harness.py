"""
Runs two ways to do the same by turns, and compares them round by round.
"""

from __future__ import annotations

import gc
import statistics
import time

from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@attrs.frozen
class Run:
    """
    What one contender did in one round.

    Attributes:
        seconds: How long it took.

        events: How many it was given.

        arrived: How many of them were found where they should be.
    """

    seconds: float
    events: int
    arrived: int


@attrs.frozen(kw_only=True)
class Row:
    """
    One line of the results.

    Attributes:
        what: What was compared or measured.

        ours: In *unit*, as a median.

        theirs: As *ours*, or None where nothing is compared.

        ratio: How many times better ours is; the median of the rounds' ratios.

        spread: The lowest and the highest of those ratios.

        target: What *ratio* should be; None if it is only reported.

        lost: Events that did not arrive, over all rounds of both.
    """

    what: str
    unit: str
    ours: float
    theirs: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    target: float | None = None
    lost: int = 0

    @property
    def verdict(self) -> str:
        """
        Whether it is as it should be.
        """
        if self.lost:
            return "LOST"
        if self.target is None or self.ratio is None:
            return ""
        return "ok" if self.ratio >= self.target else "MISSED"


class Stopwatch:
    """
    Measures a ``with`` block, by the clock on the wall or another.

    What was prepared for the block is settled before: the collector of
    garbage doesn't go through it at somebody's expense.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        gc.collect()
        start = self._clock()
        try:
            yield
        finally:
            self.seconds += self._clock() - start


def duel(
    what: str,
    ours: Callable[[], Run],
    theirs: Callable[[], Run],
    *,
    rounds: int,
    target: float | None = None,
) -> Row:
    """
    Let both run by turns, after one round to warm up that does not count.

    What goes on elsewhere on the machine hits neighbours alike, so that a
    round's ratio can be trusted where its times can't.
    """
    pairs = [(ours(), theirs()) for _ in range(rounds + 1)]
    lost = sum(run.events - run.arrived for pair in pairs for run in pair)
    pairs = pairs[1:]
    ratios = [_rate(mine) / _rate(other) for mine, other in pairs]
    return Row(
        what=what,
        unit="events/s",
        ours=statistics.median(_rate(mine) for mine, _ in pairs),
        theirs=statistics.median(_rate(other) for _, other in pairs),
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        target=target,
        lost=lost,
    )


def _rate(run: Run) -> float:
    return run.events / run.seconds


def per_event(
    what: str, call: Callable[[], object], *, rounds: int, events: int
) -> Row:
    """
    The price of one *call* in µs of CPU time, as the median of the rounds.
    """
    call()
    prices = [_price(call, events) for _ in range(rounds)]
    return Row(
        what=what,
        unit="µs",
        ours=statistics.median(prices),
        spread=None,
    )


def _price(call: Callable[[], object], events: int) -> float:
    watch = Stopwatch(time.thread_time)
    with watch():
        for _ in range(events):
            call()
    return watch.seconds / events * 1e6


def count(iterable: Iterable[object]) -> int:
    """
    The number of things in *iterable*.
    """
    return sum(1 for _ in iterable)

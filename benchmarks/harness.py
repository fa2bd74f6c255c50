"""
Runs several ways to do the same by turns, and compares them round by round.
"""

from __future__ import annotations

import gc
import statistics
import time

from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


@attrs.frozen
class Run:
    """
    What one contender did in one round.

    Attributes:
        seconds: How long it took.

        events: How many it was given.

        arrived: How many of them were found where they should be.

        cpu: How many seconds of CPU this process spent on it, if measured.

        figure: What else the contest measures.

        latencies: How long each call took, in seconds, if measured.
    """

    seconds: float
    events: int
    arrived: int
    cpu: float = 0.0
    figure: float = 0.0
    latencies: Sequence[float] = attrs.field(default=(), repr=False)


@attrs.frozen(kw_only=True)
class Measure:
    """
    A figure of a run.

    Attributes:
        name: What is measured; ``""`` for what a contest is about.

        unit: What it is measured in.

        of: The figure of a run; None if it was not measured.

        less: Whether a smaller figure is better.
    """

    name: str
    unit: str
    of: Callable[[Run], float | None]
    less: bool = False


def quantile(part: float, scale: float) -> Callable[[Run], float | None]:
    """
    How long *part* of the calls took at most, in seconds times *scale*.
    """

    def of(run: Run) -> float | None:
        if not run.latencies:
            return None
        ordered = sorted(run.latencies)
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)] * scale

    return of


RATE = Measure(
    name="", unit="events/s", of=lambda run: run.events / run.seconds
)
CPU = Measure(
    name="CPU",
    unit="s/10⁶ events",
    of=lambda run: run.cpu / run.events * 1e6,
    less=True,
)
P50, P99, P999 = (
    Measure(
        name=f"p{part * 100:g}", unit="µs", of=quantile(part, 1e6), less=True
    )
    for part in (0.5, 0.99, 0.999)
)


def _none() -> Run:
    raise AssertionError("it is absent")


@attrs.frozen(kw_only=True)
class Contender:
    """
    One way to do it.

    Attributes:
        name: What it is called in the results.

        run: Does it once.

        settings: How it was set up.

        targets:
            What our ratio beside it should be at least, by the name of the
            measure.

        limits: What our median should be at most, by the name of the measure.

        absent: Why it can't take part; None if it can.

        unfair: What its figure must not be taken for.
    """

    name: str
    run: Callable[[], Run] = _none
    settings: str = ""
    targets: Mapping[str, float] = attrs.field(factory=dict)
    limits: Mapping[str, float] = attrs.field(factory=dict)
    absent: str | None = None
    unfair: str = ""


@attrs.frozen(kw_only=True)
class Row:
    """
    One line of the results: a contender and one measure.

    Attributes:
        contest: What was to be done.

        what: Which of its figures this is; ``""`` for the main one.

        contender: Who did it.

        settings: How it was set up, and what to keep in mind.

        unit: What *median*, *low* and *high* are in.

        median: Of the rounds; None if it couldn't take part.

        low: The lowest of the rounds.

        high: The highest of the rounds.

        ratio:
            How many times better ours is than this one; the median of the
            rounds' ratios. None for ours.

        spread: The lowest and the highest of those ratios.

        target: What *ratio* should be; None if it is only reported.

        limit: What *median* should be at most; None if it is only reported.

        events: How many events one round has.

        rounds: How many rounds count.

        lost: Events that did not arrive, over all rounds.
    """

    contest: str
    what: str = ""
    contender: str
    settings: str = ""
    unit: str = ""
    median: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    target: float | None = None
    limit: float | None = None
    events: int = 0
    rounds: int = 0
    lost: int = 0

    @property
    def verdict(self) -> str:
        """
        Whether it is as it should be.
        """
        if self.median is None:
            return "absent"
        if self.lost:
            return "LOST"
        aims = []
        if self.target is not None and self.ratio is not None:
            aims.append(self.ratio >= self.target)
        if self.limit is not None:
            aims.append(self.median <= self.limit)
        return ("ok" if all(aims) else "MISSED") if aims else ""


class Stopwatch:
    """
    Measures a ``with`` block, by the clock on the wall or another.

    What was prepared for the block is settled before: the collector of
    garbage doesn't go through it at somebody's expense.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds = 0.0
        self.cpu = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        gc.collect()
        cpu, start = time.process_time(), self._clock()
        try:
            yield
        finally:
            self.seconds += self._clock() - start
            self.cpu += time.process_time() - cpu

    def run(self, events: int, arrived: int) -> Run:
        """
        What was measured.
        """
        return Run(self.seconds, events, arrived, self.cpu)


def compare(
    contest: str,
    *contenders: Contender,
    rounds: int,
    measures: Sequence[Measure] = (RATE,),
) -> Iterator[Row]:
    """
    Let all run by turns, after one round to warm up that does not count.

    The first of them is ours. What goes on elsewhere on the machine hits
    neighbours alike, so that a round's ratio can be trusted where its times
    can't.
    """
    present = [each for each in contenders if each.absent is None]
    played = [[each.run() for each in present] for _ in range(rounds + 1)]
    by_name = {
        each.name: runs
        for each, runs in zip(present, zip(*played, strict=True), strict=True)
    }
    ours = by_name[contenders[0].name]
    for measure in measures:
        for each in contenders:
            runs = by_name.get(each.name)
            if runs is None and measure is measures[0]:
                yield _absent(contest, each)
            elif runs and measure.of(runs[0]) is not None:
                yield _row(contest, measure, each, runs, ours)


def _row(
    contest: str,
    measure: Measure,
    contender: Contender,
    runs: Sequence[Run],
    ours: Sequence[Run],
) -> Row:
    figures = [measure.of(run) or 0.0 for run in runs[1:]]
    row = Row(
        contest=contest,
        what=measure.name,
        contender=contender.name,
        settings="; ".join(
            filter(None, (contender.settings, contender.unfair))
        ),
        unit=measure.unit,
        median=statistics.median(figures),
        limit=contender.limits.get(measure.name),
        low=min(figures),
        high=max(figures),
        events=runs[0].events,
        rounds=len(figures),
        lost=sum(run.events - run.arrived for run in runs),
    )
    if runs is ours:
        return row

    mine = [measure.of(run) or 0.0 for run in ours[1:]]
    ratios = list(map(_less if measure.less else _more, mine, figures))
    return attrs.evolve(
        row,
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        target=contender.targets.get(measure.name),
    )


def _more(mine: float, other: float) -> float:
    return mine / other


def _less(mine: float, other: float) -> float:
    # Nothing at all is better than anything, by no number.
    return other / mine if mine else 1.0


def _absent(contest: str, contender: Contender) -> Row:
    return Row(
        contest=contest,
        contender=contender.name,
        settings=contender.absent or "",
    )


def per_event(call: Callable[[], object], events: int) -> Run:
    """
    Make as many *calls*, by the CPU time of this thread.
    """
    watch = Stopwatch(time.thread_time)
    with watch():
        for _ in range(events):
            call()
    return watch.run(events, events)


def count(iterable: Iterable[object]) -> int:
    """
    The number of things in *iterable*.
    """
    return sum(1 for _ in iterable)

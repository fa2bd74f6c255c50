"""
What a caller pays to hand over an event, beside others with a worker thread.

All hand over to a thread that writes to nowhere. Measured are the CPU time of
the calling thread, and how long each call took by the clock: while the worker
sleeps, while it works, and while its destination hangs.
"""

from __future__ import annotations

import importlib
import threading
import time
import tracemalloc

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from harness import P50, P99, P999, RATE, Contender, Measure, Run, Stopwatch
from harness import compare as _compare
from samples import NullSink, make_event

from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from harness import Row
    from setting import Setting

    from auditlog.abc import Record


class Handing(Protocol):
    """
    A way to hand over events.

    Attributes:
        name: What it is called in the results.

        settings: How it is set up.

        unfair: What its figure must not be taken for.

        arrived: How many events came through so far.
    """

    name: str
    settings: str
    unfair: str
    arrived: int

    def make(self) -> Any:
        """
        An event as it wants it.
        """

    def open(
        self, wait: Callable[[], object], room: int
    ) -> AbstractContextManager[Callable[[Any], object]]:
        """
        Gives the call that hands over, with room for so many events.

        The worker calls *wait* before it takes a batch for stored; all that
        was handed over is stored when the context ends.
        """


class Ours:
    """
    ``enqueue()`` of a publisher.
    """

    name = "auditlog"
    settings = "enqueue(), with room for all"
    unfair = ""

    def __init__(self) -> None:
        self.arrived = 0
        self.make = make_event

    @contextmanager
    def open(
        self, wait: Callable[[], object], room: int
    ) -> Iterator[Callable[[Any], object]]:
        """
        A publisher of its own.
        """
        sink = WaitingSink(wait)
        with AuditLogPublisher(
            sink, max_events=room, max_bytes=room * 65_535
        ) as publisher:
            yield publisher.enqueue
            publisher.flush()
        self.arrived += sink.arrived


class WaitingSink(NullSink):
    """
    Stores nothing, when it may.
    """

    def __init__(self, wait: Callable[[], object]) -> None:
        super().__init__()
        self._wait = wait

    def write(self, records: Sequence[Record], /) -> None:
        """
        Count *records* once it may go on.
        """
        self._wait()
        super().write(records)


PEERS = (
    ("otel", "Handing"),
    ("otel", "DroppingHanding"),
    ("queue_handler", "Handing"),
)

# Our rate beside theirs, of ready events and of those that are built.
TARGETS = {("otel", "Handing"): (4.0, 2.0)}

KEPT = Measure(name="", unit="bytes", of=lambda run: run.figure, less=True)
# The longest that most calls may take while the worker works, in µs.
LONGEST = 100.0


def rows(setting: Setting) -> Iterator[Row]:
    """
    All contests.
    """
    number = setting.events(5_000)
    rate = partial(compare, rounds=2 * setting.rounds, measures=(RATE,))
    yield from rate("enqueue ready events", partial(_hand, number), 0)
    yield from rate("build and enqueue", partial(_build_and_hand, number), 1)
    timed = partial(compare, rounds=setting.rounds, measures=(P50, P99, P999))
    few = setting.events(500)
    yield from timed("enqueue, the worker sleeps", partial(_rarely, few))
    yield from timed(
        "enqueue, the worker works",
        partial(_often, number),
        limits={"p99": LONGEST},
    )
    yield from timed(
        "enqueue, the destination hangs", partial(_hanging, number)
    )
    yield from compare(
        "memory of an event that waits",
        partial(_kept, few),
        rounds=setting.rounds,
        measures=(KEPT,),
    )


def compare(
    contest: str,
    work: Callable[[Handing], Run],
    target: int | None = None,
    *,
    rounds: int,
    measures: Sequence[Measure],
    limits: dict[str, float] | None = None,
) -> Iterator[Row]:
    """
    Let all of them do *work*.
    """
    ours = Ours()
    contenders = [
        Contender(
            name=ours.name,
            run=partial(work, ours),
            settings=ours.settings,
            limits=limits or {},
        )
    ]
    contenders += [_peer(*peer, work, target) for peer in PEERS]
    return _compare(contest, *contenders, rounds=rounds, measures=measures)


def _peer(
    module: str, kind: str, work: Callable[[Handing], Run], target: int | None
) -> Contender:
    try:
        peer = getattr(importlib.import_module(f"peers.{module}"), kind)()
    except ImportError as error:
        return Contender(name=module, absent=str(error))
    targets = TARGETS.get((module, kind))
    return Contender(
        name=peer.name,
        run=partial(work, peer),
        settings=peer.settings,
        unfair=peer.unfair,
        targets={"": targets[target]}
        if targets and target is not None
        else {},
    )


def _hand(number: int, way: Handing) -> Run:
    things = [way.make() for _ in range(number)]
    watch = Stopwatch(time.thread_time)
    before = way.arrived
    with way.open(_go_on, number) as hand, watch():
        for thing in things:
            hand(thing)
    return watch.run(number, way.arrived - before)


def _build_and_hand(number: int, way: Handing) -> Run:
    make = way.make
    watch = Stopwatch(time.thread_time)
    before = way.arrived
    with way.open(_go_on, number) as hand, watch():
        for _ in range(number):
            hand(make())
    return watch.run(number, way.arrived - before)


def _rarely(number: int, way: Handing) -> Run:
    return _timed(number, way, pause=0.001)


def _often(number: int, way: Handing) -> Run:
    return _timed(number, way)


def _hanging(number: int, way: Handing) -> Run:
    gate = threading.Event()
    return _timed(number, way, wait=gate.wait, end=gate.set)


def _go_on() -> None:
    """
    What a worker waits for that need not wait.
    """


def _timed(
    number: int,
    way: Handing,
    *,
    pause: float = 0.0,
    wait: Callable[[], object] = _go_on,
    end: Callable[[], object] = _go_on,
) -> Run:
    things = [way.make() for _ in range(number)]
    before = way.arrived
    latencies = []
    clock = time.perf_counter
    watch = Stopwatch()
    with way.open(wait, number) as hand:
        with watch():
            for thing in things:
                if pause:
                    time.sleep(pause)
                start = clock()
                hand(thing)
                latencies.append(clock() - start)
        end()
    run = watch.run(number, way.arrived - before)
    return attrs.evolve(run, latencies=latencies)


def _kept(number: int, way: Handing) -> Run:
    """
    What stays allocated for each event until it is stored.
    """
    things = [way.make() for _ in range(number)]
    before = way.arrived
    gate = threading.Event()
    with way.open(gate.wait, number) as hand:
        tracemalloc.start()
        for thing in things:
            hand(thing)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        gate.set()
    arrived = way.arrived - before
    return Run(0.0, number, arrived, figure=kept / number)

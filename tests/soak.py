"""
Let one process publish and relay for long, among faults, and see if it grows.

Run it as ``python -m tests.soak``, or as ``make soak``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import sys
import tempfile
import threading
import time

from pathlib import Path
from uuid import uuid4

import attrs

from auditlog import AuditLogPublisher, KafkaSink, PostgresSink, SpoolSink
from tests.hammer.bench import Bench
from tests.kafka_tools import cluster_at, make_event
from tests.postgres_tools import execute


PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Seconds after a fault until all that waited is expected to have passed.
RECOVERY = 5.0


@attrs.frozen
class Sample:
    """
    What the process was like at one moment.
    """

    rss: int
    fds: int
    threads: int
    lag: float
    calm: bool


class Faults:
    """
    One fault after the other, with pauses between them.
    """

    def __init__(self, bench, seed):
        self._bench = bench
        self._chance = random.Random(seed)
        self.count = 0
        self.calm_since = time.monotonic()

    def run(self, stop):
        while not stop.wait(self._chance.uniform(8, 15)):
            self.calm_since = float("inf")
            self._chance.choice(FAULTS)(self._bench, stop)
            self._bench.heal()
            self.count += 1
            self.calm_since = time.monotonic()

    @property
    def calm(self):
        return time.monotonic() - self.calm_since > RECOVERY


def cut_database(bench, stop):
    bench.database_proxy.cut()


def stall_database(bench, stop):
    bench.database_proxy.stall()
    stop.wait(2)


def restart_database(bench, stop):
    bench.postgres.stop()


def cut_broker(bench, stop):
    bench.broker_proxy.cut()


def stall_broker(bench, stop):
    bench.broker_proxy.stall()
    stop.wait(2)


def freeze_broker(bench, stop):
    bench.broker.pause()
    stop.wait(2)


FAULTS = (
    cut_database,
    stall_database,
    restart_database,
    cut_broker,
    stall_broker,
    freeze_broker,
)


def look(publisher, faults):
    """
    Measure this process.
    """
    relays = [each for each in publisher.stats().relays if each.lag]
    pages = Path("/proc/self/statm").read_text().split()[1]
    return Sample(
        rss=int(pages) * PAGE_BYTES,
        fds=len([*Path("/proc/self/fd").iterdir()]),
        threads=threading.active_count(),
        lag=max((each.lag for each in relays), default=0.0),
        calm=faults.calm,
    )


class Load:
    """
    Enqueues at an even pace, and looks at the process now and then.

    Attributes:
        samples: So few that they do not count as growth.

        failed: The receipts that failed.
    """

    def __init__(self, publisher, faults, *, rate, seconds):
        self._publisher = publisher
        self._faults = faults
        self._batch = rate // 10
        self._ticks = int(seconds * 10)
        self._looks = max(self._ticks // 2_000, 10)
        self._open = []
        self.samples = []
        self.failed = []

    @property
    def count(self):
        return self._ticks * self._batch

    def run(self):
        begun = time.monotonic()
        for tick in range(self._ticks):
            self._enqueue()
            if tick % self._looks == 0:
                self.samples.append(look(self._publisher, self._faults))
                self._settle()
            left = begun + tick / 10 - time.monotonic()
            time.sleep(max(left, 0))  # the pace of the load
        self._publisher.flush(120)
        self._settle()

    def _enqueue(self):
        self._open += [
            self._publisher.enqueue(make_event()) for _ in range(self._batch)
        ]

    def _settle(self):
        done = [each for each in self._open if each.done()]
        self.failed += [each for each in done if each.exception(0)]
        self._open = [each for each in self._open if not each.done()]


def soak(bench, options):
    url = bench.postgres.create_database(f"soak_{uuid4().hex}")
    topic = f"soak-{uuid4().hex}"
    journal = PostgresSink(bench.through(url, bench.database_proxy.port))
    target = KafkaSink(cluster_at(bench.broker.bootstrap_servers), topic)
    faults, stop = Faults(bench, options.seed), threading.Event()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        publisher = stack.enter_context(
            AuditLogPublisher(
                journal, relays={"topic": target}, fallback=SpoolSink(folder)
            )
        )
        striking = threading.Thread(target=faults.run, args=(stop,))
        striking.start()
        stack.callback(striking.join)
        stack.callback(stop.set)
        load = Load(
            publisher, faults, rate=options.rate, seconds=options.seconds
        )
        load.run()
        stop.set()
        striking.join()
        publisher.wait_delivered(300)
        ((stored,),) = execute(url, "SELECT count(*) FROM audit.event")
        last = target.last_index()
    failed = len(load.failed)
    print(f"{load.count} enqueued, {failed} failed, {faults.count} faults")
    print(f"{stored} stored, the topic's last index is {last}")
    return told(load.samples) and load.count - failed == stored == last


def told(samples):
    """
    Print how it grew; whether it did not.
    """
    samples = samples[len(samples) // 5 :]  # warm by then
    part = max(len(samples) // 4, 1)
    first, last = samples[:part], samples[-part:]
    rss = [statistics.median(e.rss for e in half) for half in (first, last)]
    fds = [max(each.fds for each in half) for half in (first, last)]
    lags = sorted(each.lag for each in samples if each.calm) or [0.0]
    lag = lags[int(len(lags) * 0.99)]
    drift = rss[1] / rss[0] - 1
    print(f"memory {rss[0] / 1e6:.1f} → {rss[1] / 1e6:.1f} MB ({drift:+.1%})")
    print(f"file descriptors, at most {fds[0]} → {fds[1]}")
    print(f"threads, at most {max(each.threads for each in samples)}")
    print(f"lag, 99th percentile of {len(lags)} calm seconds: {lag:.2f} s")
    return drift < 0.05 and fds[1] <= fds[0] * 1.1 and lag < 2


def main():
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=86_400)
    parser.add_argument("--rate", type=int, default=500, help="events/s")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with Bench() as bench:
        return 0 if soak(bench, options) else 1


if __name__ == "__main__":
    sys.exit(main())

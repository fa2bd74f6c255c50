"""
How fast the library is beside its peers and the best that is done by hand.

Run it as ``python benchmarks``, or as ``make bench``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from pathlib import Path

import report

from setting import Setting


FOLDER = Path(__file__).parent

CONTESTS = {
    "enqueue": "caller_cost",
    "postgres": "into_postgres",
    "kafka": "into_kafka",
    "spool": "into_spool",
    "relay": "relaying",
    "latency": "publish_latency",
    "export": "exporting",
    "codec": "codec_cost",
    "growth": "growing",
    "outage": "outage",
    "import": "import_time",
    "memory": "flat_memory",
    "host": "host_application",
}


def main() -> int:
    """
    Run what was asked for; 1 if ours lost events or missed an aim.
    """
    options = _options()
    rows = []
    with Setting(options.quick, options.full, options.minutes) as setting:
        for name in options.only or CONTESTS:
            start = time.monotonic()
            contest = importlib.import_module(CONTESTS[name])
            for row in contest.rows(setting):
                print(report.line(row), flush=True)
                rows.append(row)
            took = time.monotonic() - start
            print(f"{name} took {took:.0f} s", file=sys.stderr, flush=True)
        where = report.conditions(setting.services)
    report.save(rows, where, options.results)
    print("", report.page(rows, where), sep="\n")
    if options.publish and not (options.only or options.quick):
        publishing = importlib.import_module("publishing")
        publishing.publish(rows, where, publishing.FOLDER)
    bad = {"LOST"} if options.quick else {"LOST", "MISSED"}
    return int(any(row.verdict in bad for row in rows if report.is_ours(row)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=CONTESTS,
        help="run this contest; may be given again",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only see that the contests work; the figures mean nothing",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="handle up to 10⁷ events, which takes hours",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.5,
        help="how long 'host' keeps each of its applications under load",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=FOLDER / "results",
        help="folder to save the figures in",
    )
    parser.add_argument(
        "--publish",
        action="store_true",
        help="put tables and chart of all contests into the documentation",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

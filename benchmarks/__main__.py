"""
How fast the library is beside the best that can be done by hand.

Run it as ``python benchmarks``, or as ``make bench``.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from pathlib import Path

import report

from setting import Setting


CONTESTS = {
    "enqueue": "caller_cost",
    "postgres": "into_postgres",
    "kafka": "into_kafka",
    "spool": "into_spool",
    "relay": "relaying",
    "latency": "publish_latency",
    "import": "import_time",
    "memory": "flat_memory",
    "codec": "codec_cost",
    "host": "host_application",
}


def main() -> int:
    """
    Run what was asked for; 1 if events were lost or a target missed.
    """
    options = _options()
    rows = []
    with Setting(options.quick, options.minutes) as setting:
        for name in options.only or CONTESTS:
            contest = importlib.import_module(CONTESTS[name])
            for row in contest.rows(setting):
                print(report.table([row]).splitlines()[-1], flush=True)
                rows.append(row)
    where = report.conditions()
    print("", report.table(rows), "", *map(": ".join, where.items()), sep="\n")
    report.save(rows, where, options.results)
    bad = {"LOST"} if options.quick else {"LOST", "MISSED"}
    return int(any(row.verdict in bad for row in rows))


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
        "--minutes",
        type=float,
        default=1.0,
        help="how long 'host' keeps its application under load each time",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path(__file__).parent / "results",
        help="folder to save the figures in",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

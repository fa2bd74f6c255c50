"""
Look for a loss, round after round.

Run it as ``python -m tests.hammer``, or as ``make hammer``. Each round has a
seed, by which it is played again as far as the timing of processes allows.
What a round that broke a promise leaves is in ``build/hammer/<seed>``.
"""

from __future__ import annotations

import argparse
import random
import sys

from collections import Counter

from tests.hammer import rounds
from tests.hammer.bench import Bench


def main():
    options = _options()
    with Bench() as bench:
        reports = [*_reports(bench, options)]
    broken = [each.plan.seed for each in reports if each.violations]
    print(_summary(reports))
    print(f"{len(reports)} rounds, broken: {broken or 'none'}")
    return 1 if broken else 0


def _options():
    parser = argparse.ArgumentParser(prog="make hammer", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, help="play this round again")
    parser.add_argument("--from", type=int, dest="first", help="first seed")
    parser.add_argument("--seconds", type=float, default=3.0, help="of faults")
    parser.add_argument(
        "--variant",
        choices=sorted(rounds.WRITERS | rounds.RELAYS),
        help="be wrong on purpose, to see whether it is noticed",
    )
    return parser.parse_args()


def _reports(bench, options):
    for seed in _seeds(options):
        report = rounds.run(
            bench, seed, seconds=options.seconds, variant=options.variant
        )
        print(report, flush=True)
        yield report


def _seeds(options):
    if options.seed is not None:
        return [options.seed]
    first = options.first
    if first is None:
        first = random.randrange(10**6) * 100
    return range(first, first + options.rounds)


def _summary(reports):
    faults, counts = Counter(), Counter()
    for each in reports:
        faults += each.faults
        counts.update(each.counts)
    lines = [f"{n:8} {what}" for what, n in [*counts.items(), ("", "")]]
    lines += [f"{n:8} {what}" for what, n in faults.most_common()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

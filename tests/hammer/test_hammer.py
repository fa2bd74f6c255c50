"""
Rounds of the hammer; `make hammer` plays as many as it is told to.
"""

from __future__ import annotations

import random

import pytest

from tests.hammer import rounds


# What a seed decides, it decides by its last digits; see `rounds.Plan`.
BASE = random.randrange(10**6) * 100


@pytest.mark.parametrize("number", range(20))
def test_nothing_is_lost(bench, request, number):
    """
    Whatever happens to writers, relays, servers and connections: what was
    acknowledged is stored and delivered, in one order, with its bytes.
    """
    seed = BASE + number
    print(f"python -m tests.hammer --seed {seed} --seconds 1.0")
    if rounds.Plan.of(seed, 1.0).three:
        bench.cluster = request.getfixturevalue("kafka_cluster")

    report = rounds.run(bench, seed, seconds=1.0)

    print(report)
    assert report.violations == []
    assert report.counts["acknowledged"]
    assert report.faults


def test_naive_reader_loses_where_ours_does_not(bench):
    """
    Both read the same journal at the same time; one asks for what is behind
    the last number that it has seen.
    """
    lost = 0
    for seed in range(BASE + 51, BASE + 100, 2):
        report = rounds.run(bench, seed, seconds=1.0)
        assert report.violations == []
        if lost := report.counts["naive lost"]:
            break

    assert lost > 0

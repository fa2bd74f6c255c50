"""
That the benchmarks run and compare; their figures mean nothing here.
"""

import importlib
import json
import os
import subprocess
import sys

from pathlib import Path

import pytest


FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def run(tmp_path):
    def run(*contests):
        """
        The rows that ``benchmarks --quick`` saves.
        """
        subprocess.run(
            [
                *(sys.executable, FOLDER, "--quick"),
                f"--results={tmp_path}",
                *(f"--only={contest}" for contest in contests),
            ],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=240,
            check=True,
        )
        return json.loads((tmp_path / "latest.json").read_text())["rows"]

    return run


@pytest.fixture
def load(monkeypatch):
    """
    Imports a module of the benchmarks.
    """
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.mark.parametrize(
    "contests",
    [("import", "memory", "codec", "spool"), ("enqueue",)],
    ids=" ".join,
)
def test_contest_runs_and_loses_nothing(run, contests):
    """
    Contests without services give their rows; all events arrive, on all
    sides, and who isn't installed is named.
    """
    rows = run(*contests)

    assert {0} == {row["lost"] for row in rows}
    assert all(
        row["median"] is not None
        or row["settings"].startswith("No module named")
        for row in rows
    )


def make_rows(harness, *, rounds=5):
    """
    A contest of three: ours, one that is half as fast and loses an event in
    each round, and one that isn't there.
    """
    turns = []

    def contender(name, seconds, arrived, **options):
        def run():
            turns.append(name)
            return harness.Run(seconds, 100, arrived)

        return harness.Contender(name=name, run=run, **options)

    rows = harness.compare(
        "contest",
        contender("ours", 1.0, 100, settings="defaults"),
        contender("theirs", 2.0, 99, targets={"": 1.5}),
        harness.Contender(name="absent", absent="No module named 'absent'"),
        rounds=rounds,
    )
    return list(rows), turns


def test_contenders_take_turns_and_the_first_round_warms_up(load):
    """
    They run by turns, once more than counts.
    """
    rows, turns = make_rows(load("harness"), rounds=5)

    assert ["ours", "theirs"] * 6 == turns
    assert [5, 5, 0] == [row.rounds for row in rows]


def test_ratio_says_how_many_times_as_good_ours_is(load):
    """
    The ratio is ours beside theirs, round by round, whatever is measured.
    """
    harness = load("harness")
    rate, seconds = (
        harness.Measure(name="", unit="1/s", of=lambda run: 1 / run.seconds),
        harness.Measure(
            name="", unit="s", of=lambda run: run.seconds, less=True
        ),
    )
    contenders = [
        harness.Contender(
            name=str(each), run=lambda s=each: harness.Run(s, 1, 1)
        )
        for each in (1.0, 2.0)
    ]

    for measure in (rate, seconds):
        ours, theirs = harness.compare(
            "contest", *contenders, rounds=1, measures=[measure]
        )

        assert ours.ratio is None
        assert 2.0 == theirs.ratio
        assert (2.0, 2.0) == theirs.spread


def test_a_fast_contender_that_lost_events_is_shown_with_its_loss(load):
    """
    What didn't arrive is said where its figure stands, and so is who is
    missing.
    """
    rows, _ = make_rows(load("harness"))

    page = load("report").page(rows, {"Python": "3"})

    assert ["", "LOST", "absent"] == [row.verdict for row in rows]
    assert "**LOST 6 of 600**" in page
    assert "absent: No module named 'absent'" in page
    assert "- ours: defaults" in page
    assert "- Python: 3" in page


def test_an_aim_is_met_or_missed(load):
    """
    A ratio below the aim, or a figure above the limit, is a miss.
    """
    harness = load("harness")

    def verdict(**figures):
        return harness.Row(contest="", contender="", **figures).verdict

    assert "ok" == verdict(median=1.0, ratio=2.0, target=2.0)
    assert "MISSED" == verdict(median=1.0, ratio=1.9, target=2.0)
    assert "ok" == verdict(median=1.0, limit=1.0)
    assert "MISSED" == verdict(median=1.1, limit=1.0)
    assert "" == verdict(median=1.0, ratio=2.0)


def test_a_run_that_was_saved_is_published(load, tmp_path):
    """
    The pages of the documentation can be made again of saved results.
    """
    rows, _ = make_rows(load("harness"))
    report, publishing = load("report"), load("publishing")
    report.save(rows, {"Python": "3"}, tmp_path)

    publishing.publish(*report.load(tmp_path / "latest.json"), tmp_path)

    assert (tmp_path / "figures.png").read_bytes().startswith(b"\x89PNG")
    assert "**contest**" in (tmp_path / "figures.md").read_text()
    aims = (tmp_path / "_figures.md").read_text()
    assert "| contest | theirs | 2.00 " in aims

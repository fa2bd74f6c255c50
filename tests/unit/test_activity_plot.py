from __future__ import annotations

import io
import itertools
import subprocess
import sys

from datetime import UTC, datetime, timedelta

import pytest

from matplotlib import style
from matplotlib.colors import to_rgb

from auditlog.abc import Skipped
from auditlog.activity._drawing import LOOKS
from auditlog.errors import MissingExtraError, QueryError
from auditlog.event import Outcome
from tests.unit.test_activity import MONDAY, ListReader, at, make_event, read


HOSTILE = [
    "a$b^{2}$c",
    r"$\frac{$",
    "100% _sure_ \\alpha{",
    "王小明",
    "שלום עולם",
    "مدير النظام",
    "zoë 😀",
    "👩‍👩‍👧",
    "x" * 300,
    "evil\u202egnp.exe\n\x1b[31m",
    "\ufdd0\U0010ffff",
    " ",
]


def drawn(events, **given):
    """
    The figure of *events*, rendered, and all texts in it.
    """
    figure = events.plot_activity(**given)
    figure.savefig(file := io.BytesIO(), format="png")
    assert file.getvalue().startswith(b"\x89PNG")
    return figure


def texts(figure):
    """
    What a person reads in *figure*.
    """
    found = [figure.get_suptitle()]
    for axes in figure.axes:
        found += [axes.get_title(loc="left"), axes.get_xlabel()]
        found += [axes.get_ylabel(), *(t.get_text() for t in axes.texts)]
        found += [label.get_text() for label in axes.get_yticklabels()]
        if legend := axes.get_legend():
            found += [text.get_text() for text in legend.get_texts()]
    return found


def test_plot_has_titles_units_and_the_zone():
    """
    Who sees the figure alone knows what is counted, and whose hours.
    """
    events = [*at(0, 1, 30), *at(1, outcome="denied", actor="bob")]

    shown = texts(drawn(read(*events), tz="Europe/Berlin", title="Production"))

    assert shown[0].splitlines() == [
        "Production",
        "4 events, 2026-01-05 09:00 to 2026-01-06 15:00 (Europe/Berlin)",
    ]
    assert {
        "Events over time, by how they ended",
        "occurred at (Europe/Berlin)",
        "events per hour",
        "Events by weekday and hour",
        "hour of day (Europe/Berlin)",
        "events (blank: none)",
        "Actors, most active first",
        "number of events",
        "denied (1)",
        "success (3)",
        "alice",
        "bob",
    } <= {*shown}


@pytest.mark.parametrize("query", [{}, {"since": MONDAY}])
def test_plot_of_nothing(query):
    """
    No events are a figure that says so.
    """
    shown = texts(drawn(read(**query)))

    assert shown.count("no events") == 3
    assert shown[0] == "0 events (UTC)"


@pytest.mark.parametrize(
    ("span", "unit"),
    [
        (timedelta(0), "second"),
        (timedelta(minutes=1), "second"),
        (timedelta(minutes=15), "10 seconds"),
        (timedelta(hours=1), "minute"),
        (timedelta(hours=12), "10 minutes"),
        (timedelta(days=3), "hour"),
        (timedelta(days=14), "4 hours"),
        (timedelta(days=90), "day"),
        (timedelta(days=700), "week"),
        (timedelta(days=3000), "month"),
        (timedelta(days=30_000), "year"),
    ],
)
def test_bars_are_as_many_as_can_be_told_apart(span, unit):
    """
    The unit follows the time between the events, and no event is lost.
    """
    times = [MONDAY, MONDAY + span / 3, MONDAY + span, MONDAY + span / 2]

    figure = drawn(read(*map(make_event, times)))

    assert f"events per {unit}" in texts(figure)
    bars = figure.axes[0].patches
    assert sum(bar.get_height() for bar in bars) == 4
    ticks = figure.axes[0].get_xticklabels()
    assert 2 <= len([tick for tick in ticks if tick.get_text()]) <= 12


def test_outcomes_stand_on_each_other():
    """
    What was denied is at the bottom, and a bar is as high as all its events.
    """
    events = [*at(0, 0, 0), *at(0, 0, outcome="denied"), *at(9)]

    bars = drawn(read(*events)).axes[0].patches

    assert [(bar.get_y(), bar.get_height()) for bar in bars] == [
        (0, 2),
        (2, 3),
        (0, 1),
    ]


@pytest.mark.parametrize(
    "times",
    [
        [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)],
        [datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)],
        [datetime(1, 1, 1, tzinfo=UTC)],
    ],
)
def test_plot_of_times_without_a_meaning(times):
    """
    What a program writes for "never" can be drawn, too.
    """
    figure = drawn(read(*map(make_event, times)), tz="America/New_York")

    assert texts(figure)[0].startswith(f"{len(times)} event")


def test_plot_shows_the_most_active_of_many():
    """
    Thousands of actors are counted, and the first of them named.
    """
    events = [make_event(actor=f"user-{n}") for n in range(2000)]
    events += at(0, 1, 2, actor="busy") + at(2, actor=None) * 2

    shown = texts(drawn(read(*events), top=2))

    assert "Top 2 of 2,002 actors" in shown
    assert shown[shown.index("busy") : shown.index("busy") + 2] == [
        "busy",
        "(no actor)",
    ]


@pytest.mark.parametrize("look", ["default", "dark_background"])
def test_names_of_any_kind_can_be_drawn(look):
    """
    No name warns of a missing glyph, is taken for mathematics, or turns text.
    """
    events = [make_event(actor=name) for name in HOSTILE]

    with style.context(look):
        shown = texts(drawn(read(*events), top=20, title="\n".join(HOSTILE)))

    assert "a$b^{2}$c" in shown
    assert not {"\u202e", "\x1b"} & set("".join(shown))
    assert max(map(len, shown[1:])) < 80
    assert len({*shown} & {*HOSTILE}) >= 3


def test_what_is_no_event_is_told():
    """
    What was passed over is in the title.
    """
    noise = Skipped(place="here", reason="no event")

    shown = texts(drawn(read(make_event(), noise)))

    assert shown[0].endswith("(UTC); 1 records were no audit events")


def test_plot_looks_once_and_tells_progress():
    """
    One scan for all three parts.
    """
    reader, told = ListReader(*at(0, 200)), []

    reader.read().plot_activity(progress=lambda *how: told.append(how))

    assert reader.scans == 1
    assert told[-1] == (2, None, "events")


@pytest.mark.parametrize("given", [{"top": 0}, {"tz": "Mars/Base"}])
def test_plot_refuses_what_cannot_mean_anything(given):
    """
    As the counts do.
    """
    with pytest.raises(QueryError):
        read(make_event()).plot_activity(**given)


def test_missing_matplotlib_is_named(monkeypatch):
    """
    Who has no matplotlib hears which extra brings it.
    """
    for name in [each for each in sys.modules if "activity._plot" in each]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.colors", None)

    with pytest.raises(MissingExtraError, match=r"publisher\[plot\]"):
        read(make_event()).plot_activity()


def test_plot_leaves_no_trace():
    """
    Neither pyplot nor a backend is loaded, and counting loads no matplotlib.
    """
    code = (
        "import sys\n"
        "from auditlog import InMemoryReader, InMemorySink\n"
        "events = InMemoryReader(InMemorySink()).read()\n"
        "events.events_per('day')\n"
        "assert not {'matplotlib', 'numpy', 'pandas'} & {*sys.modules}\n"
        "figure = events.plot_activity()\n"
        "assert figure._repr_png_()[:4] == b'\\x89PNG'\n"
        "import matplotlib\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert matplotlib.get_backend(auto_select=False) is None\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


# How little is left of colours for who lacks a kind of cones, from Machado,
# Oliveira and Fernandes, "A Physiologically-based Model for Simulation of
# Color Vision Deficiency", 2009, at full severity.
EYES = {
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def as_seen(colour, eye):
    """
    *colour*, such as ``#D55E00``, as *eye* sees it.
    """
    linear = [value**2.2 for value in to_rgb(colour)]
    seen = (sum(a * b for a, b in zip(row, linear)) for row in EYES[eye])  # noqa: B905
    return [min(1.0, max(0.0, value)) ** (1 / 2.2) for value in seen]


@pytest.mark.parametrize("eye", EYES)
def test_outcomes_can_be_told_apart_without_seeing_all_colours(eye):
    """
    Every outcome has a colour, and no two are alike in any eye.
    """
    seen = [as_seen(look["facecolor"], eye) for look in LOOKS.values()]

    assert {*LOOKS} == {*Outcome}
    for one, other in itertools.combinations(seen, 2):
        assert sum(abs(a - b) for a, b in zip(one, other)) > 0.25  # noqa: B905

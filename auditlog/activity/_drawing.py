"""
What the parts of a plot have in common: colours, titles, axes of counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, MaxNLocator

from auditlog.event import Outcome


if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Okabe and Ito's colours can be told apart by nearly everybody; the hatches
# by everybody, also on paper. What asks for a look stands at the bottom,
# where its height can be read.
LOOKS: dict[str, dict[str, Any]] = {
    Outcome.DENIED: {"facecolor": "#D55E00", "hatch": "////"},
    Outcome.FAILURE: {"facecolor": "#E69F00", "hatch": "...."},
    Outcome.UNKNOWN: {"facecolor": "#999999", "hatch": "xx"},
    Outcome.ATTEMPT: {"facecolor": "#F0E442"},
    Outcome.SUCCESS: {"facecolor": "#56B4E9"},
}


def number(count: float, _: object = None) -> str:
    """
    *count* as people write it; for axes, too.
    """
    return f"{count:,.0f}"


def decorate(
    axes: Axes, title: str, x_label: str, y_label: str | None
) -> None:
    """
    Say what *axes* show, and in which units.
    """
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    axes.set_xlabel(x_label)
    if y_label:
        axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)


def count_axis(axis: Any) -> None:
    """
    Let *axis* have whole numbers only.
    """
    axis.set_major_locator(
        MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    )
    axis.set_major_formatter(FuncFormatter(number))


def say_nothing(axes: Axes) -> None:
    """
    Say that there is nothing to see, so that nobody waits for it.
    """
    axes.text(
        0.5,
        0.5,
        "no events",
        transform=axes.transAxes,
        ha="center",
        va="center",
        color="0.5",
    )


def drawn(axes: Axes, look: dict[str, Any]) -> dict[str, Any]:
    """
    *look* with lines between parts, and hatches, in the ground's colour.
    """
    return {"edgecolor": axes.get_facecolor(), "linewidth": 0.4, **look}

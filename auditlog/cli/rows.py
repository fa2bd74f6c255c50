"""
Objects as rows, for a person or a program.
"""

from __future__ import annotations

import json

from typing import TYPE_CHECKING, Any

import attrs

from rich.table import Table
from rich.text import Text


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from attrs import AttrsInstance


def as_table(
    rows: Iterable[AttrsInstance],
    style: Callable[[Any], str] = lambda _: "",
) -> Table:
    """
    One row for each object, one column for each attribute.

    Args:
        style: How a row is to look.
    """
    made = Table(box=None, pad_edge=False)
    for number, row in enumerate(rows):
        values = attrs.asdict(row)
        if not number:
            for name in values:
                made.add_column(name.replace("_", " "), overflow="fold")
        # Text, as strings may hold what rich takes for markup.
        made.add_row(*map(_cell, values.values()), style=style(row))
    return made


def _cell(value: object) -> Text:
    if value is None or value is False:
        return Text("")
    return Text("yes" if value is True else str(value))


def as_json(rows: Iterable[AttrsInstance]) -> str:
    """
    A list with one object each.
    """
    return json.dumps([attrs.asdict(each) for each in rows], indent=2)

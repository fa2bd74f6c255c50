"""
Write the tables of the configuration reference from the config classes.

``python -m auditlog.config.reference docs/reference/configuration.md``
renews them between their two marks.
"""

from __future__ import annotations

import inspect
import re
import sys

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from .model import AuditLogConfig
from .settings import fields, of, table


if TYPE_CHECKING:
    from collections.abc import Iterable

    from .settings import Setting


BEGIN = "<!-- tables: begin, made by python -m auditlog.config.reference -->"
END = "<!-- tables: end -->"

_HEAD = """\
| Setting | Variables | Type | Default | Meaning |
| --- | --- | --- | --- | --- |
"""


def renew(page: str) -> str:
    """
    The text of *page* with the tables as they should be.
    """
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """
    One table for each config class, in Markdown.
    """
    settings = table(AuditLogConfig)
    return "\n".join(
        _table(cls, group)
        for cls, group in groupby(settings, lambda each: each.cls)
    )


def _table(cls: type[Any], settings: Iterable[Setting]) -> str:
    summary = inspect.getdoc(cls) or ""
    first = _markdown(summary.split("\n\n")[0])
    rows = "".join(map(_row, settings))
    return f"### {cls.__name__}\n\n{first}\n\n{_HEAD}{rows}"


def _row(setting: Setting) -> str:
    indexes = [0] * setting.dotted.count("[]")
    names = {setting.variable(*indexes), setting.own_variable(*indexes)}
    cells = (
        f"`{setting.dotted}`",
        "<br>".join(f"`{name}`" for name in sorted(names, reverse=True)),
        of(setting.field).kind.name,
        _default(setting.field),
        describe(setting.cls)[setting.field.name],
    )
    return f"| {' | '.join(cells)} |\n"


def _default(field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return "required"
    if field.default is None or isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
        return ""
    shown = str(field.default)
    return f"`{shown.lower() if field.default in (True, False) else shown}`"


def describe(cls: type[Any]) -> dict[str, str]:
    """
    What the docstring of *cls* says about each attribute.
    """
    section = re.search(
        r"^Attributes:\n(.*?)(?=^\S|\Z)",
        inspect.getdoc(cls) or "",
        re.MULTILINE | re.DOTALL,
    )
    entries = re.split(
        r"^ {4}(\w+):", section[1] if section else "", flags=re.MULTILINE
    )
    texts = dict(zip(entries[1::2], entries[2::2], strict=True))
    return {field.name: _markdown(texts[field.name]) for field in fields(cls)}


def _markdown(text: str) -> str:
    words = " ".join(text.split())
    return words.replace("``", "`").replace("|", "\\|")


def main(path: str) -> None:
    """
    Renew the tables in the page at *path*.
    """
    page = Path(path)
    page.write_text(renew(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

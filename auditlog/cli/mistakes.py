"""
Mistakes in the settings as findings, each with its way out.
"""

from __future__ import annotations

import re

from auditlog.findings import Finding


CHECK = "configuration"

_LABEL = re.compile(r"(?P<setting>.+) \((?:in (?P<file>.+)|(?P<name>\S+))\)")


def finding(mistake: str) -> Finding:
    """
    The finding for a *mistake*, which is ``what is wrong @ where``.
    """
    wrong, _, where = mistake.rpartition(" @ ")
    wrong, _, said = wrong.partition("; ")
    if not wrong:
        return Finding(CHECK, "failed", *_halves(mistake))
    return Finding(
        CHECK, "failed", f"{where}: {wrong}", _way_out(wrong, said, where)
    )


def _halves(mistake: str) -> tuple[str, str]:
    detail, _, way_out = mistake.partition("; ")
    return detail, way_out or "correct the settings"


def _way_out(wrong: str, said: str, where: str) -> str:
    place = _place(where)
    if said.startswith("did you mean "):
        known = said.removeprefix("did you mean ").rstrip("?")
        return f"rename {place} to {known}"
    if wrong == "unknown setting":
        return f"remove {place}, or look its name up: {_REFERENCE}"
    if wrong.startswith("must be set"):
        return f"set {place}"
    return f"correct {place}" if not said else f"correct {place}: {said}"


_REFERENCE = "docs/reference/configuration.md lists all"


def _place(where: str) -> str:
    """
    Where a value stands, as somebody who wants to change it says.
    """
    label = _LABEL.fullmatch(where)
    if label is None:
        return where
    if label["file"]:
        return f"{label['setting']} in {label['file']}"
    return label["name"]

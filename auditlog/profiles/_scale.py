"""
How grave an event is: words of applications on the scales of SIEMs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs


if TYPE_CHECKING:
    from auditlog.event import AuditEvent


OTHER = 99


@attrs.frozen
class Level:
    """
    One step, in the numbers and words of each target.
    """

    number: int
    ocsf: str
    cef: int
    asim: str
    syslog: int


_INFORMATIONAL = Level(1, "Informational", 1, "Informational", 6)
_LOW = Level(2, "Low", 3, "Low", 5)
_MEDIUM = Level(3, "Medium", 5, "Medium", 4)
_HIGH = Level(4, "High", 7, "High", 3)
_CRITICAL = Level(5, "Critical", 9, "High", 2)
_FATAL = Level(6, "Fatal", 10, "High", 1)

# A word that nobody knows is kept as it is and never makes an alarm.
_OTHER = attrs.evolve(_INFORMATIONAL, number=OTHER, ocsf="Other")

_WORDS = {
    _INFORMATIONAL: "debug info information informational none notice trace",
    _LOW: "low minor",
    _MEDIUM: "medium moderate warn warning",
    _HIGH: "err error high major",
    _CRITICAL: "alert crit critical severe very-high",
    _FATAL: "emerg emergency fatal panic",
}
_LEVELS = {
    word: level for level, words in _WORDS.items() for word in words.split()
}


def level_of(event: AuditEvent) -> Level:
    """
    Where *event* stands; without a severity it is informational.
    """
    if event.severity is None:
        return _INFORMATIONAL
    return _LEVELS.get(event.severity.strip().lower(), _OTHER)

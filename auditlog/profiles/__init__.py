"""
The shapes in which SIEMs read events.
"""

from __future__ import annotations

import difflib

from auditlog.errors import ConfigError

from ._asim import ASIM
from ._base import Line, Profile
from ._cef import CEF
from ._cloudevents import CloudEvents
from ._ecs import ECS
from ._gelf import GELF
from ._leef import LEEF
from ._ocsf import OCSF
from ._splunk import SplunkHEC


__all__ = [
    "ASIM",
    "CEF",
    "ECS",
    "GELF",
    "LEEF",
    "OCSF",
    "PROFILES",
    "CloudEvents",
    "Line",
    "Profile",
    "SplunkHEC",
    "profile_named",
]

PROFILES: dict[str, type[Profile]] = {
    kind.name: kind
    for kind in (CloudEvents, OCSF, ECS, SplunkHEC, ASIM, GELF, CEF, LEEF)
}
"""
All profiles by their names.
"""


def profile_named(name: str) -> Profile:
    """
    Return the profile called *name*, with its defaults.

    Raises:
        ConfigError: If none is called so.

    .. versionadded:: 0.1.0
    """
    if name in PROFILES:
        return PROFILES[name]()
    near = difflib.get_close_matches(str(name), PROFILES, 1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else "choose " + ", ".join(map(repr, PROFILES))
    )
    raise ConfigError([f"no profile is called {name!r}; {hint}"])

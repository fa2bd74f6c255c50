"""
What others offer, and what can be done by hand: a file each.

Each is set up as its own documentation recommends, and says how. What isn't
installed is named in the results and left out.
"""

from __future__ import annotations

import importlib

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from harness import Contender


if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from harness import Run


class Peer(Protocol):
    """
    Stores events in its own way.

    Attributes:
        name: What it is called in the results.

        settings: How it is set up.

        unfair: What its figure must not be taken for; ``""`` if it is fair.
    """

    name: str
    settings: str
    unfair: str

    def store(self, number: int, /) -> Run:
        """
        Store as many new events, and count what is there afterwards.
        """


def invite(
    stack: ExitStack,
    module: str,
    kind: str,
    number: int,
    *args: Any,
    targets: Mapping[str, float] | None = None,
) -> Contender:
    """
    A peer that stores *number* events a round; *stack* releases it.
    """
    try:
        found = getattr(importlib.import_module(f"peers.{module}"), kind)
    except ImportError as error:
        return Contender(name=f"{module}, {kind}", absent=str(error))
    peer = stack.enter_context(found(*args))
    return Contender(
        name=peer.name,
        run=partial(peer.store, number),
        settings=peer.settings,
        unfair=peer.unfair,
        targets=targets or {},
    )

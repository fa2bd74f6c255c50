"""
What one event costs: to build, to encode, to decode.
"""

from __future__ import annotations

import json

from typing import TYPE_CHECKING

from harness import per_event
from samples import make_attributes, make_event

from auditlog import codec


if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Row
    from setting import Setting


def rows(setting: Setting) -> Iterator[Row]:
    """
    Each step, and json.dumps() of a dict of the same data for a measure.
    """
    event = make_event()
    body = codec.encode(event)
    plain = make_attributes()
    steps = {
        "build an event": make_event,
        "encode it": lambda: codec.encode(event),
        "decode it": lambda: codec.decode(body),
        "json.dumps() of the same data": lambda: json.dumps(plain).encode(),
        "json.loads() of the body": lambda: json.loads(body),
    }
    for what, call in steps.items():
        yield per_event(
            what, call, rounds=setting.rounds, events=setting.events(10_000)
        )

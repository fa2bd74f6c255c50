"""
What one event costs: to build, to encode, to decode.
"""

from __future__ import annotations

import json

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from harness import Contender, Measure, compare, per_event
from samples import make_attributes, make_event

from auditlog import codec


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Row
    from setting import Setting


PRICE = Measure(
    name="",
    unit="µs CPU",
    of=lambda run: run.seconds / run.events * 1e6,
    less=True,
)


def rows(setting: Setting) -> Iterator[Row]:
    """
    Each step, beside the same for a dict of the same data.
    """
    number = setting.events(5_000)
    plain = make_attributes()
    event = make_event()
    body = codec.encode(event)

    def contender(
        name: str, call: Callable[[], object], settings: str = ""
    ) -> Contender:
        return Contender(
            name=name, run=partial(per_event, call, number), settings=settings
        )

    contests = {
        "build an event": [
            contender("auditlog", make_event, "checked and frozen, all new"),
            contender("a dict", make_attributes, "flat, and nothing checked"),
        ],
        "encode an event": [
            contender("auditlog", lambda: codec.encode(event)),
            contender("json.dumps()", lambda: json.dumps(plain).encode()),
            contender("msgspec", lambda: msgspec.json.encode(plain)),
        ],
        "decode an event": [
            contender("auditlog", lambda: codec.decode(body), "to AuditEvent"),
            contender("json.loads()", lambda: json.loads(body), "to dicts"),
            contender(
                "msgspec", lambda: msgspec.json.decode(body), "to dicts"
            ),
        ],
    }
    for name, contenders in contests.items():
        yield from compare(
            name, *contenders, rounds=setting.rounds, measures=(PRICE,)
        )

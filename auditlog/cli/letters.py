"""
What a relay could not deliver, and another try at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from auditlog import wiring
from auditlog.abc import DeadLetterOffice
from auditlog.errors import ConfigError, DecodingError
from auditlog.redrive import Redriven, redrive


if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from auditlog.abc import DeadLetter, Sink
    from auditlog.config import AuditLogConfig


@attrs.frozen(kw_only=True)
class LetterRow:
    """
    One dead letter, without its content.

    Attributes:
        index: Its place in the journal.

        event_type: What was done, if the body can still be read.

        at: When it was tried last, in ISO 8601, UTC.
    """

    relay: str
    index: int | None
    event_id: str
    event_type: str | None
    attempts: int
    at: str | None
    reason: str


def letters(config: AuditLogConfig) -> list[LetterRow]:
    """
    All dead letters of the configured relays.

    Raises:
        ConfigError: If there are no relays.

        SinkError: If the database can't be used.
    """
    journal, relays = _relays(config)
    return [
        _row(name, each) for name in relays for each in _all(journal, name)
    ]


def retry(config: AuditLogConfig, indexes: Collection[int]) -> Redriven:
    """
    Send them again; all of them without *indexes*.

    Raises:
        ConfigError: If there are no relays, or no letter of an index.

        SinkError: If the database or the topic can't be used.
    """
    journal, relays = _relays(config)
    known = {
        each.record.index for name in relays for each in _all(journal, name)
    }
    unknown = sorted(set(indexes) - known)
    if unknown:
        raise ConfigError(
            [f"no dead letter has the index {n}" for n in unknown]
        )
    found = [
        redrive(journal, sink, relay=name, indexes=indexes or None)
        for name, sink in relays.items()
    ]
    return Redriven(
        sum(each.delivered for each in found),
        sum(each.refused for each in found),
    )


def _relays(
    config: AuditLogConfig,
) -> tuple[DeadLetterOffice, dict[str, Sink]]:
    wires = wiring.wire(config, sinks={}, clusters=None)
    journal = wires.sink
    if not wires.relays:
        raise ConfigError(
            ["nothing is relayed, so there are no dead letters; see relay run"]
        )
    if not isinstance(journal, DeadLetterOffice):
        kept = type(journal).__name__
        raise ConfigError([f"{kept} keeps them, and gives none out again yet"])
    return journal, wires.relays


def _all(journal: DeadLetterOffice, relay: str) -> Iterator[DeadLetter]:
    after = 0
    while page := journal.dead_letters(relay, after=after):
        yield from page
        after = page[-1].record.index or 0


def _row(relay: str, letter: DeadLetter) -> LetterRow:
    record = letter.record
    try:
        event_type = record.event.event_type
    except DecodingError:
        event_type = None
    return LetterRow(
        relay=relay,
        index=record.index,
        event_id=str(record.event_id),
        event_type=event_type,
        attempts=letter.attempts,
        at=letter.at.isoformat(timespec="seconds") if letter.at else None,
        reason=letter.reason,
    )

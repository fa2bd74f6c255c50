"""
What a relay could not deliver, and another try at it.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from auditlog import wiring
from auditlog.abc import DeadLetterOffice
from auditlog.errors import ConfigError, DecodingError
from auditlog.fallback import RELAY
from auditlog.redrive import Redriven, redrive
from auditlog.spool import SpoolSink
from auditlog.spool.held import holding
from auditlog.spool.view import look


if TYPE_CHECKING:
    from collections.abc import (
        Collection,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from auditlog.abc import DeadLetter, Sink
    from auditlog.config import AuditLogConfig
    from auditlog.spool.view import View


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

        SinkError: If the database or the spool can't be used.
    """
    return [
        _row(name, each)
        for journal, relays in _journals(config)
        for office in _seen(journal, config)
        for name in relays
        for each in _all(office, name)
    ]


def retry(config: AuditLogConfig, indexes: Collection[int]) -> Redriven:
    """
    Send them again; all of them without *indexes*.

    Raises:
        ConfigError: If there are no relays, or no letter of an index.

        SinkError:
            If the database, the spool or the topic can't be used; a spool
            not while another process has a folder with dead letters.
    """
    with ExitStack() as stack:
        ways = [
            (office, name, sink)
            for journal, relays in _journals(config)
            for office in stack.enter_context(_held(journal, relays, config))
            for name, sink in relays.items()
        ]
        _check(indexes, ways)
        found = [
            redrive(office, sink, relay=name, indexes=indexes or None)
            for office, name, sink in ways
        ]
    return Redriven(
        sum(each.delivered for each in found),
        sum(each.refused for each in found),
    )


def _check(
    indexes: Collection[int],
    ways: Iterable[tuple[DeadLetterOffice, str, Sink]],
) -> None:
    known = {
        each.record.index
        for office, name, _ in ways
        for each in _all(office, name)
    }
    unknown = sorted(set(indexes) - known)
    if unknown:
        raise ConfigError(
            [f"no dead letter has the index {n}" for n in unknown]
        )


def _journals(
    config: AuditLogConfig,
) -> list[tuple[Sink, Mapping[str, Sink]]]:
    """
    What keeps dead letters, and the relays that read it, with their sinks.
    """
    wires = wiring.wire(config, sinks={}, clusters=None)
    found: list[tuple[Sink, Mapping[str, Sink]]] = []
    if wires.relays:
        found.append((wires.sink, wires.relays))
    if wires.fallback is not None:
        found.append((wires.fallback, {RELAY: wires.sink}))
    if not found:
        raise ConfigError(
            ["nothing is relayed, so there are no dead letters; see relay run"]
        )
    return found


def _seen(
    journal: Sink, config: AuditLogConfig
) -> Sequence[DeadLetterOffice | View]:
    """
    Where letters are, to look at them; a spool may be in use meanwhile.
    """
    if not isinstance(journal, SpoolSink):
        return [_office(journal)]
    views = look(_folder(config))
    for each in views:
        each.check_version()
    return views


@contextmanager
def _held(
    journal: Sink, relays: Mapping[str, Sink], config: AuditLogConfig
) -> Iterator[Sequence[DeadLetterOffice]]:
    """
    Where letters are, to send them; of a spool that is all its folders.
    """
    if not isinstance(journal, SpoolSink):
        yield [_office(journal)]
        return
    with holding(_folder(config), relays) as offices:
        yield offices


def _folder(config: AuditLogConfig) -> Path:
    assert config.spool is not None
    return Path(config.spool.path)


def _office(journal: Sink) -> DeadLetterOffice:
    if isinstance(journal, DeadLetterOffice):
        return journal
    kept = type(journal).__name__
    raise ConfigError([f"{kept} keeps them, and gives none out again yet"])


def _all(journal: DeadLetterOffice | View, relay: str) -> Iterator[DeadLetter]:
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

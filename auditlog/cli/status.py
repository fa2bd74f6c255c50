"""
How the configured journal stands, and whether anybody has to look after it.
"""

from __future__ import annotations

import json

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from auditlog import wiring
from auditlog.abc import ReportingJournal
from auditlog.errors import ConfigError, SinkError
from auditlog.fallback import RELAY
from auditlog.findings import Finding
from auditlog.spool import SpoolSink
from auditlog.spool.status import look


if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from auditlog.config import AuditLogConfig
    from auditlog.findings import State
    from auditlog.status import HeldBack, JournalStatus, RelayStatus


# Seconds for which a transaction may hold back the order.
HELD_BACK = 30.0
# Per cent of a spool, at which it warns, too.
HALF, FULL = 50, 80

_NO_JOURNAL = (
    "there is no journal to look at: events go to the topic at once; see "
    "auditlog doctor"
)
_SEE_DOCTOR = "see what auditlog doctor says"


@attrs.frozen
class Seen:
    """
    What a look has brought.

    Attributes:
        journals: One for a database, and one for each folder of a spool.

        findings: What there is to say about them.
    """

    journals: list[JournalStatus]
    findings: list[Finding]


def see(config: AuditLogConfig, max_lag: float) -> Seen:
    """
    Look at the journal; changes nothing.

    Args:
        max_lag: Longest that an event may be undelivered, in seconds.

    Raises:
        ConfigError: If nothing, or no journal, is configured.
    """
    if config.database is not None:
        # A look makes no tables.
        database = attrs.evolve(config.database, create_schema=False)
        config = attrs.evolve(config, database=database)
    wires = wiring.wire(config, sinks={}, clusters=None)
    try:
        journals = _journals(config, wires)
    except SinkError as exc:
        return Seen([], [Finding.of_error("journal", exc, _SEE_DOCTOR)])
    if not journals:
        return Seen([], [_nothing_yet(config)])
    judge = Judge([*wires.relays, RELAY], max_lag)
    return Seen(journals, [one for each in journals for one in judge(each)])


def _journals(
    config: AuditLogConfig, wires: wiring.Wires
) -> list[JournalStatus]:
    found: list[JournalStatus] = []
    if isinstance(wires.sink, SpoolSink):
        return _spool(config, [*wires.relays])
    if isinstance(wires.sink, ReportingJournal):
        found.append(wires.sink.status(relays=[*wires.relays]))
    if wires.fallback is not None:
        found += _spool(config, [RELAY])
    elif not found:
        raise ConfigError([_NO_JOURNAL])
    return found


def _spool(config: AuditLogConfig, relays: list[str]) -> list[JournalStatus]:
    """
    Its folders, which belong to the processes that write: only look.
    """
    assert config.spool is not None
    path, most = Path(config.spool.path), config.spool.max_bytes
    return look(path, relays=relays, max_bytes=most)


def _nothing_yet(config: AuditLogConfig) -> Finding:
    assert config.spool is not None
    detail = f"there is no spool in {str(config.spool.path)!r}"
    way_out = "publish an event, or correct spool.path (AUDITLOG_SPOOL_PATH)"
    return Finding("journal", "warning", detail, way_out)


def as_json(seen: Seen) -> str:
    """
    An object with ``journals`` and ``findings``.
    """
    return json.dumps(attrs.asdict(seen), indent=2)


class Judge:
    """
    Finds what needs attention in a journal.

    Args:
        relays:
            Names of the relays that there should be. Others may be left from
            an older configuration, so that they are only warned of.

        max_lag: Longest that an event may be undelivered, in seconds.
    """

    def __init__(self, relays: Collection[str], max_lag: float) -> None:
        self._relays = relays
        self._max_lag = max_lag

    def __call__(self, journal: JournalStatus) -> Iterator[Finding]:
        """
        All that there is to say of *journal*.
        """
        yield _size(journal)
        yield _order(journal)
        if journal.stored_bytes is not None:
            yield _space(journal, journal.stored_bytes)
            yield _damage(journal)
        for relay in journal.relays:
            yield self._progress(journal, relay)
            yield self._dead_letters(relay)

    def _progress(self, journal: JournalStatus, relay: RelayStatus) -> Finding:
        detail, age = f"relay {relay.relay!r}", relay.oldest_age or 0.0
        if not relay.behind:
            detail += f" has delivered all, up to {relay.position}"
            return Finding("relay.progress", "ok", detail)
        detail += (
            f" is at {relay.position}, {relay.behind} behind, "
            f"the oldest for {age:.0f} s"
        )
        if age <= self._max_lag:
            return Finding("relay.progress", "ok", detail)
        if journal.stored_bytes is None and relay.expires_in is None:
            detail += "; nobody runs it"
        way_out = "look into the log of who runs it, and at auditlog doctor"
        return self._trouble("relay.progress", relay, detail, way_out)

    def _dead_letters(self, relay: RelayStatus) -> Finding:
        check, count = "relay.dead_letters", relay.dead_letters
        if not count:
            return Finding(check, "ok", f"relay {relay.relay!r} has none")
        detail = f"relay {relay.relay!r} has {count} undelivered"
        way_out = "auditlog dead-letters list says why, and retry sends them"
        return self._trouble(check, relay, detail, way_out)

    def _trouble(
        self, check: str, relay: RelayStatus, detail: str, way_out: str
    ) -> Finding:
        if relay.relay in self._relays:
            return Finding(check, "failed", detail, way_out)
        way_out = "look with the configuration that it belongs to"
        return Finding(
            check, "warning", f"{detail}; it isn't configured here", way_out
        )


def _size(journal: JournalStatus) -> Finding:
    waiting = f", {journal.waiting} behind it" if journal.waiting else ""
    detail = f"{journal.where}: {journal.size} events in the order{waiting}"
    return Finding("journal", "ok", detail)


def _order(journal: JournalStatus) -> Finding:
    check, held = "journal.order", journal.held_back
    if held is None:
        return Finding(check, "ok", "nothing holds it back")
    age = _age(journal, held)
    for_long = "" if age is None else f" for {age:.0f} s"
    detail = f"held back{for_long} by {held.who}, which wrote an event"
    if age is None or age < HELD_BACK:
        return Finding(check, "ok", detail)
    return Finding(check, "failed", detail, held.way_out)


def _age(journal: JournalStatus, held: HeldBack) -> float | None:
    """
    How long it is open; or, where that may not be seen, how long others have
    waited for it, if somebody would have given them an index.
    """
    relayed = any(each.expires_in is not None for each in journal.relays)
    if held.age is None and relayed:
        return journal.waiting_age
    return held.age


def _space(journal: JournalStatus, used: int) -> Finding:
    check, most = "journal.space", journal.max_bytes
    if not most:
        return Finding(check, "ok", f"{used} bytes are taken")
    percent = used * 100 // most
    detail = f"{percent} % full ({used} of {most} bytes)"
    if percent < HALF:
        return Finding(check, "ok", detail)
    way_out = "see why relays don't deliver, or raise spool.max_bytes"
    state: State = "failed" if percent >= FULL else "warning"
    return Finding(check, state, detail, way_out)


def _damage(journal: JournalStatus) -> Finding:
    check = "journal.damage"
    if not journal.lost:
        return Finding(check, "ok", "the disk has damaged nothing")
    detail = f"up to {journal.lost} events were damaged on the disk"
    way_out = f"look at the disk, and into {journal.where}/quarantine"
    return Finding(check, "failed", detail, way_out)

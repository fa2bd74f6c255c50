"""
The relays of one spool: who ships, how far each has come, what is dead.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from auditlog.errors import LeaseLostError, SinkUnavailableError

from . import quarantine
from .files import sync_folder, told
from .letters import INHERITED, Entry, Letters, Note, entry_of
from .positions import Positions


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from auditlog.abc import DeadLetter

    from .letters import Kept


log = logging.getLogger("auditlog.spool")


@attrs.define
class Holder:
    """
    Who has the lease of one relay, in this process: no other has the folder.
    """

    epoch: int = 0
    expires_at: float = 0.0


class Deliveries:
    """
    Positions, dead letters and leases.

    Attributes:
        closed: Whether all leases are void.

        has_local_index: True: the index counts in one folder only.
    """

    has_local_index = True

    def __init__(self, folder: Path) -> None:
        self.closed = False
        self.after_advance: Callable[[], None] = lambda: None
        self._folder = folder
        self._lock = threading.Lock()
        self._positions = Positions(folder)
        self._letters = Letters(folder)
        self._holders: dict[str, Holder] = {}
        self._learn()
        self._mend()

    # Positions

    def position(self, relay: str) -> int:
        """
        How far *relay* has come; 0 if it never ran.
        """
        return self._positions.state.relays.get(relay, 0)

    def passed(self) -> int:
        """
        How far all relays have come; 0 if there is none.
        """
        return min(self._positions.state.relays.values(), default=0)

    def reached(self) -> int:
        """
        How far any relay has come.
        """
        return max(self._positions.state.relays.values(), default=0)

    def positions(self) -> dict[str, int]:
        """
        How far each relay has come that has ever run here.
        """
        return dict(self._positions.state.relays)

    def expires_in(self, relay: str) -> float | None:
        """
        Seconds until the lease may be taken; None if nobody has it.
        """
        holder = self._holders.get(relay)
        left = 0.0 if holder is None else holder.expires_at - time.monotonic()
        return left if left > 0 and not self.closed else None

    def last(self) -> str:
        """
        Who is behind, as a part of a sentence.
        """
        relays = self._positions.state.relays
        if not relays:
            return "nothing is deleted, because no relay reads it"
        slowest = min(relays, key=relays.__getitem__)
        return (
            f"relay {slowest!r} is at {relays[slowest]}; what all relays "
            "have delivered is deleted"
        )

    def forget(self, relay: str) -> None:
        """
        Wait for *relay* no longer.
        """
        with self._lock:
            state = self._positions.state
            left = {k: v for k, v in state.relays.items() if k != relay}
            self._holder(relay).epoch += 1
            self._store(left)

    @property
    def trimmed(self) -> int | None:
        """
        Up to which index events were deleted as nobody needed them.
        """
        return self._positions.state.trimmed

    def trimming(self, index: int) -> None:
        """
        Events up to *index* are about to be deleted.
        """
        with self._lock:
            if self.closed:
                raise SinkUnavailableError(
                    f"spool {str(self._folder)!r} was closed meanwhile; the "
                    "next call opens it again"
                )
            self._store(trimmed=index)

    # Dead letters

    def letters(self) -> list[tuple[str, DeadLetter]]:
        """
        All that are undelivered, with their relays.
        """
        with self._lock:
            kept = self._learn().all()
            found = self._read(kept)
        return [
            (each.note.relay, letter)
            for each, letter in zip(kept, found, strict=True)
            if letter
        ]

    def dead_letters(
        self, relay: str, /, *, after: int = 0, limit: int = 1000
    ) -> list[DeadLetter]:
        """
        Those of *relay* that are undelivered, by their indexes.
        """
        with self._lock:
            kept = self._learn().of(relay)
            wanted = [each for each in kept if each.note.index > after]
            found = self._read(wanted[:limit])
        return [letter for letter in found if letter]

    def redriven(self, relay: str, index: int, /) -> None:
        """
        The dead letter of that *index* was delivered after all.
        """
        self._say(relay, index, kind="redriven")

    def refused_again(self, relay: str, index: int, reason: str, /) -> None:
        """
        Another attempt at the dead letter of that *index* failed.
        """
        self._say(relay, index, kind="refused", reason=reason)

    def inherit(self, letters: Sequence[tuple[str, DeadLetter]]) -> None:
        """
        Keep dead letters of another spool too, under numbers of our own.

        One that is there was inherited before, and is not told again.
        """
        with self._lock:
            number = self._learn().highest(INHERITED)
            entries = []
            for relay, letter in letters:
                entry = entry_of(relay, letter)
                if not self._letters.has(relay, entry.event_id):
                    number += 1
                    note = msgspec.structs.replace(entry.note, index=number)
                    entries.append(attrs.evolve(entry, note=note))
            self._keep(entries)

    def _say(self, relay: str, index: int, **what: Any) -> None:
        """
        Add to what is known of a letter, if there is one of that index.
        """
        with told("keep a dead letter in", self._folder), self._lock:
            for each in self._learn().of(relay):
                if each.note.index == index:
                    note = Note(relay=relay, **what)
                    self._keep([Entry(event_id=each.event_id, note=note)])
                    break
            self._tidy()

    def _keep(
        self, entries: Sequence[Entry], relays: dict[str, int] | None = None
    ) -> None:
        """
        Write what is said of letters, and with it the positions.
        """
        size = self._learn().add(self._positions.state.letters, entries)
        if entries:
            sync_folder(self._folder)
        self._store(relays, letters=size)

    def _learn(self) -> Letters:
        """
        The letters, as far as they count.
        """
        self._letters.learn(self._positions.state.letters)
        return self._letters

    def _read(self, wanted: Sequence[Kept]) -> list[DeadLetter | None]:
        found = [self._letters.read(each) for each in wanted]
        if None in found:  # one was damaged meanwhile
            self._letters.look_again()
            self._mend()
        return found

    def _mend(self) -> None:
        """
        Set aside what is damaged, and write the rest again.
        """
        for bad in self._letters.bad:
            quarantine.keep(self._folder / bad.name, 0, bad.data, bad.lost)
            log.error(
                "spool: %s bytes of %s are damaged, up to %s dead letters "
                "are lost; the bytes are kept in %s",
                len(bad.data),
                self._letters.path,
                bad.lost,
                quarantine.folder_of(self._folder),
            )
        if self._letters.bad:
            self._tidy()
            self._letters.bad.clear()

    def _tidy(self) -> None:
        """
        Drop what was delivered, if it is much; on a full disk it is not.
        """
        with contextlib.suppress(OSError):
            size = self._learn().tidied(self._positions.state.letters)
            if size is not None:
                self._store(letters=size)

    # Leases

    def lease(self, relay: str, ttl: float) -> SpoolLease | None:
        """
        Acquire the lease of *relay*, or None while another holder has it.
        """
        with self._lock:
            holder = self._holder(relay)
            if time.monotonic() < holder.expires_at:
                return None
            state = self._positions.state
            if relay not in state.relays:  # from now on it is waited for
                self._store({**state.relays, relay: 0})
            holder.epoch += 1
            holder.expires_at = time.monotonic() + ttl
            return SpoolLease(self, relay, holder.epoch, ttl)

    def renew(self, relay: str, epoch: int, ttl: float) -> None:
        """
        Keep the lease.
        """
        with self._lock:
            self._check(relay, epoch).expires_at = time.monotonic() + ttl

    def advance(
        self,
        relay: str,
        epoch: int,
        position: int,
        letters: Sequence[DeadLetter],
    ) -> None:
        """
        Move the position and keep *letters*, or neither.
        """
        with told("keep a position in", self._folder), self._lock:
            self._check(relay, epoch)
            relays = {**self._positions.state.relays, relay: position}
            self._keep([entry_of(relay, each) for each in letters], relays)

    def release(self, relay: str, epoch: int) -> None:
        """
        Give the lease up, unless it was lost.
        """
        with self._lock:
            holder = self._holder(relay)
            if holder.epoch == epoch:
                holder.expires_at = 0.0

    def stop(self, timeout: float) -> bool:
        """
        Void all leases, once what is under way has ended; whether it has.
        """
        if not self._lock.acquire(timeout=timeout):
            return False
        self.closed = True
        self._lock.release()
        return True

    def after_fork(self) -> None:
        """
        The leases are the parent's.
        """
        self._lock = threading.Lock()
        self.closed = True

    def _store(
        self, relays: dict[str, int] | None = None, **changes: int
    ) -> None:
        if self.closed:
            raise LeaseLostError("the spool was closed; ask it again")
        state = self._positions.state
        self._positions.store(
            msgspec.structs.replace(
                state,
                relays=state.relays if relays is None else relays,
                **changes,
            )
        )

    def _holder(self, relay: str) -> Holder:
        return self._holders.setdefault(relay, Holder())

    def _check(self, relay: str, epoch: int) -> Holder:
        holder = self._holder(relay)
        if self.closed or holder.epoch != epoch:
            raise LeaseLostError(
                f"another holder has the lease of relay {relay!r}, or the "
                "spool was closed"
            )
        return holder


class SpoolLease:
    """
    The lease of one relay on a :class:`SpoolSink`.

    Attributes:
        position: Index of the last event that the relay has delivered.

        ttl: Seconds after which a lease that isn't renewed may be taken.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self, deliveries: Deliveries, relay: str, epoch: int, ttl: float
    ) -> None:
        self.position = deliveries.position(relay)
        self.ttl = ttl
        self._deliveries = deliveries
        self._relay = relay
        self._epoch = epoch

    def advance(
        self, position: int, dead_letters: Sequence[DeadLetter] = (), /
    ) -> None:
        """
        Record that everything up to *position* is delivered, and renew.

        *dead_letters* are kept in the same step, or neither happens.

        Raises:
            LeaseLostError: If another holder has the lease now.

            SinkError: If the disk doesn't keep it.
        """
        self._deliveries.advance(
            self._relay, self._epoch, position, dead_letters
        )
        self.position = position
        self.renew()
        # The position is kept: what can't be deleted now is deleted later.
        with contextlib.suppress(OSError):
            self._deliveries.after_advance()

    def renew(self) -> None:
        """
        Keep the lease for another *ttl* seconds; callable from any thread.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """
        self._deliveries.renew(self._relay, self._epoch, self.ttl)

    def release(self) -> None:
        """
        Give the lease up.
        """
        self._deliveries.release(self._relay, self._epoch)

    def __repr__(self) -> str:
        return f"<SpoolLease {self._relay!r} position={self.position}>"

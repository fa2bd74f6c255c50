"""
The relays of one spool: who ships, how far each has come, what is dead.
"""

from __future__ import annotations

import contextlib
import threading
import time

from typing import TYPE_CHECKING

import attrs
import msgspec

from auditlog.errors import LeaseLostError

from .files import sync_folder, told
from .letters import Letters
from .positions import Positions


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from auditlog.abc import DeadLetter


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
    """

    def __init__(self, folder: Path) -> None:
        self.closed = False
        self.after_advance: Callable[[], None] = lambda: None
        self._folder = folder
        self._lock = threading.Lock()
        self._positions = Positions(folder)
        self._letters = Letters(folder)
        self._holders: dict[str, Holder] = {}

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
            self._store(left, state.letters)

    # Dead letters

    def letters(self) -> list[tuple[str, DeadLetter]]:
        """
        All dead letters with their relays.
        """
        return [*self._letters.read(self._positions.state.letters)]

    def inherit(self, letters: Sequence[tuple[str, DeadLetter]]) -> None:
        """
        Keep dead letters of another spool too, each once.

        Who did so before may have died before it removed them there.
        """
        with self._lock:
            state = self._positions.state
            size = state.letters
            kept = {*self._letters.read(size)} if letters else set()
            for relay, letter in letters:
                if (relay, letter) not in kept:
                    size = self._letters.add(size, relay, [letter])
            if size != state.letters:
                sync_folder(self._folder)
                self._store(state.relays, size)

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
                self._store({**state.relays, relay: 0}, state.letters)
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
            state = self._positions.state
            size = self._letters.add(state.letters, relay, letters)
            if letters:
                sync_folder(self._folder)
            self._store({**state.relays, relay: position}, size)

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

    def _store(self, relays: dict[str, int], letters: int) -> None:
        if self.closed:
            raise LeaseLostError("the spool was closed; ask it again")
        state = self._positions.state
        self._positions.store(
            msgspec.structs.replace(state, relays=relays, letters=letters)
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

"""
The right to run one relay, kept in a row of the database.
"""

from __future__ import annotations

import os
import socket

from typing import TYPE_CHECKING

from auditlog.errors import LeaseLostError


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from auditlog.abc import DeadLetter

    from .connections import Connection

    Lend = Callable[[str], AbstractContextManager[Connection]]


class PostgresLease:
    """
    The lease of one relay on a :class:`PostgresSink`.

    Each acquisition has an epoch of its own, so that what a former holder
    does, however late, finds no row. All times are the server's.

    Attributes:
        position: Index of the last event that the relay has delivered.

        ttl: Seconds after which a lease that isn't renewed may be taken.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        lend: Lend,
        statements: Mapping[str, str],
        *,
        relay: str,
        epoch: int,
        position: int,
        ttl: float,
    ) -> None:
        self.position = position
        self.ttl = ttl
        self._lend = lend
        self._sql = statements
        self._relay = relay
        self._epoch = epoch

    def advance(
        self, position: int, dead_letters: Sequence[DeadLetter] = (), /
    ) -> None:
        """
        Record that everything up to *position* is delivered, and renew.

        *dead_letters* are kept in the same transaction.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """
        records = [letter.record for letter in dead_letters]
        self._change(
            "advance",
            position=position,
            idx=[record.index for record in records],
            event_id=[record.event_id for record in records],
            reason=[letter.reason for letter in dead_letters],
            attempts=[letter.attempts for letter in dead_letters],
            body=[record.body for record in records],
        )
        self.position = position

    def renew(self) -> None:
        """
        Keep the lease for another *ttl* seconds; callable from any thread.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """
        self._change("renew")

    def release(self) -> None:
        """
        Give the lease up; does nothing if it was lost.
        """
        with self._lend(f"release the lease of relay {self._relay!r}") as conn:
            conn.send(
                self._sql["release"], relay=self._relay, epoch=self._epoch
            )

    def _change(self, what: str, **values: object) -> None:
        with self._lend(f"{what} the lease of relay {self._relay!r}") as conn:
            found = conn.ask(
                self._sql[what],
                relay=self._relay,
                epoch=self._epoch,
                ttl=self.ttl,
                lock_timeout="1s",
                **values,
            )
        if not found:
            raise LeaseLostError(
                f"another holder has the lease of relay {self._relay!r}"
            )

    def __repr__(self) -> str:
        return (
            f"<PostgresLease {self._relay!r} epoch={self._epoch} "
            f"position={self.position}>"
        )


def acquire(
    lend: Lend, statements: Mapping[str, str], *, relay: str, ttl: float
) -> PostgresLease | None:
    """
    Acquire the lease of *relay*, or None while another holder has it.
    """
    with lend(f"acquire the lease of relay {relay!r}") as conn:
        found = conn.ask(
            statements["acquire"],
            relay=relay,
            holder=f"{socket.gethostname()}/{os.getpid()}",
            ttl=ttl,
            lock_timeout="1s",
        )
    if not found:
        return None

    ((epoch, position),) = found
    return PostgresLease(
        lend,
        statements,
        relay=relay,
        epoch=epoch,
        position=position,
        ttl=ttl,
    )

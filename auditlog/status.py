"""
What a journal holds, what still has to be delivered, and what is in the way.
"""

from __future__ import annotations

from datetime import UTC, datetime

import attrs


@attrs.frozen(kw_only=True)
class HeldBack:
    """
    The oldest open transaction that wrote an audit event.

    Until it ends, no event that was stored after its own gets an index, and
    no relay delivers one.

    Attributes:
        age:
            Seconds since it began; None if the role may not see that of
            another role's.

        pid: Its backend; None for a prepared transaction.

        application_name:
            What its client calls itself; None as for *age*, or if it says
            nothing.

        prepared: Name of a prepared transaction.

    .. versionadded:: 0.1.0
    """

    age: float | None
    pid: int | None = None
    application_name: str | None = None
    prepared: str | None = None

    @property
    def who(self) -> str:
        """
        It in a few words, such as ``backend 4711 of 'web'``.
        """
        if self.prepared is not None:
            return f"prepared transaction {self.prepared}"
        if self.pid is None:
            return "a transaction that is gone by now"
        name = self.application_name
        return f"backend {self.pid}{f' of {name!r}' if name else ''}"

    @property
    def way_out(self) -> str:
        """
        What to do about it.
        """
        end = "commit it or roll it back"
        if self.prepared is not None:
            name = self.prepared.replace("'", "''")
            return f"{end}: ROLLBACK PREPARED '{name}'"
        if self.pid is None:
            return end
        return f"{end}, or SELECT pg_terminate_backend({self.pid})"


@attrs.frozen(kw_only=True)
class RelayStatus:
    """
    How far one relay has come, as the journal knows it.

    Attributes:
        relay: Its name.

        position: Index of the last event that it has delivered.

        behind:
            Stored events that it has not passed, with an index or without.

        oldest_age: Seconds since the oldest of them was stored, or None.

        dead_letters: Those that nobody has delivered since.

        holder: Who has the lease, if the journal knows; for people.

        expires_in:
            Seconds until the lease may be taken by another; None if nobody
            has it.

    .. versionadded:: 0.1.0
    """

    relay: str
    position: int
    behind: int
    oldest_age: float | None = None
    dead_letters: int = 0
    holder: str | None = None
    expires_in: float | None = None


@attrs.frozen(kw_only=True)
class JournalStatus:
    """
    What a journal holds at one moment.

    All values have a JSON form, by ``attrs.asdict()``.

    Attributes:
        where: Which database or folder.

        size: The highest index that is given.

        waiting:
            Events that are stored and have no index yet: nobody has read
            since, or a transaction holds them back.

        waiting_age: Seconds since the oldest of them was stored, or None.

        oldest_age:
            Seconds since the oldest event was stored that some relay has not
            passed; None if there is none, or no relay.

        relays: All relays that the journal knows or that were asked for.

        held_back: The transaction that holds back the order, if there is one.

        stored_bytes: What a spool takes of *max_bytes*; None elsewhere.

        max_bytes: The limit of a spool, if it is known.

        lost: Up to how many events a disk has damaged.

        process:
            Id of the process that said last that a spool's folder is its;
            None elsewhere.

    .. versionadded:: 0.1.0
    """

    where: str
    size: int
    waiting: int = 0
    waiting_age: float | None = None
    oldest_age: float | None = None
    relays: tuple[RelayStatus, ...] = ()
    held_back: HeldBack | None = None
    stored_bytes: int | None = None
    max_bytes: int | None = None
    lost: int = 0
    process: int | None = None


def seconds_since(moment: datetime) -> float:
    """
    By this machine's clock; 0 for what is said to come.
    """
    return max((datetime.now(UTC) - moment).total_seconds(), 0.0)


def oldest(relays: tuple[RelayStatus, ...]) -> float | None:
    """
    The age of the oldest event that one of *relays* has not passed.
    """
    ages = [each.oldest_age for each in relays if each.oldest_age is not None]
    return max(ages, default=None)

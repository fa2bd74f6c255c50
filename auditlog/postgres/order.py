"""
Gives stored events their place in the one gapless order.
"""

from __future__ import annotations

import time

from typing import TYPE_CHECKING, NamedTuple

import attrs

from auditlog.errors import JournalError, SinkTimeoutError

from .status import holders


if TYPE_CHECKING:
    import logging

    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from auditlog.status import HeldBack

    from .connections import Connection


# Most events that get their place in one transaction.
_LIMIT = 10_000
# Most marks that are kept; when full, no new one is set until one is passed.
_MARKS = 64
# Seconds between two looks of somebody who waits.
_PAUSE = 0.01
# Seconds for which the order is held back until it is asked by whom, and
# between two such questions: a transaction may be old when it is seen first.
_ASK_AFTER = 1.0
_ASK_EVERY = 5.0

_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL synchronous_commit = on;
SET LOCAL lock_timeout = '1s'
"""


class State(NamedTuple):
    """
    How far numbers are drawn and the order has come.

    Attributes:
        drawn: The last *seq* that any transaction, open or not, has drawn.

        last_seq: Up to here, every event is in the order.

        size: The number of events in the order.

        server: When the server was started, to tell one from another.
    """

    drawn: int
    last_seq: int
    size: int
    server: datetime


@attrs.define
class Mark:
    """
    What was known at one moment.

    Attributes:
        drawn: Numbers up to here were drawn.

        writers:
            The transactions, of those that had written an event and were
            open then, that still are. Once there is none, no event up to
            *drawn* can come any more.

        server: Of which server this is true.

        at: When it was; seconds of a monotonic clock.
    """

    drawn: int
    writers: set[str]
    server: datetime
    at: float


class Order:
    """
    Assigns indexes; whoever reads does it first, one at a time.

    See ``docs/explanation/order.md`` for why it is right.

    Args:
        statements: The SQL.

        schema: Name of the schema.

        logger: Where it is told that a transaction holds the order back.

        warn_after:
            Age of the transaction from which on, in seconds, and seconds
            between two warnings.
    """

    def __init__(
        self,
        statements: Mapping[str, str],
        *,
        schema: str,
        logger: logging.Logger,
        warn_after: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sql = statements
        self._schema = schema
        self._logger = logger
        self._warn_after = warn_after
        self._clock = clock
        self._since: float | None = None
        self._asked = self._warned = -float("inf")

    @property
    def held_back(self) -> float:
        """
        Seconds for which an open transaction has held the order back.
        """
        return 0.0 if self._since is None else self._clock() - self._since

    def advance(self, connection: Connection) -> State:
        """
        Give a place to all events that can have one now.

        Raises:
            JournalError: If the sequence was restored without the table.
        """
        state = self._state(connection)
        if state.drawn == state.last_seq:
            connection.marks.clear()
            self._since = None
            return state

        safe = self._safe(connection, state)
        self._watch(connection)
        return self._number(connection, state, safe)

    def wait(self, connection: Connection, timeout: float) -> int:
        """
        Wait until all that is stored now has a place; the order's size.

        Raises:
            SinkTimeoutError: If some has none after *timeout* seconds.
        """
        deadline = self._clock() + timeout
        target = self._state(connection).drawn
        while (state := self.advance(connection)).last_seq < target:
            if self._clock() >= deadline:
                raise SinkTimeoutError(
                    f"the order of events is held back after {timeout:g} s "
                    "by an open transaction that wrote one; commit it or "
                    "roll it back"
                )
            time.sleep(_PAUSE)
        return state.size

    def size(self, connection: Connection) -> int:
        """
        The number of events in the order.
        """
        return self._state(connection).size

    def _state(self, connection: Connection) -> State:
        (row,) = connection.ask(self._sql["state"])
        state = State(*row)
        if state.drawn < state.last_seq:
            raise self._restored(state)
        return state

    def _restored(self, state: State) -> JournalError:
        # Events without a place yet have higher numbers than the order.
        table = f"{self._schema}.event"
        way_out = (
            f"SELECT setval('{table}_seq', "  # noqa: S608 - shown, never run
            f"greatest(max(seq), {state.last_seq})) FROM {table}"
        )
        return JournalError(
            f"sequence {table}_seq stands at {state.drawn}, but events up to "
            f"{state.last_seq} are in the order: it was restored without its "
            f"table; {way_out}"
        )

    def _safe(self, connection: Connection, state: State) -> int:
        return settled(
            connection, self._sql, state.drawn, state.server, self._clock
        )

    def _number(
        self, connection: Connection, state: State, safe: int
    ) -> State:
        if safe <= state.last_seq:
            return state

        connection.run(_BEGIN)
        tree = connection.ask(self._sql["lock_tree"])
        if not tree or safe <= tree[0][1]:  # another process is at it
            connection.run("ROLLBACK")
            return state
        ((size, last_seq),) = tree
        ((size, last_seq),) = connection.ask(
            self._sql["number"],
            size=size,
            last_seq=last_seq,
            safe=safe,
            limit=_LIMIT,
        )
        connection.run("COMMIT")
        return state._replace(size=size, last_seq=last_seq)

    def _watch(self, connection: Connection) -> None:
        """
        Warn if a transaction that holds the order back is open for long.
        """
        marks, now = connection.marks, self._clock()
        self._since = marks[0].at if marks else None
        if now - self._warned < self._warn_after or (
            self.held_back < self._warn_after and not self._asks(now)
        ):
            return
        self._asked = now
        found = holders(connection, self._sql, marks[0].writers)
        # Whose age may not be seen is as old as we know, at least.
        ages = [self.held_back, *(each.age or 0.0 for each in found)]
        if max(ages) >= self._warn_after:
            self._warned = now
            self._warn(found, max(ages))

    def _asks(self, now: float) -> bool:
        return self.held_back >= _ASK_AFTER and now - self._asked >= _ASK_EVERY

    def _warn(self, found: Sequence[HeldBack], age: float) -> None:
        names = [each.who for each in found]
        way_out = found[0].way_out if found else "commit it or roll it back"
        self._logger.warning(
            "the order of audit events is held back by a transaction that "
            "wrote one and is open for %.0f s (%s); %s",
            age,
            ", ".join(names) or "gone by now",
            way_out,
            extra={"auditlog_held_back": age, "auditlog_held_by": names},
        )


def settled(
    connection: Connection,
    statements: Mapping[str, str],
    drawn: int,
    server: datetime,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """
    The highest number up to which no event can come any more, or 0.

    *drawn* was read before this looks for writers, never after: who drew a
    number up to it held the table's lock by then, and holds it until its
    commit is visible.

    Args:
        connection: Keeps what is known so far, in its marks.

        statements: The SQL.

        drawn: A number that some transaction has drawn.

        server: When the server was started.
    """
    writers = {name for (name,) in connection.ask(statements["writers"])}
    marks = connection.marks
    if marks and (marks[-1].server != server or marks[-1].drawn > drawn):
        marks.clear()
    if not marks or (len(marks) < _MARKS and marks[-1].drawn < drawn):
        marks.append(Mark(drawn, set(writers), server, clock()))
    for mark in marks:
        mark.writers &= writers
    safe = max((m.drawn for m in marks if not m.writers), default=0)
    connection.marks = [mark for mark in marks if mark.drawn > safe]
    return safe

"""
Keeps events in another sink while the first one is away, and moves them back.
"""

from __future__ import annotations

import functools
import logging
import time

from typing import TYPE_CHECKING

from auditlog._engine.failures import describe
from auditlog._engine.lane import Lane
from auditlog._engine.process import tell_after_fork
from auditlog._engine.receipt import remaining
from auditlog.errors import (
    AuditLogError,
    EventRefusedError,
    PartialWriteError,
    SinkTimeoutError,
    SinkUnavailableError,
)
from auditlog.relay import Relay


if TYPE_CHECKING:
    import threading

    from collections.abc import Sequence

    from auditlog.abc import Journal, Record, Sink


log = logging.getLogger("auditlog.fallback")

# The name under which the journal keeps how far the events were moved.
RELAY = "fallback"

# Seconds between two looks at how far they were.
POLL = 0.02


class Fallback:
    """
    Two sinks as one: events that the first can't take now go to a journal.

    From there a relay moves them to the first sink, once it is back. As long
    as the journal holds anything, new events go there too, or they would
    come before older ones.

    Args:
        sink: Where events belong.

        journal: Where they are kept meanwhile.

        name: That of the publisher, for threads.

        after:
            Seconds after which a write to *sink* that has not ended counts
            as failed. It goes on, so that the events may come twice.

    Attributes:
        journal: As given.

        relay: What moves the events back.

        place: The name of the sink that the last write went to.
    """

    def __init__(
        self, sink: Sink, journal: Journal, *, name: str, after: float
    ) -> None:
        self.journal = journal
        self._sink = sink
        self._after = after
        self._lane = Lane(type(sink).__name__, name=name)
        self._second_lane = Lane(
            type(journal).__name__, name=f"{name}-{RELAY}"
        )
        self.relay = Relay(journal, _Home(sink, self._lane), name=RELAY)
        self._reset()
        tell_after_fork(self)

    def _reset(self) -> None:
        self.place = type(self._sink).__name__
        # Whether this process has put events there that may still be there.
        self._kept = False
        # Whether the journal answered once, and whether it is empty: nobody
        # else puts events there that have to come before ours.
        self._known = self._clear = False
        # What was seen last: the size, how many waited, and moved until then.
        self._seen = (0, 0, 0)
        self._stopped = False
        self._said = ""

    def after_fork(self) -> None:
        """
        What the parent kept is the parent's.
        """
        self._reset()

    # A sink

    def write(self, records: Sequence[Record], /) -> None:
        """
        Store *records* in one of the two.

        Raises:
            EventRefusedError, PartialWriteError: As the sink that has them.

            SinkUnavailableError: If neither takes them.
        """
        self._check()
        if self._holds():
            self._keep(records)
            return
        self.place = type(self._sink).__name__
        try:
            write = functools.partial(self._sink.write, records)
            self._lane.begin(write).wait(self._after)
        except PartialWriteError as exc:
            if exc.stored or exc.failed:
                raise
            self._fall_back(records, exc)
        except EventRefusedError:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever a sink raises
            self._fall_back(records, exc)

    @property
    def kept(self) -> int:
        """
        How many events wait in the journal, from memory; 0 before this
        process has put one there.
        """
        if not self._kept:
            return 0
        _, waiting, moved = self._seen
        return max(waiting - (self._moved() - moved), 0)

    def _moved(self) -> int:
        return self.relay.delivered + self.relay.dead

    def _look(self) -> None:
        """
        Remember how many events wait in the journal.
        """
        moved, size = self._moved(), self.journal.size()
        waiting = size - self.journal.position(RELAY)
        if self._kept and size < self._seen[0]:
            log.error(
                "%s was emptied behind our back, with up to %s audit events "
                "that were kept there",
                type(self.journal).__name__,
                self.kept,
            )
            self._kept = False
        self._seen = size, waiting, moved
        self._known, self._clear = True, waiting <= 0

    def _look_in_time(self) -> None:
        # A disk that hangs must not hold up a sink that works.
        if self._second_lane.is_busy:
            raise SinkTimeoutError("the call before has not ended")
        self._second_lane.begin(self._open).wait(self._after)
        # Only now: what an answer that comes late says is true no more.
        self._look()

    def _open(self) -> None:
        self.journal.size()

    def _holds(self) -> bool:
        """
        Whether the journal holds anything that comes before what is next.
        """
        if self._clear:
            return False
        try:
            (self._look if self._known else self._look_in_time)()
        except AuditLogError as exc:
            if self._kept:
                raise
            self._say_unusable(exc)
            return False
        if self._clear and self._kept:
            self._kept = False
            log.info("%s has all events again", type(self._sink).__name__)
        return not self._clear

    def _fall_back(self, records: Sequence[Record], why: Exception) -> None:
        first, second = type(self._sink).__name__, type(self.journal).__name__
        try:
            self._keep(records)
        except (EventRefusedError, PartialWriteError):
            raise
        except Exception as exc:  # noqa: BLE001 - whatever a journal raises
            raise SinkUnavailableError(
                f"{first} is away, {describe(why)}, and {second} can't take "
                f"its place, {describe(exc)}"
            ) from why
        log.warning(
            "%s is away, audit events are kept in %s until it is back: %s",
            first,
            second,
            describe(why),
        )

    def _keep(self, records: Sequence[Record]) -> None:
        self._check()
        self.place = type(self.journal).__name__
        self._clear = False  # whatever becomes of it
        try:
            self.journal.write(records)
        except PartialWriteError as exc:
            self._kept |= bool(exc.stored)
            raise
        self._kept = True
        self._look()
        self.relay.wake()

    def _check(self) -> None:
        # Or a worker that outlives the publisher would open both again.
        if self._stopped:
            raise SinkUnavailableError("the publisher is closed")

    def _say_unusable(self, exc: AuditLogError) -> None:
        reason = describe(exc)
        if reason != self._said:
            self._said = reason
            log.error(
                "%s can't be used should %s be away: %s",
                type(self.journal).__name__,
                type(self._sink).__name__,
                reason,
            )

    # Its life

    def is_writing(self, thread: threading.Thread) -> bool:
        """
        Whether *thread* is the one that calls the first sink.
        """
        return thread in (self._lane.thread, self._second_lane.thread)

    def wait_moved(self, timeout: float) -> None:
        """
        Wait until all that the journal holds now is where it belongs.

        Raises:
            SinkTimeoutError: If it isn't after *timeout* seconds.

            SinkError: If the journal can't be asked.
        """
        deadline = time.monotonic() + timeout
        size = self.journal.size()
        while (left := size - self.journal.position(RELAY)) > 0:
            if not remaining(deadline):
                raise SinkTimeoutError(
                    f"{left} events wait in {type(self.journal).__name__} "
                    f"for {type(self._sink).__name__}; they are safe there"
                )
            time.sleep(POLL)

    def stop(self, timeout: float = 0.0) -> None:
        """
        Move what can be moved in *timeout* seconds; the rest stays.
        """
        self.relay.stop(timeout)
        self._stopped = True
        self._lane.end()
        self._second_lane.end()


class _Home:
    """
    The first sink as the relay sees it.
    """

    def __init__(self, sink: Sink, lane: Lane) -> None:
        self._sink = sink
        self._lane = lane
        self.logger = getattr(sink, "logger", log)

    def write(self, records: Sequence[Record], /) -> None:
        write = functools.partial(self._sink.write, records)
        self._lane.begin(write).wait(None)

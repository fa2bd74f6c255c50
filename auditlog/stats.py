"""
What a publisher knows of itself without asking anybody.
"""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class RelayStats:
    """
    How a relay of this process is doing, as the relay itself knows it.

    What the journal knows, such as how many events are behind, is in
    :class:`auditlog.status.RelayStatus`.

    Attributes:
        name: Under which the journal keeps its position.

        running: Whether its thread runs.

        holding:
            Whether it has the lease. Of all relays of that name, in whichever
            process, one has it; the others stand by, and that is no trouble.

        delivered: Events that it has delivered since it was made.

        dead: Events that it made dead letters since it was made.

        position:
            Index of the last event that was delivered; None if it doesn't
            hold the lease.

        lag:
            Seconds since it last found nothing left to deliver, or got the
            lease: while it keeps up, a few seconds at most. Events that have
            no index yet don't count. None if it doesn't hold the lease.

        failing_for:
            Seconds for which the journal or the sink has failed, 0 while
            they work.

        last_error:
            What failed last, in one line, whether or not it works by now;
            neither content of an event nor a secret.

        last_error_age: Seconds since then.

    .. versionadded:: 0.1.0
    """

    name: str
    running: bool
    holding: bool
    delivered: int
    dead: int
    position: int | None = None
    lag: float | None = None
    failing_for: float = 0.0
    last_error: str | None = None
    last_error_age: float | None = None


@attrs.frozen(kw_only=True)
class PublisherStats:
    """
    How a publisher is doing, in this process and since it was made.

    Counts are of the buffer: what ``publish_in()`` put into a transaction is
    the transaction's. *accepted* is *stored*, *refused*, *given_up* and
    *waiting* together, at any moment. All values have a JSON form, by
    ``attrs.asdict()``.

    Attributes:
        name: The publisher's.

        closed: Whether it takes no more events.

        accepted:
            Events that were taken, those included by which the publisher
            tells of itself, such as of a gap.

        stored: Events that the sink confirmed.

        refused: Events that the sink will never take.

        given_up:
            Events whose callers were told that they are not stored: out of
            time, cancelled, closed, or with a sink that has to be mended
            first. Some may be stored all the same.

        dropped: Events that were not taken, with ``overflow="drop"``.

        waiting: Events in the buffer, those at the sink included.

        waiting_bytes: What they weigh, as *max_bytes* counts.

        oldest_age: Seconds since the oldest of them was taken, or None.

        failing_for: Seconds for which the sink has failed, 0 while it works.

        last_error:
            What failed or was refused last, in one line, whether or not it
            works by now; neither content of an event nor a secret.

        last_error_age: Seconds since then.

        held_back:
            Seconds for which a transaction has held back the order of
            events, as a relay of this process has last seen it; 0 if none
            does, or no relay holds its lease here.

        kept:
            Events that wait in the *fallback*, from the moment at which this
            process has put one there; they count as *stored*.

        relays:
            The publisher's relays; the one named ``fallback`` moves what is
            kept there to the sink.

    .. versionadded:: 0.1.0
    """

    name: str
    closed: bool
    accepted: int
    stored: int
    refused: int
    given_up: int
    dropped: int
    waiting: int
    waiting_bytes: int
    oldest_age: float | None = None
    failing_for: float = 0.0
    last_error: str | None = None
    last_error_age: float | None = None
    held_back: float = 0.0
    kept: int = 0
    relays: tuple[RelayStats, ...] = ()

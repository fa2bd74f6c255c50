"""
A sink and journal on local disk.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog._engine.process import tell_after_fork
from auditlog.errors import ConfigError, SinkSetupError

from . import quarantine
from .adoption import Adoption
from .directory import is_named_well, take
from .files import told
from .spool import Spool
from .status import status_of


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from auditlog.abc import DeadLetter, Record
    from auditlog.status import JournalStatus

    from .deliveries import SpoolLease


# Seconds between two looks for folders of processes that are gone.
ADOPT = 5.0

LEAST_SEGMENT = 4 * 1024
# A full spool must have room for the largest event in a new segment.
LEAST_SPOOL = 128 * 1024


class SpoolSink:
    """
    Stores events in files on a local disk; a sink, and a journal for relays.

    What :meth:`write` returned for survives ``kill -9`` of the process and a
    loss of power, as far as the disk keeps what it confirmed. An event that
    comes again is stored once, as long as the first is still in the spool.

    Several processes may have the same *path*: each takes a folder of its
    own below it. What a process leaves behind is taken over, by the next
    one that starts or by a living one that relays.

    Building one doesn't touch the disk. Safe to use from several threads,
    and in a forked child, which takes a folder of its own.

    Args:
        path:
            The folder that the processes share; it is made, readable for
            this user only, if it isn't there.

        max_bytes:
            Most bytes of events in the folder of one process. A warning is
            logged at 50 and at 80 %; then :meth:`write` raises.

        segment_bytes:
            Size from which on a new file is begun. A file is deleted once
            every relay has passed it.

        name:
            Name of this process's folder, instead of one of its choice.
            Another process can't have it then, and nothing is taken over.

        lease_ttl:
            Seconds after which a lease that isn't renewed may be taken.

    Attributes:
        has_local_index:
            True: the index counts in one folder only, so that relays don't
            tell it to their sinks.

    Raises:
        ConfigError:
            If *path* is empty, a number too small, or *name* no plain name.

    .. versionadded:: 0.1.0
    """

    has_local_index = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        /,
        *,
        max_bytes: int = 1024**3,
        segment_bytes: int = 16 * 1024**2,
        name: str | None = None,
        lease_ttl: float = 15.0,
    ) -> None:
        _check_options(path, max_bytes, segment_bytes, name)
        self.logger = logging.getLogger("auditlog.spool")
        # Where the process may go later changes nothing.
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - no look
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._name = name
        self._lease_ttl = lease_ttl
        self._reset()
        tell_after_fork(self)

    def _reset(self) -> None:
        self._opening = threading.RLock()
        self._spool: Spool | None = None
        self._adoption: Adoption | None = None
        self._adopting = threading.Lock()
        self._adopt_at = 0.0

    def after_fork(self) -> None:
        """
        The child takes a folder of its own at the next call.
        """
        inherited = self._spool
        if inherited is not None:
            inherited.after_fork()
        self._reset()

    # A sink

    def write(self, records: Sequence[Record], /) -> None:
        """
        Store *records*, each once; one sync makes all of them durable.

        Raises:
            PartialWriteError:
                If some were refused, with a `DuplicateEventError` for an id
                that is there with another body, or there was room for some.

            SinkUnavailableError:
                If the spool or the disk is full, or the disk fails. Nothing
                is stored; writing again works once there is room.

            SinkSetupError:
                If somebody has to mend the folder: it is read-only, no
                folder, held by another process, was deleted, or a newer
                version has written it.
        """
        with self._use("store events in") as spool:
            spool.log.append(records)

    @property
    def lost(self) -> int:
        """
        Up to how many events were lost with bytes that the disk damaged, or
        in files that somebody deleted.

        Damaged bytes are kept in the folder ``quarantine``; readers and
        relays go on behind them, so that their indexes are missing.
        """
        with self._use("look into") as spool:
            return quarantine.lost(spool.folder)

    @property
    def stored_bytes(self) -> int:
        """
        How much of *max_bytes* is taken.
        """
        with self._use("look into") as spool:
            return spool.log.used

    @property
    def folder(self) -> Path:
        """
        The folder that this process has for itself.
        """
        with self._use("open") as spool:
            return spool.folder

    # A journal

    def read(self, after: int, limit: int, /) -> Sequence[Record]:
        """
        The next events behind the index *after*, at most *limit* and 8 MiB.

        Indexes are consecutive, except where :attr:`lost` counts: events
        that the disk lost are passed over. When there is nothing to read,
        events of processes that are gone are taken over, from time to time.

        Raises:
            SinkError: As for :meth:`write`.
        """
        with self._use("read") as spool:
            found = spool.log.read(after, limit)
            if not found and self._adopts():
                found = spool.log.read(after, limit)
            return found

    def size(self, *, timeout: float | None = None) -> int:  # noqa: ARG002
        """
        The highest index that can be read; never has to wait.
        """
        with self._use("read") as spool:
            return spool.log.last

    def position(self, relay: str, /) -> int:
        """
        How far *relay* has come; 0 if it never ran.
        """
        with self._use("read a position in") as spool:
            return spool.deliveries.position(relay)

    def lease(self, relay: str, /) -> SpoolLease | None:
        """
        Acquire the lease of *relay*, or None while another holder has it.

        From its first lease on nothing is deleted that *relay* has not
        passed.

        Raises:
            JournalError: If there are too many relays.

            SinkError: As for :meth:`write`.
        """
        with self._use("keep a position in") as spool:
            return spool.deliveries.lease(relay, self._lease_ttl)

    def dead_letters(
        self, relay: str, /, *, after: int = 0, limit: int = 1000
    ) -> list[DeadLetter]:
        """
        What *relay* could not deliver and was not re-driven.

        A letter that was taken over from another folder has a number of its
        own as its index, beyond 10**15.

        Raises:
            SinkError: As for :meth:`write`.
        """
        with self._use("read dead letters in") as spool:
            return spool.deliveries.dead_letters(
                relay, after=after, limit=limit
            )

    def redriven(self, relay: str, index: int, /) -> None:
        """
        The dead letter of that *index* was delivered after all.

        It goes, and its bytes with it, at the latest when it is the last.

        Raises:
            SinkError: As for :meth:`write`.
        """
        with self._use("keep a dead letter in") as spool:
            spool.deliveries.redriven(relay, index)

    def refused_again(self, relay: str, index: int, reason: str, /) -> None:
        """
        Another attempt at the dead letter of that *index* failed.

        Raises:
            SinkError: As for :meth:`write`.
        """
        with self._use("keep a dead letter in") as spool:
            spool.deliveries.refused_again(relay, index, reason)

    def status(self, *, relays: Iterable[str] = ()) -> JournalStatus:
        """
        How the folder of this process stands, and each of its relays.

        Args:
            relays: Names of relays to tell of even if they never ran.

        Raises:
            SinkError: As for :meth:`write`.
        """
        with self._use("look into") as spool:
            return status_of(spool, relays, self._max_bytes)

    def forget(self, relay: str, /) -> None:
        """
        Keep no events for *relay* any more, which is gone for good.

        Its dead letters stay. A relay of that name begins again with what is
        there.
        """
        with self._use("keep a position in") as spool:
            spool.deliveries.forget(relay)
            spool.log.trim()

    def close(self) -> None:
        """
        Let others have the folder; safe to call twice.

        What is called next opens it again, or another one.
        """
        with self._opening:
            spool, self._spool = self._spool, None
            if spool is not None:
                spool.close()

    # Inside

    @contextmanager
    def _use(self, doing: str) -> Iterator[Spool]:
        """
        The open spool, for the time of one call.
        """
        spool = None
        try:
            with told(doing, self._path):
                spool = self._opened()
                yield spool
        except SinkSetupError as exc:
            if spool is None or spool.is_there():
                raise
            self._drop(spool)
            raise SinkSetupError(
                f"spool {str(spool.folder)!r} was deleted while it was open, "
                "with all events in it that were not relayed; the next call "
                "makes a new one"
            ) from exc

    def _opened(self) -> Spool:
        if (spool := self._spool) is not None:
            return spool
        with self._opening:
            if self._spool is None:
                self._spool = self._open()
                self._adoption = Adoption(self._path, self._spool)
                self._adopt_at = 0.0
            return self._spool

    def _open(self) -> Spool:
        folder, lock = take(self._path, self._name)
        try:
            return Spool(
                folder,
                lock,
                max_bytes=self._max_bytes,
                segment_bytes=self._segment_bytes,
            )
        except BaseException:
            lock.release()
            raise

    def _drop(self, spool: Spool) -> None:
        with self._opening:
            if self._spool is spool:
                self.close()

    def _adopts(self) -> bool:
        """
        Take over what is left of others, if it is time to look; whether.
        """
        adoption = self._adoption
        if (
            self._name is not None
            or adoption is None
            or time.monotonic() < self._adopt_at
            or not self._adopting.acquire(blocking=False)
        ):
            return False
        try:
            self._adopt_at = time.monotonic() + ADOPT
            adoption.run()
        finally:
            self._adopting.release()
        return True

    def __repr__(self) -> str:
        return f"<SpoolSink {str(self._path)!r}>"


def _check_options(
    path: str | os.PathLike[str],
    max_bytes: int,
    segment_bytes: int,
    name: str | None,
) -> None:
    mistakes = [
        f"{what!r} must be at least {least} (got {value})"
        for what, value, least in (
            ("max_bytes", max_bytes, LEAST_SPOOL),
            ("segment_bytes", segment_bytes, LEAST_SEGMENT),
        )
        if value < least
    ]
    if name is not None and not is_named_well(name):
        mistakes.append(
            f"'name' must be letters, digits, '_', '-' and '.', not first, "
            f"and not like '123-0123abcd' (got {name!r})"
        )
    if not os.fspath(path) or "\0" in os.fspath(path):
        mistakes.append("'path' must be the path of a folder")
    if mistakes:
        raise ConfigError(mistakes)

"""
An event around a block of code: as the block ends, so does the event.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging

from typing import TYPE_CHECKING, Any, Protocol, Self

import attrs

from auditlog._engine.failures import describe
from auditlog.errors import InvalidEventError
from auditlog.event import AuditEvent, Change, Outcome


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from auditlog.event import EventFields


log = logging.getLogger("auditlog.publisher")


class _Publishing(Protocol):
    """
    What an entry needs of a publisher.
    """

    def publish(self, event: AuditEvent, /, *, timeout: float) -> object: ...

    async def publish_async(
        self, event: AuditEvent, /, *, timeout: float
    ) -> object: ...

    def enqueue(self, event: AuditEvent, /) -> object: ...

    def publish_in(self, connection: Any, event: AuditEvent, /) -> None: ...

    async def publish_in_async(
        self, connection: Any, event: AuditEvent, /
    ) -> None: ...


class Entry:
    """
    An event that is being written, for the time of a ``with`` block.

    Made by :meth:`auditlog.AuditLogPublisher.record`. What is set on it goes
    into the event. Belongs to one thread or task, and to one block.

    Attributes:
        event_id:
            The event's id, known from the beginning: another event can name
            it as its cause.

        resource: What it is done to.

        outcome:
            None becomes ``success``, and ``failure`` after an exception.
            What the block sets stays, such as ``denied``.

        code: A short word why; after an exception its class by default.

        reason: A sentence why.

        metadata: All else, as JSON; a `dict` of this entry's own.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        publisher: _Publishing,
        draft: AuditEvent,
        *,
        fields: EventFields,
        metadata: Mapping[str, object],
        connection: Any,
        timeout: float,
        tell_message: bool,
    ) -> None:
        self._publisher = publisher
        self._draft = draft
        self._connection = connection
        self._timeout = timeout
        self._tell_message = tell_message
        self._changes = list(draft.changes)
        self._entered = False
        self._occurred_at = fields.get("occurred_at")
        self.event_id = draft.event_id
        self.resource = draft.resource
        self.outcome: Outcome | str | None = fields.get("outcome")
        self.code = draft.code
        self.reason = draft.reason
        self.metadata: dict[str, object] = dict(metadata)

    def change(self, path: str, old: object, new: object) -> None:
        """
        Note a value before and after.

        Raises:
            EncodingError: If a value has no JSON form.
        """
        self._changes.append(Change(path=path, old=old, new=new))

    def __repr__(self) -> str:
        """
        The event's type and id.
        """
        return f"<Entry {self._draft.event_type} {self.event_id}>"

    # In a thread

    def __enter__(self) -> Self:
        if self._entered:
            raise InvalidEventError(
                "an entry is for one block; call record() for another"
            )
        self._entered = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is not None:
            event = self._failed(exc)
            with _noted(exc, event):
                self._publisher.publish(event, timeout=self._timeout)
        elif self._connection is not None:
            self._publisher.publish_in(self._connection, self._ended())
        else:
            self._publisher.publish(self._ended(), timeout=self._timeout)

    # In an event loop

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        publisher = self._publisher
        if exc is not None:
            event = self._failed(exc)
            with _noted(exc, event):
                if isinstance(exc, GeneratorExit):  # nothing can be awaited
                    publisher.enqueue(event)
                else:
                    await publisher.publish_async(event, timeout=self._timeout)
        elif self._connection is not None:
            await publisher.publish_in_async(self._connection, self._ended())
        else:
            event = self._ended()
            await publisher.publish_async(event, timeout=self._timeout)

    # The event

    def _ended(self, **instead: Any) -> AuditEvent:
        given = {
            "resource": self.resource,
            "outcome": self.outcome or Outcome.SUCCESS,
            "code": self.code,
            "reason": self.reason,
            "changes": self._changes,
            "metadata": self.metadata,
            "occurred_at": self._occurred_at or dt.datetime.now(dt.UTC),
        }
        return attrs.evolve(self._draft, **{**given, **instead})

    def _failed(self, exc: BaseException) -> AuditEvent:
        """
        The event of a failure; there always is one.
        """
        outcome = self.outcome
        if outcome is None or outcome == Outcome.SUCCESS:
            outcome = Outcome.FAILURE
        told: dict[str, Any] = {
            "outcome": outcome,
            "code": self.code or type(exc).__qualname__,
            "reason": self.reason or self._message(exc),
        }
        # What the block set may have no form; that it failed, has.
        draft = self._draft
        less = {"metadata": draft.metadata, "changes": draft.changes}
        for instead in (told, {**told, **less}):
            try:
                return self._ended(**instead)
            except Exception as wrong:  # noqa: BLE001 - whatever was set
                said = f"the audit event says less than it was to: {wrong}"
                _note(exc, said)
        return attrs.evolve(
            draft,
            outcome=Outcome.FAILURE,
            code=type(exc).__qualname__,
            occurred_at=self._occurred_at or dt.datetime.now(dt.UTC),
        )

    def _message(self, exc: BaseException) -> str | None:
        with contextlib.suppress(Exception):
            return str(exc) if self._tell_message else None
        return None


def _note(exc: BaseException, text: str) -> None:
    with contextlib.suppress(Exception):  # some can't be changed
        exc.add_note(text)


@contextlib.contextmanager
def _noted(exc: BaseException, event: AuditEvent) -> Iterator[None]:
    """
    Let *exc* go on, whatever becomes of the *event* that tells of it.
    """
    try:
        yield
    except Exception as wrong:  # noqa: BLE001 - the block's own goes on
        said = (
            f"audit event {event.event_id} of this failure: {describe(wrong)}"
        )
        _note(exc, said)
        log.error("%s", said)  # noqa: TRY400 - the cause goes on itself

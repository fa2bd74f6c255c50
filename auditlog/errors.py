"""
Every exception that this library raises.

.. code-block:: text

    AuditLogError
    ├── ConfigError (ValueError)
    ├── MissingExtraError (ImportError)
    ├── MissingPackageError (ImportError)
    ├── InvalidEventError (ValueError)
    │   └── EncodingError
    ├── DecodingError (ValueError)
    ├── QueryError (ValueError)
    ├── PublisherClosedError (RuntimeError)
    ├── BufferFullError
    ├── DeliveryTimeoutError (TimeoutError)
    ├── SinkError
    │   ├── SinkTimeoutError (TimeoutError)
    │   ├── SinkUnavailableError (ConnectionError)
    │   ├── SinkSetupError
    │   │   └── ClusterNotFoundError (LookupError)
    │   ├── TransactionError
    │   ├── EventRefusedError
    │   │   └── DuplicateEventError
    │   └── PartialWriteError
    ├── JournalError
    │   └── LeaseLostError
    ├── ReadError
    └── ExportError

A :class:`SinkError` says by its class whose fault it is, and so what becomes
of the event:

=======================  ============  =======================================
Class                    At fault      What the publisher and a relay do
=======================  ============  =======================================
`SinkUnavailableError`   nobody        try again for ever, backing off
`SinkSetupError`         the sink      as above, but ``publish()`` raises at
                                       once: somebody must mend the set-up
`EventRefusedError`      the event     give up that event alone: the receipt
                                       fails, a relay makes it a dead letter
=======================  ============  =======================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar


if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID


class AuditLogError(Exception):
    """
    What everything that this library raises inherits from.
    """


class ConfigError(AuditLogError, ValueError):
    """
    The configuration cannot work; lists every mistake, not only the first.

    Attributes:
        mistakes:
            One sentence per mistake, with its path and the name of its
            variable, never with the value of a secret.
    """

    def __init__(self, mistakes: Collection[str]) -> None:
        super().__init__(tuple(mistakes))
        self.mistakes = tuple(mistakes)

    def __str__(self) -> str:
        if len(self.mistakes) == 1:
            return self.mistakes[0]

        lines = "\n".join(f"- {mistake}" for mistake in self.mistakes)
        return f"{len(self.mistakes)} mistakes\n{lines}"


class MissingExtraError(AuditLogError, ImportError):
    """
    A class needs a package that is not installed.

    Attributes:
        what: The class or function that needs it.

        extra: The extra of this distribution that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, extra)
        self.what = what
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.what} needs an extra: "
            f'pip install "auditlog-publisher[{self.extra}]"'
        )


class MissingPackageError(AuditLogError, ImportError):
    """
    A method makes objects of a package that is not installed.

    Attributes:
        what: The method.

        package: The package.
    """

    def __init__(self, what: str, package: str) -> None:
        super().__init__(what, package)
        self.what = what
        self.package = package

    def __str__(self) -> str:
        return f"{self.what} needs a package: pip install {self.package}"


class InvalidEventError(AuditLogError, ValueError):
    """
    An event or one of its parts cannot be built from what was given.
    """


class EncodingError(InvalidEventError):
    """
    A value has no JSON form: NaN, a cycle, a foreign object, too deep.

    Attributes:
        path: Where the value stands, as in ``$.metadata.items[3]``.

        reason: What is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} @ {self.path}"


class DecodingError(AuditLogError, ValueError):
    """
    Some bytes are not an audit event.
    """


class QueryError(AuditLogError, ValueError):
    """
    An :class:`auditlog.EventQuery` cannot mean anything.
    """


class PublisherClosedError(AuditLogError, RuntimeError):
    """
    The publisher was closed before the call.
    """


class BufferFullError(AuditLogError):
    """
    The publisher's buffer has no room; the event was not taken.
    """


class DeliveryTimeoutError(AuditLogError, TimeoutError):
    """
    Some relays did not deliver in time; nothing is lost.

    Attributes:
        pending: The number of events that each relay still has to deliver.
    """

    def __init__(self, pending: Mapping[str, int], timeout: float) -> None:
        super().__init__(dict(pending), timeout)
        self.pending = dict(pending)
        self.timeout = timeout

    def __str__(self) -> str:
        waiting = ", ".join(
            f"{count} for relay {relay!r}"
            for relay, count in self.pending.items()
        )
        return (
            f"not delivered within {self.timeout:g} s: {waiting}; "
            "they stay in the journal and will be delivered"
        )


class SinkError(AuditLogError):
    """
    A sink could not store events.

    Attributes:
        retriable:
            Whether the same write may succeed later. Where it is false, the
            event itself is at fault and is given up alone.
    """

    retriable: ClassVar[bool] = True


class SinkTimeoutError(SinkError, TimeoutError):
    """
    The sink did not confirm in time; the event may be stored.

    Publishing the same event again is safe: *event_id* stays the same.
    """


class SinkUnavailableError(SinkError, ConnectionError):
    """
    The sink cannot be reached or is overloaded; trying again helps.
    """


class SinkSetupError(SinkError):
    """
    The sink must be mended by somebody: a schema, a permission, a topic.

    Events are not at fault, so relays keep them and try again for ever.
    """


class ClusterNotFoundError(SinkSetupError, LookupError):
    """
    No cluster of that ID is known; it may appear later.

    Attributes:
        cluster: The ID that was looked up.

        known: The IDs that were known at that moment.
    """

    def __init__(self, cluster: str, known: Collection[str] = ()) -> None:
        super().__init__(cluster, tuple(known))
        self.cluster = cluster
        self.known = tuple(known)

    def __str__(self) -> str:
        return f"Not found. Could not find cluster {self.cluster}"


class TransactionError(SinkError):
    """
    There is no transaction of the caller's that an event could join.

    The connection is closed, in autocommit mode, of another database, or its
    transaction has failed; nothing was written.
    """


class EventRefusedError(SinkError):
    """
    The sink will never take this event, whatever is done about the sink.
    """

    retriable = False


class DuplicateEventError(EventRefusedError):
    """
    Another event with the same id is stored already.

    The same event again is no error: it is stored once.
    """


class PartialWriteError(SinkError):
    """
    A sink stored some events of a batch and refused others.

    Raised by :meth:`auditlog.abc.Sink.write`. Events in neither collection
    were not decided on and must be written again.

    Attributes:
        stored: The ids of the events that are durable.

        failed: Why, for each event that was refused.
    """

    def __init__(
        self, stored: Collection[UUID], failed: Mapping[UUID, SinkError]
    ) -> None:
        super().__init__(tuple(stored), dict(failed))
        self.stored = tuple(stored)
        self.failed = dict(failed)

    def __str__(self) -> str:
        told = f"{len(self.failed)} events refused, {len(self.stored)} stored"
        if not self.failed:
            return f"{told}, others not decided on"
        reason = next(iter(self.failed.values()))
        return f"{told}: {reason}; see .failed for ids"


class JournalError(AuditLogError):
    """
    A journal cannot go on as it is, such as after a partial restore.
    """


class LeaseLostError(JournalError):
    """
    Another holder took the relay's lease; drop the batch, acquire again.
    """


class ReadError(AuditLogError):
    """
    A reader could not read its source.
    """


class ExportError(AuditLogError):
    """
    An export could not be made; the target is as it was before.
    """

"""
Who acts and in which request, bound once and filled into every event.
"""

from __future__ import annotations

import contextlib

from contextvars import ContextVar
from typing import TYPE_CHECKING, TypedDict

import attrs


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Unpack

    # Only names for the type checker: events are a layer above.
    from auditlog.event import Actor, RequestContext


__all__ = ["Context", "bind", "current"]


@attrs.frozen(kw_only=True)
class Context:
    """
    What an event takes over when its constructor is not told otherwise.

    Attributes:
        actor: Who acts.

        request: The request that is being answered.

        correlation_id: Ties the events of one request or job together.

        traceparent: The W3C trace context of the current span.

        tenant: On whose behalf the application is running.

    .. versionadded:: 0.1.0
    """

    actor: Actor | None = attrs.field(default=None, repr=False)
    request: RequestContext | None = attrs.field(default=None, repr=False)
    correlation_id: str | None = None
    traceparent: str | None = None
    tenant: str | None = None


class _Fields(TypedDict, total=False):
    actor: Actor | None
    request: RequestContext | None
    correlation_id: str | None
    traceparent: str | None
    tenant: str | None


_NOTHING = Context()
_context: ContextVar[Context] = ContextVar(
    "auditlog.context", default=_NOTHING
)


current: Callable[[], Context] = _context.get
"""
Return what is bound here: in this thread, task or request.

.. versionadded:: 0.1.0
"""


@contextlib.contextmanager
def bind(**fields: Unpack[_Fields]) -> Iterator[Context]:
    """
    Fill *fields* into every event that is built inside the ``with`` block.

    The innermost binding wins, field by field; leaving the block restores the
    outer one. An argument given to :class:`~auditlog.AuditEvent` wins over
    any binding, ``None`` included. Works as a decorator of plain functions,
    too. Tasks and :func:`asyncio.to_thread` inherit bindings, plain threads
    don't.

    Args:
        **fields:
            Any of *actor*, *request*, *correlation_id*, *traceparent* and
            *tenant*; ``None`` takes an outer binding away. Values are checked
            when an event takes them over.

    Raises:
        TypeError: If another field is named.

    .. versionadded:: 0.1.0
    """
    context = attrs.evolve(current(), **fields)
    token = _context.set(context)
    try:
        yield context
    finally:
        # Frameworks may leave a block in another context than they entered
        # it (a generator dependency in a thread pool); nothing is bound there.
        with contextlib.suppress(ValueError):
            _context.reset(token)

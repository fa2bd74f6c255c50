"""
What turns events into files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable


if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditlog.event import AuditEvent

    from ._records import Record


@runtime_checkable
class Exporter(Protocol):
    """
    Renders events into a file or a stream.

    .. versionadded:: 0.1.0
    """

    def export(
        self, events: Iterable[Record | AuditEvent], target: Any, /
    ) -> object:
        """
        Write *events* to *target* and report what was written.
        """

"""
Splunk's HTTP Event Collector, and files of INDEXED_EXTRACTIONS=HEC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from ._base import Profile
from ._parts import body_of, present, seconds


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._given import Given


@attrs.frozen(kw_only=True)
class SplunkHEC(Profile):
    """
    One object for HEC: time, host, source, sourcetype, event and fields.

    ``event`` is the body. The number in ``time`` is exact to the
    microsecond, whatever ``TIME_FORMAT`` says.

    Attributes:
        host: Which machine or service the events come from.

        source: Where Splunk should say that it has them from.

        sourcetype: The stanza of ``props.conf`` that reads them.

        splunk_index: Splunk's index, or None for the token's default.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "splunk-hec"
    schema: ClassVar[str] = "1.0"

    host: str = "auditlog"
    source: str = "auditlog"
    sourcetype: str = "auditlog:hec"
    splunk_index: str | None = None
    max_line_bytes: int | None = 5_000_000

    def _members(self, found: Given) -> Mapping[str, Any]:
        event = found.event
        fields = {
            "event_type": event.event_type,
            "outcome": event.outcome.value,
            "actor_id": event.actor and event.actor.id,
            "tenant": event.tenant,
            "journal_index": found.index,
        }
        return present(
            {
                "time": seconds(event.occurred_at),
                "host": self.host,
                "source": self.source,
                "sourcetype": self.sourcetype,
                "index": self.splunk_index,
                "event": body_of(found),
                "fields": present(fields),
            }
        )

    def _mistakes(self) -> Iterator[str]:
        yield from super()._mistakes()
        if not (self.splunk_index is None or self.splunk_index):
            yield "'splunk_index' must be None or a text that is not empty"

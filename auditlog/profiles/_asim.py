"""
ASIM: the audit events of Microsoft Sentinel's information model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from auditlog.codec import event_uri
from auditlog.codec._members import part_members
from auditlog.event import JSONArray, JSONObject, Outcome

from ._base import Profile
from ._line import clipped_bytes, json_text
from ._parts import changes_of, ip_of, iso, metadata_of, present, summary
from ._scale import level_of
from ._verbs import module_of, verb_of


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.event import Actor, AuditEvent

    from ._given import Given


# A column holds 64 KB; half of it, whatever they are counted in.
_FIELD_BYTES = 32_000

_RESULTS = {
    Outcome.SUCCESS: "Success",
    Outcome.FAILURE: "Failure",
    Outcome.DENIED: "Failure",
    Outcome.ATTEMPT: "NA",
    Outcome.UNKNOWN: "NA",
}
_TYPES = {
    "create": "Create",
    "read": "Read",
    "update": "Set",
    "delete": "Delete",
    "start": "Start",
    "stop": "Stop",
    "enable": "Enable",
    "disable": "Disable",
    "execute": "Execute",
    "grant": "Set",
    "revoke": "Set",
}
_USER_TYPES = {"user": "Regular", "system": "System", "service": "Application"}


@attrs.frozen(kw_only=True)
class ASIM(Profile):
    """
    Rows of ASIM's AuditEvent schema 0.1.2, flat but for AdditionalFields.

    Attributes:
        device: Which system reports, for ``Dvc``.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "asim"
    schema: ClassVar[str] = "0.1.2"

    device: str = "auditlog"
    max_line_bytes: int | None = 1_000_000

    def _members(self, found: Given) -> Mapping[str, Any]:
        event = found.event
        time = iso(event.occurred_at)
        return present(
            {
                "TimeGenerated": time,
                "EventCount": 1,
                "EventStartTime": time,
                "EventEndTime": time,
                "EventType": _TYPES.get(verb_of(event.event_type), "Other"),
                "EventResult": _RESULTS[event.outcome],
                **_details(event),
                "EventMessage": summary(event),
                "EventOriginalUid": str(event.event_id),
                "EventOriginalType": event.event_type,
                "EventVendor": self.vendor,
                "EventProduct": self.product,
                "EventProductVersion": self.product_version,
                "EventSchema": "AuditEvent",
                "EventSchemaVersion": self.schema,
                "Dvc": self.device,
                **_operation(event),
                **_actor(event.actor),
                **_source(event),
                "AdditionalFields": _additional(found),
            }
        )

    def _fitting(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        fitting = {
            name: clipped_bytes(value, _FIELD_BYTES)
            if isinstance(value, str)
            else value
            for name, value in members.items()
        }
        return members if fitting == members else fitting


def _details(event: AuditEvent) -> dict[str, Any]:
    denied = "denied" if event.outcome is Outcome.DENIED else None
    return {
        "EventResultDetails": event.reason or denied,
        "EventOriginalResultDetails": event.code,
        "EventSeverity": level_of(event).asim,
        "EventOriginalSeverity": event.severity,
    }


def _operation(event: AuditEvent) -> dict[str, Any]:
    resource = event.resource
    return {
        "Operation": event.event_type,
        "Object": resource.name or resource.id,
        "ObjectId": resource.id,
        "ObjectType": "Other",
        "OriginalObjectType": resource.type,
        "TargetAppName": module_of(event.event_type),
        **_values(event),
    }


def _values(event: AuditEvent) -> dict[str, Any]:
    if len(event.changes) != 1:
        return {}
    (change,) = event.changes
    return {"OldValue": _text(change.old), "NewValue": _text(change.new)}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, JSONObject | JSONArray):
        return bytes(value).decode()
    return json_text(value)


def _actor(actor: Actor | None) -> dict[str, Any]:
    if actor is None:
        return {}
    return {
        "ActorUserId": actor.id,
        "ActorUserIdType": "Other",
        "ActorUsername": actor.name or actor.id,
        "ActorUsernameType": "Simple",
        "ActorUserType": _USER_TYPES.get(actor.type, "Other"),
        "ActorOriginalUserType": actor.type,
    }


def _source(event: AuditEvent) -> dict[str, Any]:
    request = event.request
    if request is None:
        return {}
    return {
        "SrcIpAddr": ip_of(event),
        "HttpUserAgent": request.user_agent,
        "ActorSessionId": request.session_id,
    }


def _additional(found: Given) -> dict[str, Any]:
    event = found.event
    actor = event.actor
    return present(
        {
            "outcome": event.outcome.value,
            "resource": event_uri(event),
            "changes": changes_of(event),
            "metadata": metadata_of(event),
            "email": actor and actor.email,
            "onBehalfOf": _part(actor and actor.on_behalf_of),
            "request": _part(event.request),
            "tenant": event.tenant,
            "correlationId": event.correlation_id,
            "causationId": event.causation_id,
            "traceparent": event.traceparent,
            "journalIndex": found.index,
            "recordedAt": found.recorded_at and iso(found.recorded_at),
            "bodySha256": found.digest,
            "truncated": _part(event.truncated),
            "replaced": event.replaced or None,
        }
    )


def _part(part: Any) -> Any:
    return None if part is None else part_members(part)

"""
The event model: what an audit event is and which ones can exist.
"""

from __future__ import annotations

from ._event import AuditEvent, EventFields
from ._json import JSONArray, JSONObject
from ._parts import (
    Actor,
    ActorType,
    Change,
    Outcome,
    RequestContext,
    Resource,
    Truncation,
)
from ._payload import event_type, payload_converter
from ._uuid7 import UUID7Source, uuid7


__all__ = [
    "Actor",
    "ActorType",
    "AuditEvent",
    "Change",
    "EventFields",
    "JSONArray",
    "JSONObject",
    "Outcome",
    "RequestContext",
    "Resource",
    "Truncation",
    "UUID7Source",
    "event_type",
    "payload_converter",
    "uuid7",
]

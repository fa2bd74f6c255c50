"""
ECS 9.4: the Elastic Common Schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from auditlog.codec import event_uri
from auditlog.codec._members import part_members
from auditlog.event import Outcome

from ._base import Profile
from ._parts import (
    changes_of,
    ip_of,
    is_group,
    is_user,
    iso,
    metadata_of,
    present,
    summary,
    trace_of,
)
from ._scale import OTHER, level_of
from ._verbs import module_of, verb_of


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.event import Actor, AuditEvent, RequestContext

    from ._given import Given


_OUTCOMES = {
    Outcome.SUCCESS: "success",
    Outcome.FAILURE: "failure",
    Outcome.DENIED: "failure",
    Outcome.ATTEMPT: "unknown",
    Outcome.UNKNOWN: "unknown",
}
_TYPES = {
    "create": "creation",
    "read": "access",
    "update": "change",
    "delete": "deletion",
    "login": "start",
    "logout": "end",
    "start": "start",
    "stop": "end",
    "enable": "change",
    "disable": "change",
    "grant": "change",
    "revoke": "change",
}


@attrs.frozen(kw_only=True)
class ECS(Profile):
    """
    ECS 9.4.0, as nested objects.

    What has no field of that schema is in ``labels``, or as JSON in
    ``auditlog.metadata``, ``auditlog.changes`` and ``auditlog.truncated``,
    which an index should map as ``flattened``.

    Attributes:
        keep_body: Whether ``event.original`` holds the body, too.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "ecs"
    schema: ClassVar[str] = "9.4.0"

    keep_body: bool = False

    def _members(self, found: Given) -> Mapping[str, Any]:
        event = found.event
        address = ip_of(event)
        trace = trace_of(event) or (None, None)
        return present(
            {
                "@timestamp": iso(event.occurred_at),
                "ecs": {"version": self.schema},
                "message": summary(event),
                "event": self._event(found),
                "user": _user(event),
                "group": _group(event),
                "source": _source(event, address),
                "user_agent": _one("original", event.request, "user_agent"),
                "http": _http(event.request),
                "url": _one("original", event.request, "url"),
                "organization": present({"id": event.tenant}),
                "service": {"name": module_of(event.event_type)},
                "trace": present({"id": trace[0]}),
                "span": present({"id": trace[1]}),
                "log": present({"level": event.severity}),
                "related": _related(event, address),
                "labels": _labels(event),
                "auditlog": _own(event),
            }
        )

    def _event(self, found: Given) -> dict[str, Any]:
        event = found.event
        return present(
            {
                "id": str(event.event_id),
                "kind": "event",
                "category": _categories(event),
                "type": _types(event),
                "action": event.event_type,
                "outcome": _OUTCOMES[event.outcome],
                "code": event.code,
                "reason": event.reason,
                "severity": _severity(event),
                "provider": event_uri(event),
                "module": "auditlog",
                "dataset": "auditlog.events",
                "sequence": found.index,
                "created": found.recorded_at and iso(found.recorded_at),
                "hash": found.digest,
                "original": self._original(found),
            }
        )

    def _original(self, found: Given) -> str | None:
        return found.body.decode(errors="replace") if self.keep_body else None


def _severity(event: AuditEvent) -> int | None:
    number = level_of(event).number
    return None if number == OTHER else number


def _categories(event: AuditEvent) -> list[str]:
    if verb_of(event.event_type) in {"login", "logout"}:
        return ["authentication", "api"]
    if is_user(event) or is_group(event):
        return ["iam", "api"]
    return ["api"]


def _types(event: AuditEvent) -> list[str]:
    types = [_TYPES.get(verb_of(event.event_type), "info")]
    if "iam" in _categories(event):
        types.append("user" if is_user(event) else "group")
    if event.outcome is Outcome.DENIED:
        types.append("denied")
    return types


def _person(actor: Actor | None) -> dict[str, Any]:
    if actor is None:
        return {}
    return present(
        {"id": actor.id, "name": actor.name or actor.id, "email": actor.email}
    )


def _user(event: AuditEvent) -> dict[str, Any]:
    actor, resource = event.actor, event.resource
    target = {"id": resource.id, "name": resource.name or resource.id}
    return present(
        {
            **_person(actor),
            "effective": _person(actor.on_behalf_of if actor else None),
            "target": target if is_user(event) else None,
        }
    )


def _group(event: AuditEvent) -> dict[str, Any]:
    resource = event.resource
    if not is_group(event):
        return {}
    return {"id": resource.id, "name": resource.name or resource.id}


def _source(event: AuditEvent, address: str | None) -> dict[str, Any]:
    return _one("address", event.request, "source_ip") | present(
        {"ip": address}
    )


def _one(
    name: str, request: RequestContext | None, field: str
) -> dict[str, Any]:
    return present({name: getattr(request, field, None)})


def _http(request: RequestContext | None) -> dict[str, Any]:
    if request is None:
        return {}
    members = present({"id": request.id, "method": request.method})
    return present({"request": members})


def _related(event: AuditEvent, address: str | None) -> dict[str, Any]:
    actor = event.actor
    effective = actor and actor.on_behalf_of
    names = [
        text
        for person in (actor, effective)
        if person
        for text in (person.id, person.name)
        if text
    ]
    if is_user(event):
        names.append(event.resource.id)
    return present(
        {
            "user": [*dict.fromkeys(names)],
            "ip": [address] if address else None,
        }
    )


def _labels(event: AuditEvent) -> dict[str, Any]:
    actor, resource = event.actor, event.resource
    return present(
        {
            "actor_type": actor and actor.type,
            "target_type": resource.type,
            "target_id": resource.id,
            "target_name": resource.name,
            "outcome": event.outcome.value,
            "session_hash": getattr(event.request, "session_id", None),
            "correlation_id": event.correlation_id,
            "causation_id": event.causation_id,
            "traceparent": None if trace_of(event) else event.traceparent,
        }
    )


def _own(event: AuditEvent) -> dict[str, Any]:
    truncated, actor = event.truncated, event.actor
    effective = actor and actor.on_behalf_of
    return present(
        {
            "changes": changes_of(event),
            "metadata": metadata_of(event),
            "on_behalf_of": part_members(effective) if effective else None,
            "truncated": part_members(truncated) if truncated else None,
            "replaced": event.replaced or None,
        }
    )

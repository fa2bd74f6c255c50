"""
OCSF 1.8: the Open Cybersecurity Schema Framework.
"""

from __future__ import annotations

import re

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
    milliseconds,
    present,
    summary,
    trace_of,
)
from ._scale import OTHER, level_of
from ._verbs import action_of, module_of, verb_of


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from auditlog.event import Actor, AuditEvent

    from ._given import Given


_SHA256 = 3

_STATUS = {
    Outcome.SUCCESS: (1, "Success"),
    Outcome.FAILURE: (2, "Failure"),
    Outcome.DENIED: (2, "Failure"),
    Outcome.ATTEMPT: (OTHER, "attempt"),
    Outcome.UNKNOWN: (0, "Unknown"),
}
_USER_TYPES = {"user": 1, "system": 3, "service": 4, "anonymous": 0}

# The only ones that the schema knows.
_METHODS = {
    *("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH"),
    *("POST", "PUT", "TRACE"),
}

# What the schema says of addresses for mail.
_EMAIL = re.compile(
    r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.,-]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9.-]+"
)


@attrs.frozen(kw_only=True, eq=False)
class _Class:
    """
    A class of events, and the number of each action that it knows.
    """

    uid: int
    name: str
    activities: Mapping[str, int]
    members: Callable[[AuditEvent], dict[str, Any]]
    has_request: bool = False

    @property
    def category(self) -> int:
        return self.uid // 1_000


@attrs.frozen(kw_only=True)
class OCSF(Profile):
    """
    OCSF 1.8.0, without deprecated members.

    Logins and logouts are Authentication (3002), changes of users are
    Account Change (3001), changes of groups are Group Management (3006), all
    else is API Activity (6003). What has no place is in ``unmapped``.

    Attributes:
        keep_body: Whether ``raw_data`` holds the body, too.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "ocsf"
    schema: ClassVar[str] = "1.8.0"

    keep_body: bool = False

    def _members(self, found: Given) -> Mapping[str, Any]:
        event = found.event
        kind = _class_of(event)
        action = action_of(event.event_type)
        activity = kind.activities.get(verb_of(event.event_type), OTHER)
        return present(
            {
                "activity_id": activity,
                "activity_name": action,
                "category_uid": kind.category,
                "class_uid": kind.uid,
                "class_name": kind.name,
                "type_uid": kind.uid * 100 + activity,
                "time": milliseconds(event.occurred_at),
                **_severity(event),
                **_status(event),
                "message": summary(event),
                "metadata": self._metadata(found, kind),
                "actor": _actor(event, kind),
                "src_endpoint": _source(event, kind),
                "http_request": _request(event, kind),
                **kind.members(event),
                "raw_data_hash": _hash(found),
                "raw_data": self._raw_data(found),
                "unmapped": _unmapped(event, kind),
            }
        )

    def _metadata(self, found: Given, kind: _Class) -> dict[str, Any]:
        event = found.event
        stored = found.recorded_at
        traced = kind is _API and trace_of(event) is not None
        return present(
            {
                "version": self.schema,
                "profiles": ["trace"] if traced else None,
                "product": {
                    "name": self.product,
                    "vendor_name": self.vendor,
                    "version": self.product_version,
                },
                "uid": str(event.event_id),
                "event_code": event.event_type,
                "log_provider": event_uri(event),
                "original_time": iso(event.occurred_at),
                "logged_time": stored and milliseconds(stored),
                "sequence": found.index,
                "tenant_uid": event.tenant,
                "correlation_uid": event.correlation_id,
                **_truncation(event),
            }
        )

    def _raw_data(self, found: Given) -> str | None:
        return found.body.decode(errors="replace") if self.keep_body else None


def _class_of(event: AuditEvent) -> _Class:
    if verb_of(event.event_type) in _AUTHENTICATION.activities:
        return _AUTHENTICATION
    if verb_of(event.event_type) == "read":
        return _API
    if is_user(event):
        return _ACCOUNT
    return _GROUP if is_group(event) else _API


def _severity(event: AuditEvent) -> dict[str, Any]:
    level = level_of(event)
    other = level.number == OTHER
    return {
        "severity_id": level.number,
        "severity": event.severity if other else level.ocsf,
    }


def _status(event: AuditEvent) -> dict[str, Any]:
    number, name = _STATUS[event.outcome]
    detail = event.reason
    if event.outcome is Outcome.DENIED:
        detail = f"denied: {event.reason}" if event.reason else "denied"
    return {
        "status_id": number,
        "status": name,
        "status_code": event.code,
        "status_detail": detail,
    }


def _truncation(event: AuditEvent) -> dict[str, Any]:
    if event.truncated is None:
        return {}
    # In kilobytes, says the schema.
    size = max(1, round(event.truncated.original_size / 1_000))
    return {"is_truncated": True, "untruncated_size": size}


def _user(actor: Actor) -> dict[str, Any]:
    number = _USER_TYPES.get(actor.type, OTHER)
    email = actor.email or ""
    return present(
        {
            "uid": actor.id,
            "name": actor.name or actor.id,
            "email_addr": email if _EMAIL.fullmatch(email) else None,
            "type_id": number,
            "type": actor.type if number == OTHER else None,
        }
    )


def _actor(event: AuditEvent, kind: _Class) -> dict[str, Any]:
    session = event.request.session_id if event.request else None
    # Required there, so what nobody knows is said to be unknown.
    unknown = {"name": "Unknown", "type_id": 0} if kind is _API else None
    return present(
        {
            "user": _user(event.actor) if event.actor else unknown,
            "session": {"uid": session} if session else None,
        }
    )


def _source(event: AuditEvent, kind: _Class) -> dict[str, Any] | None:
    address = ip_of(event)
    if address is not None:
        return {"ip": address}
    if event.request is not None and event.request.source_ip:
        return {"name": event.request.source_ip}
    return {"name": "Unknown"} if kind is _API else None


def _request(event: AuditEvent, kind: _Class) -> dict[str, Any] | None:
    request = event.request
    if request is None or not kind.has_request:
        return None
    return present(
        {
            "uid": request.id,
            "http_method": _method(request.method),
            "url": {"url_string": request.url} if request.url else None,
            "user_agent": request.user_agent,
        }
    )


def _method(text: str | None) -> str | None:
    method = (text or "").upper()
    return method if method in _METHODS else None


def _resource_user(event: AuditEvent) -> dict[str, Any]:
    resource = event.resource
    return {"uid": resource.id, "name": resource.name or resource.id}


def _api(event: AuditEvent) -> dict[str, Any]:
    resource = event.resource
    trace = trace_of(event)
    return {
        "api": {
            "operation": event.event_type,
            "service": {"name": module_of(event.event_type)},
        },
        "resources": [
            present(
                {
                    "uid": resource.id,
                    "name": resource.name,
                    "type": resource.type,
                }
            )
        ],
        "trace": {"uid": trace[0]} if trace else None,
    }


def _authentication(event: AuditEvent) -> dict[str, Any]:
    own = event.actor is not None and not is_user(event)
    user = _user(event.actor) if event.actor and own else None
    return {
        "user": user or _resource_user(event),
        "service": {"name": module_of(event.event_type)},
    }


def _account(event: AuditEvent) -> dict[str, Any]:
    return {"user": _resource_user(event)}


def _group(event: AuditEvent) -> dict[str, Any]:
    return {"group": _resource_user(event)}


def _hash(found: Given) -> dict[str, Any]:
    return {
        "algorithm": "SHA-256",
        "algorithm_id": _SHA256,
        "value": found.digest,
    }


def _unmapped(event: AuditEvent, kind: _Class) -> dict[str, Any]:
    trace = trace_of(event) if kind is _API else None
    mapped = event.outcome in {Outcome.SUCCESS, Outcome.FAILURE}
    return present(
        {
            "outcome": None if mapped else event.outcome.value,
            "resource_type": None if kind is _API else event.resource.type,
            "resource": _odd_resource(event, kind),
            "on_behalf_of": _part(event.actor and event.actor.on_behalf_of),
            "email": _odd_email(event.actor),
            "changes": changes_of(event),
            "metadata": metadata_of(event),
            "causation_id": event.causation_id,
            "span_id": trace and trace[1],
            "traceparent": None if trace else event.traceparent,
            "request": _odd_request(event, kind),
            "truncated": _part(event.truncated),
            "replaced": event.replaced or None,
        }
    )


def _odd_resource(event: AuditEvent, kind: _Class) -> Any:
    odd = kind is _AUTHENTICATION and not is_user(event)
    return _part(attrs.evolve(event.resource, parent=None)) if odd else None


def _odd_request(event: AuditEvent, kind: _Class) -> Any:
    request = event.request
    if request is None or not kind.has_request:
        return _part(request)
    if request.method and _method(request.method) is None:
        return {"method": request.method}
    return None


def _part(part: Any) -> Any:
    return None if part is None else part_members(part)


def _odd_email(actor: Actor | None) -> str | None:
    email = actor and actor.email
    return None if not email or _EMAIL.fullmatch(email) else email


_API = _Class(
    uid=6003,
    name="API Activity",
    activities={"create": 1, "read": 2, "update": 3, "delete": 4},
    members=_api,
    has_request=True,
)
_AUTHENTICATION = _Class(
    uid=3002,
    name="Authentication",
    activities={"login": 1, "logout": 2},
    members=_authentication,
    has_request=True,
)
_ACCOUNT = _Class(
    uid=3001,
    name="Account Change",
    activities={"create": 1, "enable": 2, "disable": 5, "delete": 6},
    members=_account,
)
_GROUP = _Class(
    uid=3006,
    name="Group Management",
    activities={"grant": 1, "revoke": 2, "delete": 5, "create": 6},
    members=_group,
)

"""
CEF: the Common Event Format of ArcSight, which many others read.
"""

from __future__ import annotations

import re

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from auditlog.codec import event_uri

from ._base import Profile
from ._line import clipped
from ._parts import (
    as_text,
    changes_of,
    ip_of,
    is_user,
    metadata_of,
    milliseconds,
    present,
    summary,
)
from ._scale import level_of
from ._verbs import action_of, module_of


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.event import AuditEvent

    from ._given import Given


_HEADER = (
    "deviceVendor",
    "deviceProduct",
    "deviceVersion",
    "deviceEventClassId",
    "name",
    "severity",
)

# The longest values that the format allows, in characters.
_LENGTHS = {
    "deviceVendor": 63,
    "deviceProduct": 63,
    "deviceVersion": 31,
    "deviceEventClassId": 1_023,
    "name": 512,
    "externalId": 40,
    "act": 63,
    "outcome": 63,
    "cs1": 4_000,
    "cs2": 4_000,
    "cs3": 4_000,
    "cs4": 4_000,
    "cs5": 4_000,
    "cs6": 4_000,
}
_LENGTH = 1_023

# What would end a line, or mean something to a terminal.
# CR and LF have escapes.
_CONTROL = re.compile("[\0-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_IPV4 = 4


@attrs.frozen(kw_only=True)
class CEF(Profile):
    r"""
    CEF version 0, one event a line, without a syslog header.

    In the header ``\`` and ``|`` are escaped, in values ``\``, ``=``, CR
    and LF; other control characters become blanks, and blanks at the ends of
    a value go, for readers don't keep them. A value that is longer than the
    format allows ends in ``…`` and counts as cut.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "cef"
    schema: ClassVar[str] = "0"
    suffix: ClassVar[str] = ".cef"
    is_json: ClassVar[bool] = False

    max_line_bytes: int | None = 8_192

    def _members(self, found: Given) -> Mapping[str, Any]:
        event = found.event
        members = {
            "deviceVendor": self.vendor,
            "deviceProduct": self.product,
            "deviceVersion": self.product_version,
            "deviceEventClassId": event.event_type,
            "name": summary(event),
            "severity": level_of(event).cef,
            "rt": milliseconds(event.occurred_at),
            "externalId": str(event.event_id),
            "act": action_of(event.event_type),
            "cat": module_of(event.event_type),
            "outcome": event.outcome.value,
            "reason": _reason(event.code, event.reason),
            **_actor(found),
            **_target(found),
            **_request(found),
            **_custom(found),
        }
        return present({k: _clean(v) for k, v in members.items()})

    def _fitting(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        fitting = {
            name: clipped(value, _LENGTHS.get(name, _LENGTH))
            if isinstance(value, str)
            else value
            for name, value in members.items()
        }
        return members if fitting == members else fitting

    def _encode(self, members: Mapping[str, Any]) -> bytes:
        header = [_in_header(str(members.get(n, " "))) for n in _HEADER]
        values = [
            f"{name}={_in_value(str(value))}"
            for name, value in members.items()
            if name not in _HEADER
        ]
        return "|".join(("CEF:0", *header, " ".join(values))).encode()


def _reason(code: str | None, reason: str | None) -> str | None:
    return ": ".join(text for text in (code, reason) if text) or None


def _actor(found: Given) -> dict[str, Any]:
    actor = found.event.actor
    if actor is None:
        return {}
    return {
        "suid": actor.id,
        "suser": actor.name or actor.id,
        "spriv": actor.type,
    }


def _target(found: Given) -> dict[str, Any]:
    event = found.event
    resource = event.resource
    if not is_user(event):
        return {}
    return {"duid": resource.id, "duser": resource.name or resource.id}


def _request(found: Given) -> dict[str, Any]:
    request = found.event.request
    if request is None:
        return {}
    return {
        **_address(ip_of(found.event)),
        "request": request.url,
        "requestMethod": request.method,
        "requestClientApplication": request.user_agent,
    }


def _address(address: str | None) -> dict[str, Any]:
    if address is None:
        return {}
    if ip_address(address).version == _IPV4:
        return {"src": address}
    return {"c6a2": address, "c6a2Label": "Source IPv6 Address"}


def _custom(found: Given) -> dict[str, Any]:
    event = found.event
    request = event.request
    return _labelled(
        cs1=("Resource", event_uri(event)),
        cs2=("Tenant", event.tenant),
        cs3=("Correlation", event.correlation_id),
        cs4=("Changes", as_text(changes_of(event))),
        cs5=("Metadata", as_text(metadata_of(event))),
        cs6=("Body SHA-256", found.digest),
        cn1=("Journal index", found.index),
        cn2=("Bytes before truncation", _truncation(event)),
        flexString1=("Session", request and request.session_id),
        flexString2=("Request", request and request.id),
    )


def _truncation(event: AuditEvent) -> int | None:
    cut = event.truncated
    return None if cut is None else cut.original_size


def _labelled(**fields: tuple[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, (label, value) in fields.items():
        if present({name: _clean(value)}):
            members |= {name: value, f"{name}Label": label}
    return members


def _clean(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.strip() if value.isprintable() else _blanked(value)


def _blanked(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _in_header(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|")
    return escaped.replace("\n", " ").replace("\r", " ")


def _in_value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\n", "\\n").replace("\r", "\\r")

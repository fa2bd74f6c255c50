"""
Event types of Conduktor Console and how that product spells them.
"""

from __future__ import annotations

import re


_ACTIONS = {
    "Kafka.Subject": "Create Update Delete ChangeCompatibility",
    "Kafka.Topic": "Create Update Delete Empty Browse ProduceRecord SqlQuery",
    "Kafka.Connector": (
        "Create Update Delete Restart TaskRestart Pause Resume "
        "AutoRestartActivate AutoRestartStop"
    ),
    "Kafka.ConsumerGroup": "Duplicate Update Delete",
    "Kafka.Alert": "Create Update Delete Trigger",
    "Iam.User": "Create Update Delete Login Logout",
    "Iam.Group": "Create Update Delete",
    "SelfService.Application": "Create Update Upsert Delete",
    "SelfService.ApplicationInstance": "Create Update Delete",
    "SelfService.ApplicationInstanceApiKey": "Create Delete",
    "SelfService.ApplicationGroup": "Create Update Delete",
    "SelfService.ApplicationPolicy": "Create Update Delete",
    "SelfService.ApplicationInstancePermission": "Create Delete",
    "SelfService.ServiceAccount": "Create Update Delete",
    "Admin.KafkaConnect": "Create Update Delete",
    "Admin.KsqlDB": "Create Update Delete",
    "Admin.KafkaCluster": "Create Update Delete",
    "Admin.SchemaRegistry": "ChangeCompatibility",
    "Admin.Integration": "Update",
    "Admin.AdminApiKey": "Create Delete",
    "Admin.DataMaskingPolicy": "Create Update Delete",
    "Admin.Certificate": "Create Delete",
    "Admin.PartnerZone": "Create Update Delete TokenCreate",
}

EVENT_TYPES: tuple[str, ...] = tuple(
    f"{resource}.{action}"
    for resource, actions in _ACTIONS.items()
    for action in actions.split()
)
"""
The 77 event types that Conduktor documents, by resource.

The set is open: newer versions write others, and these read as well.
"""

ALIASES: dict[str, str] = {
    "Kafka.Connector.RestartTask": "Kafka.Connector.TaskRestart",
}
"""
Other spellings of event types, as release notes used them.
"""

_CANONICAL = {name.casefold(): name for name in EVENT_TYPES} | {
    alias.casefold(): name for alias, name in ALIASES.items()
}

_SPELLED = re.compile(r"AuditLogEventType\(([^,()]+),([^,()]+),([^,()]+)\)")
_PARTS = re.compile(r"([^.,()]+)\.([^.,()]+)\.([^.,()]+)")


def canonical(event_type: str) -> str:
    """
    Return the documented spelling of *event_type*, or *event_type* itself.

    Case does not matter, and aliases are resolved: ``IAM.User.Login`` is
    ``Iam.User.Login``.

    .. versionadded:: 0.1.0
    """
    return _CANONICAL.get(event_type.casefold(), event_type)


def same(one: str, other: str) -> bool:
    """
    Tell whether two spellings name one event type.

    .. versionadded:: 0.1.0
    """
    return (
        one == other
        or canonical(one).casefold() == canonical(other).casefold()
    )


def spelled(event_type: str) -> str | None:
    """
    Return ``AuditLogEventType(A,B,C)`` for ``A.B.C``, ``None`` for all else.
    """
    if _PARTS.fullmatch(event_type) is None:
        return None
    return f"AuditLogEventType({event_type.replace('.', ',')})"


def dotted(text: str) -> str:
    """
    Return ``A.B.C`` for ``AuditLogEventType(A,B,C)``, all else as it is.
    """
    match = _SPELLED.fullmatch(text)
    return text if match is None else ".".join(match.groups())

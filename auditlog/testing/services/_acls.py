"""
What a user is allowed on a Kafka cluster.
"""

from __future__ import annotations

import time

from contextlib import closing
from typing import TYPE_CHECKING, Any

from auditlog.testing.services._kafka_protocol import exchange
from auditlog.testing.services._service import HOST, POLL, ServiceError


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kafka.admin import ACL, ACLFilter


def grant(acls: Sequence[ACL], bootstrap_servers: str) -> None:
    """
    Make *acls* known to the controllers.

    Raises:
        ServiceError: If they refuse one.
    """
    with _admin(bootstrap_servers) as admin:
        failed = admin.create_acls(acls)["failed"]
    if failed:
        raise ServiceError(f"can't grant {acls}: {failed}")


def revoke(filters: Sequence[ACLFilter], bootstrap_servers: str) -> None:
    """
    Drop what fits one of *filters*.
    """
    with _admin(bootstrap_servers) as admin:
        admin.delete_acls(filters)


def await_acls(
    filters: Iterable[ACLFilter],
    ports: Iterable[int],
    *,
    present: bool,
    timeout: float,
) -> None:
    """
    Wait until each of *ports* tells the same of each of *filters*.

    Raises:
        ServiceError: If one doesn't in time.
    """
    deadline = time.monotonic() + timeout
    waiting = [(port, each) for port in ports for each in filters]
    while waiting := [at for at in waiting if _has(*at) is not present]:
        if time.monotonic() > deadline:
            port, missing = waiting[0]
            raise ServiceError(
                f"{HOST}:{port} did not learn of a change to {missing}"
                f" in {timeout:g} s"
            )
        time.sleep(POLL)


def make_acls(
    user: str, resource: str, name: str, operations: Iterable[str]
) -> list[ACL]:
    """
    Return what allows *user* these *operations* from anywhere.
    """
    return [
        _kafka().ACL(*_fields(user, resource, name, each))
        for each in operations
    ]


def make_filters(
    user: str, resource: str, name: str, operations: Iterable[str]
) -> list[ACLFilter]:
    """
    Return what finds the ACLs of :func:`make_acls`; all without operations.
    """
    return [
        _kafka().ACLFilter(*_fields(user, resource, name, each))
        for each in operations or ["Any"]
    ]


def _fields(
    user: str, resource: str, name: str, operation: str
) -> tuple[Any, ...]:
    kafka = _kafka()
    return (
        f"User:{user}",
        "*",
        _member(kafka.ACLOperation, operation),
        kafka.ACLPermissionType.ALLOW,
        _pattern(_member(kafka.ResourceType, resource), name),
    )


def _pattern(resource: Any, name: str) -> Any:
    kafka = _kafka()
    patterns = kafka.ACLResourcePatternType
    if name.endswith("*") and name != "*":
        return kafka.ResourcePattern(resource, name[:-1], patterns.PREFIXED)
    return kafka.ResourcePattern(resource, name, patterns.LITERAL)


def _member(kind: Any, name: str) -> Any:
    members = {_folded(each.name): each for each in kind}
    try:
        return members[_folded(name)]
    except KeyError:
        known = ", ".join(each.name for each in list(kind)[2:])
        raise ValueError(
            f"no {kind.__name__} is called {name!r}; use one of {known}"
        ) from None


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _kafka() -> Any:
    import kafka.admin  # noqa: PLC0415 - an extra

    return kafka.admin


def _admin(bootstrap_servers: str) -> closing[Any]:
    return closing(
        _kafka().KafkaAdminClient(
            bootstrap_servers=bootstrap_servers.split(",")
        )
    )


def _has(port: int, wanted: ACLFilter) -> bool | None:
    """
    Whether the node at *port* itself knows such an ACL; None if it is mute.
    """
    from kafka.protocol.admin import (  # noqa: PLC0415 - an extra
        DescribeAclsRequest,
        DescribeAclsResponse,
    )

    pattern = wanted.resource_pattern
    request = DescribeAclsRequest(
        resource_type_filter=pattern.resource_type,
        resource_name_filter=pattern.resource_name,
        pattern_type_filter=pattern.pattern_type,
        principal_filter=wanted.principal,
        host_filter=wanted.host,
        operation=wanted.operation,
        permission_type=wanted.permission_type,
    )
    request.API_VERSION = _VERSION
    request.with_header()
    try:
        answer = exchange(port, request.encode(header=True, framed=True))
    except OSError:
        return None
    told = DescribeAclsResponse.decode(answer, version=_VERSION, header=True)
    return None if told.error_code else bool(told.resources)


_VERSION = 2

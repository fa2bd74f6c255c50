"""
Resources as URIs, and back.
"""

from __future__ import annotations

import functools
import re
import string

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from auditlog.event import Resource


if TYPE_CHECKING:
    from auditlog.event import AuditEvent


_SAFE = "-._~!$&'()*+,;="
_SAFE_IN_PATH = f"{_SAFE}:@"
_PLAIN = string.ascii_letters + string.digits + _SAFE_IN_PATH

# `//kafka/kafkacluster/production/topic/orders`, and the identifiers that
# Conduktor wrote until 1.32: `kafka:/cluster/<uuid>/topic/orders`.
_PATH = re.compile(r"(?://[^/?#]*|(?:kafka|platform|testing):)/([^?#]+)")
_MAX_LEVELS = 8


def event_uri(event: AuditEvent) -> str:
    """
    Return the URI of *event*'s resource: ``//kafka/topic/orders``.

    It begins with the first part of the event type in lower case and names
    the resource from the outermost parent inwards, percent-encoded. It is the
    ``source`` of the body and the default key in Kafka.

    .. versionadded:: 0.1.0
    """
    return source(event, subject(event.resource))


def source(event: AuditEvent, innermost: str) -> str:
    """
    Return the URI of *event*'s resource, whose subject is *innermost*.
    """
    parent = event.resource.parent
    above = f"{_path(parent)}/" if parent is not None else ""
    return f"{_authority(event.event_type)}/{above}{innermost}"


@functools.lru_cache(maxsize=1024)
def _authority(event_type: str) -> str:
    module = event_type.partition(".")[0].lower()
    return f"//{quote(module, safe=_SAFE)}"


def subject(resource: Resource) -> str:
    """
    Return ``type/id`` of *resource* itself, percent-encoded.
    """
    return f"{_segment(resource.type)}/{_segment(resource.id)}"


def resource_of(source: str, about: object = None) -> Resource:
    """
    Return the resource that *source* names, whoever wrote it.

    A source of another form becomes a resource of the type ``source``, and
    the CloudEvents subject *about* one of the type ``subject`` within it.
    """
    if (match := _PATH.fullmatch(source)) is not None:
        segments = [unquote(part) for part in match[1].split("/")]
        if len(segments) % 2 == 0 and all(segments):
            return _resource(segments[-2 * _MAX_LEVELS :])
    resource = Resource(type="source", id=source)
    if isinstance(about, str) and about:
        return Resource(type="subject", id=about, parent=resource)
    return resource


def _resource(segments: list[str]) -> Resource:
    resource = None
    for kind, name in zip(segments[::2], segments[1::2], strict=True):
        resource = Resource(type=kind, id=name, parent=resource)
    assert resource is not None
    return resource


def _path(resource: Resource) -> str:
    if resource.parent is None:
        return subject(resource)
    return f"{_path(resource.parent)}/{subject(resource)}"


def _segment(text: str) -> str:
    # Nothing is left of plain text when its ends are stripped: 0.15 µs.
    return quote(text, safe=_SAFE_IN_PATH) if text.strip(_PLAIN) else text

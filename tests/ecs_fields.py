"""
The fields of ECS 9.4 that the profile may write, with their types.

No package on PyPI holds the schema, so this is copied by hand from its
reference; a field that is not here is no field of ECS.
"""

from __future__ import annotations


FIELDS = {
    "@timestamp": "date",
    "ecs.version": "keyword",
    "event.action": "keyword",
    "event.category": "keyword",
    "event.code": "keyword",
    "event.created": "date",
    "event.dataset": "keyword",
    "event.hash": "keyword",
    "event.id": "keyword",
    "event.kind": "keyword",
    "event.module": "keyword",
    "event.original": "keyword",
    "event.outcome": "keyword",
    "event.provider": "keyword",
    "event.reason": "keyword",
    "event.sequence": "long",
    "event.severity": "long",
    "event.type": "keyword",
    "group.id": "keyword",
    "group.name": "keyword",
    "http.request.id": "keyword",
    "http.request.method": "keyword",
    "labels": "object",
    "log.level": "keyword",
    "message": "match_only_text",
    "organization.id": "keyword",
    "related.ip": "ip",
    "related.user": "keyword",
    "service.name": "keyword",
    "source.address": "keyword",
    "source.ip": "ip",
    "span.id": "keyword",
    "trace.id": "keyword",
    "url.original": "wildcard",
    "user.effective.email": "keyword",
    "user.effective.id": "keyword",
    "user.effective.name": "keyword",
    "user.email": "keyword",
    "user.id": "keyword",
    "user.name": "keyword",
    "user.target.id": "keyword",
    "user.target.name": "keyword",
    "user_agent.original": "keyword",
}

LISTS = {"event.category", "event.type", "related.ip", "related.user"}

OUTCOMES = {"failure", "success", "unknown"}

# Each category, and the types of event that it expects.
TYPES = {
    "api": {
        *("access", "admin", "allowed", "change", "creation", "deletion"),
        *("denied", "end", "info", "start", "user"),
    },
    "authentication": {"end", "info", "start"},
    "iam": {
        *("admin", "change", "creation", "deletion", "group", "info", "user"),
    },
}

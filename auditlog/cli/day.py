"""
A believable day of a Kafka console, always the same.
"""

from __future__ import annotations

import random

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    Outcome,
    RequestContext,
    Resource,
)


if TYPE_CHECKING:
    from collections.abc import Iterator


CLUSTER = Resource(type="kafkacluster", id="production", name="Production")
PEOPLE = ("alice", "bob", "carol", "dmitri")
TOPICS = ("website-orders", "payments", "shipments", "returns", "clicks")
GROUPS = ("billing", "warehouse", "fraud-check")

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101"


def make_day(count: int = 300) -> list[AuditEvent]:
    """
    *count* events of yesterday, from morning to evening.
    """
    chance = random.Random(7)  # noqa: S311 - always the same day
    start = datetime.combine(
        datetime.now(UTC).date() - timedelta(days=1), time(7), UTC
    )
    step = timedelta(hours=12) / count
    acts = _acts(chance)
    return [
        AuditEvent(occurred_at=start + n * step, **next(acts))
        for n in range(count)
    ]


def _acts(chance: random.Random) -> Iterator[dict[str, Any]]:
    for person in PEOPLE:
        yield _login(person)
    yield _denied_login("mallory")
    for topic in TOPICS:
        yield _create_topic("alice", topic, chance)
    yield _unhappy_update("bob", "payments")
    yield _reset_offsets("carol", "billing", "website-orders")
    while True:
        yield _routine(chance)


def _person(name: str) -> Actor:
    return Actor(
        id=name,
        type="user",
        name=name.capitalize(),
        email=f"{name}@example.com",
    )


def _request(name: str, method: str, url: str) -> RequestContext:
    host = sum(name.encode()) % 250 + 1
    return RequestContext(
        source_ip=f"10.1.4.{host}",
        user_agent=BROWSER,
        method=method,
        url=url,
    )


def _topic(name: str) -> Resource:
    return Resource(type="topic", id=name, parent=CLUSTER)


def _login(name: str) -> dict[str, Any]:
    return {
        "event_type": "Iam.User.Login",
        "actor": _person(name),
        "resource": Resource(type="user", id=f"{name}@example.com"),
        "request": _request(name, "POST", "/login"),
    }


def _denied_login(name: str) -> dict[str, Any]:
    return {
        "event_type": "Iam.User.Login",
        "actor": Actor(id="anonymous", type="anonymous"),
        "resource": Resource(type="user", id=f"{name}@example.net"),
        "outcome": Outcome.DENIED,
        "code": "invalid_credentials",
        "reason": "no such user, or a wrong password",
        "request": _request(name, "POST", "/login"),
        "severity": "warning",
    }


def _create_topic(
    name: str, topic: str, chance: random.Random
) -> dict[str, Any]:
    return {
        "event_type": "Kafka.Topic.Create",
        "actor": _person(name),
        "resource": _topic(topic),
        "request": _request(name, "POST", f"/cluster/{CLUSTER.id}/topics"),
        "metadata": {
            "name": topic,
            "cluster": CLUSTER.id,
            "partitions": chance.choice([1, 3, 6, 12]),
            "replicationFactor": 3,
        },
    }


def _unhappy_update(name: str, topic: str) -> dict[str, Any]:
    return {
        "event_type": "Kafka.Topic.Update",
        "actor": _person(name),
        "resource": _topic(topic),
        "outcome": Outcome.FAILURE,
        "code": "INVALID_CONFIG",
        "reason": "retention.ms must be at least -1",
        "changes": [
            Change(path="config.retention.ms", old=604_800_000, new=-2),
            Change(path="config.cleanup.policy", old="delete", new="compact"),
        ],
        "request": _request(name, "PUT", f"/topics/{topic}/config"),
        "metadata": {"name": topic, "cluster": CLUSTER.id},
    }


def _reset_offsets(name: str, group: str, topic: str) -> dict[str, Any]:
    return {
        "event_type": "Kafka.ConsumerGroup.Update",
        "actor": _person(name),
        "resource": Resource(type="consumergroup", id=group, parent=CLUSTER),
        "changes": [
            Change(path=f"offsets.{topic}.0", old=184_220, new=180_000)
        ],
        "request": _request(name, "PUT", f"/groups/{group}/offsets"),
        "metadata": {"group": group, "topic": topic, "strategy": "earliest"},
    }


def _routine(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 1 / 25:
        return _reset_offsets(
            chance.choice(PEOPLE), chance.choice(GROUPS), chance.choice(TOPICS)
        )
    if chance.random() < 1 / 4:
        return _deployment(chance)
    return _browse(chance)


def _browse(chance: random.Random) -> dict[str, Any]:
    name, topic = chance.choice(PEOPLE), chance.choice(TOPICS)
    return {
        "event_type": "Kafka.Topic.Browse",
        "actor": _person(name),
        "resource": _topic(topic),
        "request": _request(name, "GET", f"/topics/{topic}/consume"),
        "metadata": {"limit": 500, "filter": chance.choice(["", "=1+1"])},
    }


def _deployment(chance: random.Random) -> dict[str, Any]:
    connector = f"{chance.choice(TOPICS)}-to-warehouse"
    return {
        "event_type": "Kafka.Connector.Restart",
        "actor": Actor(id="ci-deploy", type="service", name="Deployment"),
        "resource": Resource(type="connector", id=connector, parent=CLUSTER),
        "metadata": {"tasks": chance.randint(1, 4)},
    }

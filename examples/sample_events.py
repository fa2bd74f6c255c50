"""
A week of a company's audit events, always the same, for the notebooks.

Their ids are fixed, too: however often a notebook stores them, they are
stored once.
"""

from __future__ import annotations

import random

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from auditlog import Actor, AuditEvent, RequestContext, Resource


# Finds these events, and no others, in a log that holds more.
TENANT = "example-notebooks"

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
PEOPLE = {
    "alice": "10.1.4.11",
    "bob": "10.1.4.12",
    "carol": "10.1.4.13",
    "dmitri": "10.1.4.14",
}
TOPICS = ("website-orders", "payments", "shipments", "returns")
ROUTINE = (
    "Kafka.Topic.Browse",
    "Kafka.Topic.Browse",
    "Kafka.Topic.Update",
    "Kafka.ConsumerGroup.Update",
)

BURGLAR = "203.0.113.66"


def a_week() -> list[AuditEvent]:
    """
    Four people at work from Monday to Friday, a deployment each night, and
    somebody with a stolen password on Thursday evening.
    """
    chance = random.Random(7)  # noqa: S311 - always the same week
    drafts = [*_office(chance), *_deployments(), *_burglary()]
    drafts.sort(key=lambda draft: draft["occurred_at"])
    return [
        AuditEvent(event_id=_id_of(number), tenant=TENANT, **draft)
        for number, draft in enumerate(drafts)
    ]


def _id_of(number: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"auditlog:example:{number}")


def _office(chance):
    for day in range(5):
        for name, address in PEOPLE.items():
            start = MONDAY + timedelta(days=day, hours=chance.gauss(7.5, 0.5))
            yield _login(start, name, address)
            for _ in range(chance.randint(10, 18)):
                later = timedelta(hours=chance.triangular(0.1, 9, 4))
                yield _act(chance, start + later, name, address)


def _act(chance, time, name, address):
    outcome = chance.choices(("success", "failure", "denied"), (92, 6, 2))[0]
    return {
        "occurred_at": time,
        "event_type": chance.choice(ROUTINE),
        "actor": Actor(id=name),
        "resource": Resource(type="topic", id=chance.choice(TOPICS)),
        "request": RequestContext(source_ip=address),
        "outcome": outcome,
    }


def _login(time, name, address, outcome="success"):
    return {
        "occurred_at": time,
        "event_type": "Iam.User.Login",
        "actor": Actor(id=name),
        "resource": Resource(type="user", id=f"{name}@example.com"),
        "request": RequestContext(source_ip=address),
        "outcome": outcome,
        "code": "invalid_credentials" if outcome == "denied" else None,
    }


def _deployments():
    for day in range(7):
        for number, topic in enumerate(TOPICS):
            yield {
                "occurred_at": MONDAY
                + timedelta(days=day, hours=2, minutes=number),
                "event_type": "Kafka.Connector.Restart",
                "actor": Actor(id="ci-deploy", type="service"),
                "resource": Resource(type="connector", id=f"{topic}-copy"),
            }


def _burglary():
    evening = MONDAY + timedelta(days=3, hours=20, minutes=40)
    for number in range(16):
        time = evening + timedelta(seconds=9 * number)
        yield _login(time, "carol", BURGLAR, "denied")
    inside = evening + timedelta(minutes=3)
    yield _login(inside, "carol", BURGLAR)
    acts = (
        ("Kafka.Topic.Browse", "topic", "payments", "success"),
        ("Kafka.Topic.Browse", "topic", "website-orders", "success"),
        ("Iam.ServiceAccount.Create", "serviceaccount", "backup2", "success"),
        ("Kafka.Acl.Create", "serviceaccount", "backup2", "success"),
        ("Kafka.Topic.Delete", "topic", "audit-copy", "denied"),
    )
    for number, (kind, type_, id_, outcome) in enumerate(acts, 1):
        yield {
            "occurred_at": inside + timedelta(seconds=47 * number),
            "event_type": kind,
            "actor": Actor(id="carol"),
            "resource": Resource(type=type_, id=id_),
            "request": RequestContext(source_ip=BURGLAR),
            "outcome": outcome,
        }

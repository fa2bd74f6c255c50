"""
Kafka brokers for the session and a topic's name for each test.
"""

from __future__ import annotations

import os

from uuid import uuid4

import pytest

from auditlog.testing.services import (
    KafkaCluster,
    KafkaSecurity,
    KafkaServer,
    free_port,
)
from tests.fix_services import running


@pytest.fixture(scope="session")
def kafka_server():
    """
    A broker of our own, ready for a proxy; leave it running.
    """
    with running(lambda: KafkaServer(advertised_port=free_port())) as server:
        yield server


@pytest.fixture(scope="session")
def bootstrap_servers(request):
    """
    The broker's address, from the environment if it gives one.
    """
    if address := os.environ.get("AUDITLOG_TEST_KAFKA"):
        return address
    return request.getfixturevalue("kafka_server").bootstrap_servers


@pytest.fixture(scope="session")
def secured_kafka():
    """
    A broker that asks who comes; one user's password is hard to write down.
    """
    users = {
        "alice": "alice-secret",
        "bob": "bob-secret",
        "odd": '\\p,a]"q"= #\u00fc\U0001f642 x',
    }
    security = KafkaSecurity(users=users)
    with running(lambda: KafkaServer(security=security)) as server:
        yield server


@pytest.fixture(scope="session")
def kafka_cluster():
    """
    Three secured brokers; who stops one starts it again.
    """
    with running(lambda: KafkaCluster(security=KafkaSecurity())) as cluster:
        yield cluster


@pytest.fixture
def topic():
    """
    The name of a topic that does not exist yet.
    """
    return f"test-{uuid4().hex}"

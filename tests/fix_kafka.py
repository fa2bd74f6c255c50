"""
A Kafka broker for the session and a topic's name for each test.
"""

from __future__ import annotations

import os

from uuid import uuid4

import pytest

from auditlog.testing.services import KafkaServer, free_port
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


@pytest.fixture
def topic():
    """
    The name of a topic that does not exist yet.
    """
    return f"test-{uuid4().hex}"

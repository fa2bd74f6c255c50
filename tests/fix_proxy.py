"""
Proxies to the services, to cut, stall and empty their connections.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from auditlog.testing.services import TCPProxy


@pytest.fixture
def database_proxy(database_url):
    """
    A proxy to the database of *database_url*; see `proxied_database_url`.
    """
    address = urlsplit(database_url)
    with TCPProxy(address.hostname, address.port or 5432) as proxy:
        yield proxy


@pytest.fixture
def proxied_database_url(database_url, database_proxy):
    """
    The address of this test's database through `database_proxy`.
    """
    address = urlsplit(database_url)
    user, at, _ = address.netloc.rpartition("@")
    netloc = f"{user}{at}{database_proxy.address}"
    return address._replace(netloc=netloc).geturl()


@pytest.fixture
def kafka_proxy(kafka_server):
    """
    A proxy to the broker; its `address` is what clients bootstrap from.
    """
    with TCPProxy(
        "127.0.0.1",
        kafka_server.upstream_port,
        listen_port=kafka_server.advertised_port,
    ) as proxy:
        yield proxy

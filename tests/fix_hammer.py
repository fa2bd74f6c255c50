"""
Servers that are killed, frozen and cut: own ones, for all tests of a session.
"""

from __future__ import annotations

import pytest

from tests.fix_services import running


@pytest.fixture(scope="session")
def own_bench():
    """
    A PostgreSQL and a broker behind proxies.
    """
    # What it needs is not everywhere where tests without services run.
    from tests.hammer.bench import Bench  # noqa: PLC0415

    with running(Bench) as bench:
        yield bench


@pytest.fixture
def bench(own_bench):
    """
    The same, on its feet again after each test.
    """
    yield own_bench
    own_bench.heal()


@pytest.fixture
def arena(bench, tmp_path):
    """
    A database and a topic of the bench; processes come through its proxies.
    """
    from tests.hammer.arena import Arena  # noqa: PLC0415

    arena = Arena(
        bench.postgres.url,
        bench.broker.bootstrap_servers,
        tmp_path,
        proxied=bench.broker_proxy.address,
        route=lambda url: bench.through(url, bench.database_proxy.port),
    )
    yield arena
    bench.heal()
    arena.close()

"""
Relays over a journal in PostgreSQL, against a model.
"""

from __future__ import annotations

import itertools

from hypothesis.stateful import run_state_machine_as_test

from auditlog import PostgresSink
from auditlog.config import DatabaseConfig
from tests.delivery_machine import NAME, RedrivingMachine, quickly
from tests.postgres_tools import execute


def test_journal_in_postgres(database_url):
    """
    Whatever fails, in any order: nothing is lost, first comes first, no
    position goes back, and the dead letters are those that were refused.
    """
    numbers = itertools.count()

    class Machine(RedrivingMachine):
        def __init__(self):
            self._sink = None
            self._schema = f"audit_{next(numbers)}"
            super().__init__()

        def make_journal(self):
            self.teardown()
            config = DatabaseConfig(url=database_url, schema=self._schema)
            self._sink = PostgresSink(config)
            return self._sink

        def expire_lease(self):
            execute(
                database_url,
                f"UPDATE {self._schema}.delivery "
                "SET expires_at = '-infinity' WHERE relay = %s",
                NAME,
            )

        def teardown(self):
            if self._sink is not None:
                self._sink.close()

    run_state_machine_as_test(Machine, settings=quickly(10))

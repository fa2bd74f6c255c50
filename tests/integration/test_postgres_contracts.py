"""
PostgresSink and PostgresReader, held to the contracts of all of their kind.
"""

from __future__ import annotations

import pytest

from auditlog.config import DatabaseConfig
from auditlog.postgres import PostgresReader, PostgresSink
from auditlog.testing.contracts import JournalContract
from auditlog.testing.reader_contract import FollowingReaderContract
from tests.postgres_tools import execute


class TestPostgresSink(JournalContract):
    @pytest.fixture(autouse=True)
    def _database(self, database_url):
        self.url = database_url

    def make_sink(self):
        return PostgresSink(self.url)

    def expire_lease(self, journal, relay):
        execute(
            self.url,
            "UPDATE audit.delivery SET expires_at = now() - interval '1 s' "
            "WHERE relay = %s",
            relay,
        )


class TestPostgresReader(FollowingReaderContract):
    @pytest.fixture(autouse=True)
    def _database(self, database_url):
        self.url = database_url
        self.made = 0

    def make_reader(self, records):
        self.made += 1
        config = DatabaseConfig(url=self.url, schema=f"audit_{self.made}")
        self.sink = PostgresSink(config)
        self.sink.size()
        if records:
            self.sink.write(records)
        return PostgresReader(config, page_size=5)

    def append(self, reader, records):
        self.sink.write(records)

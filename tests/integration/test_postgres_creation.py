from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from auditlog.postgres import PostgresSink
from auditlog.testing.contracts import make_record


def test_schema_is_created_once_by_many_at_a_time(database_url):
    """
    Processes that start together don't get into each other's way.

    With ``to_regclass()`` in place of a query of the catalog, those that
    waited for the first one saw no schema and tried to create it again.
    """
    together = Barrier(6)

    def start():
        sink = PostgresSink(database_url)
        together.wait()
        sink.write([make_record()])
        size = sink.size(timeout=10)
        sink.close()
        return size

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(start) for _ in range(6)]

    assert max(future.result() for future in futures) == 6

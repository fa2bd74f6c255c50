"""
A web application that audits every request, beside itself without auditing.

Both run in processes of their own, under the same load by turns. The audit
log works, or its broker is frozen, or its database is away and a spool takes
its place; the application's own database works.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time

from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import attrs
import psycopg

from harness import P99, RATE, Contender, Run, compare, quantile

from auditlog import AuditLogPublisher, PostgresSink, SpoolSink
from auditlog.testing.services import KafkaServer, TCPProxy


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness import Row
    from setting import Setting


CLIENTS = 16
INVOICES = 1_000
# Seconds that the application is under load before it is measured.
WARM = 1.0

USER = "alice@example.com"
BODY = b'{"note": "as agreed on the telephone", "amount": 119.5}'
REQUEST = (
    b"POST /invoices/%d/approval HTTP/1.1\r\nHost: localhost\r\n"
    b"User-Agent: benchmarks/1.0\r\nX-User: alice@example.com\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
)


REQUESTS = attrs.evolve(RATE, unit="requests/s")
P99_MS = attrs.evolve(P99, unit="ms", of=quantile(0.99, 1e3))


def rows(setting: Setting) -> Iterator[Row]:
    """
    Throughput and p99 in each state of the audit log.
    """
    for name, state in STATES.items():
        with state(setting) as (audited, plain):
            for application in (audited, plain):
                application.load(WARM)
            found = list(
                compare(
                    name,
                    Contender(
                        name="with an audit log",
                        run=partial(audited.load, setting.seconds),
                        settings="enqueues an event in each request",
                    ),
                    Contender(
                        name="without",
                        run=partial(plain.load, setting.seconds),
                        targets={"": 0.9, "p99": 0.9},
                    ),
                    rounds=setting.rounds,
                    measures=(REQUESTS, P99_MS),
                )
            )
            audited.end()
            lost = audited.answered - audited.stored()
        found[0] = attrs.evolve(found[0], lost=lost)
        yield from found


@attrs.define
class Application:
    """
    The application in a process of its own, and what was asked of it.

    Args:
        invoices: URL of its own database.

        audit: Settings of its audit log; none, and it has none.

        stored: Counts the events in the audit log, once it has ended.

    Attributes:
        answered: How many requests were answered.
    """

    invoices: str
    audit: Mapping[str, str]
    stored: Callable[[], int] = int
    answered: int = 0
    _folder: tempfile.TemporaryDirectory[str] = attrs.field(
        factory=tempfile.TemporaryDirectory
    )
    _process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        """
        Where it listens.
        """
        return f"{self._folder.name}/socket"

    def __enter__(self) -> Self:
        program = Path(__file__).with_name("host_app.py")
        self._process = subprocess.Popen(
            [sys.executable, program, self.socket],
            env={**os.environ, "INVOICES": self.invoices, **self.audit},
        )
        deadline = time.monotonic() + 30
        while not Path(self.socket).exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the application does not start")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._folder.cleanup()

    def end(self) -> None:
        """
        Let it end by itself; safe to call twice.
        """
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def load(self, seconds: float) -> Run:
        """
        Ask for as long as *seconds*.
        """
        latencies = asyncio.run(self._ask_all(seconds))
        answered = len(latencies)
        self.answered += answered
        # Each client waits for its answer before it asks again.
        took = sum(latencies) / CLIENTS
        return Run(took, answered, answered, latencies=latencies)

    async def _ask_all(self, seconds: float) -> list[float]:
        end = time.perf_counter() + seconds
        clients = [self._ask(number, end) for number in range(CLIENTS)]
        found = await asyncio.gather(*clients)
        return [latency for each in found for latency in each]

    async def _ask(self, number: int, end: float) -> list[float]:
        reader, writer = await asyncio.open_unix_connection(self.socket)
        latencies = []
        while (start := time.perf_counter()) < end:
            number = (number + CLIENTS) % INVOICES
            writer.write(REQUEST % (number, len(BODY), BODY))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"the application says {head!r}")
            size = int(
                head.lower().partition(b"content-length: ")[2].split()[0]
            )
            await reader.readexactly(size)
            latencies.append(time.perf_counter() - start)
        writer.close()
        return latencies


@contextmanager
def _both(
    setting: Setting, audit: Mapping[str, str], stored: Callable[[], int]
) -> Iterator[tuple[Application, Application]]:
    invoices = setting.database()
    with psycopg.connect(invoices, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE invoices (number int PRIMARY KEY, note text,"
            " approvals int) WITH (fillfactor = 50)"
        )
        connection.execute(
            "INSERT INTO invoices SELECT generate_series(0, %s), '', 0",
            (INVOICES,),
        )
        connection.execute(
            "CREATE TABLE users (name text PRIMARY KEY, may_approve bool)"
        )
        connection.execute("INSERT INTO users VALUES (%s, true)", (USER,))
    invoices = invoices.replace("postgresql", "postgresql+asyncpg")
    with (
        Application(invoices, {"AUDIT": "1", **audit}, stored) as audited,
        Application(invoices, {}) as plain,
    ):
        yield audited, plain


@contextmanager
def _working(setting: Setting) -> Iterator[tuple[Application, Application]]:
    url = setting.database()
    audit = {"AUDITLOG_DATABASE_URL": url}
    with _both(setting, audit, lambda: _count(url)) as applications:
        yield applications


@contextmanager
def _frozen(setting: Setting) -> Iterator[tuple[Application, Application]]:
    """
    The broker stops as the application has delivered its first event.
    """
    url = setting.database()
    with KafkaServer() as server:
        audit = {
            "AUDITLOG_DATABASE_URL": url,
            "AUDITLOG_PUBLISHER_CLUSTER": "main",
            "AUDITLOG_PUBLISHER_TOPICNAME": "audit",
            "AUDITLOG_CLUSTERS_0_ID": "main",
            "AUDITLOG_CLUSTERS_0_BOOTSTRAPSERVERS": server.bootstrap_servers,
        }
        with _both(setting, audit, lambda: _count(url)) as applications:
            applications[0].load(WARM)
            server.pause()
            yield applications
            server.resume()


@contextmanager
def _away(setting: Setting) -> Iterator[tuple[Application, Application]]:
    """
    The database goes away as the application has stored its first event.
    """
    url = setting.database()
    address = urlsplit(url)
    with ExitStack() as stack:
        proxy = stack.enter_context(
            TCPProxy(address.hostname or "", address.port or 0)
        )
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        audit = {
            "AUDITLOG_DATABASE_URL": url.replace(
                f"{address.hostname}:{address.port}", proxy.address
            ),
            "AUDITLOG_SPOOL_PATH": folder,
        }

        def stored() -> int:
            with AuditLogPublisher(
                PostgresSink(url), fallback=SpoolSink(folder)
            ) as publisher:
                publisher.wait_delivered(600)
            return _count(url)

        with _both(setting, audit, stored) as applications:
            applications[0].load(WARM)
            proxy.refuse()
            proxy.cut()
            yield applications


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM audit.event"
        ).fetchone()
    assert found is not None
    number: int = found[0]
    return number


STATES = {
    "application, audit log works": _working,
    "application, broker frozen": _frozen,
    "application, database away": _away,
}

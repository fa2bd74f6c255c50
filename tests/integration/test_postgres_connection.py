"""
The ways to a server: sockets in the file system, TLS, passwords.
"""

from __future__ import annotations

import os
import ssl
import tempfile

from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import trustme

from auditlog.config import DatabaseConfig, DatabaseHost
from auditlog.errors import AuditLogError, SinkSetupError
from auditlog.postgres import PostgresReader, PostgresSink
from auditlog.testing.services import PostgresServer
from tests.fix_services import running
from tests.postgres_tools import (
    ask_for_password,
    execute,
    make_records,
    stored_ids,
)
from tests.tls_front import tls_front


PASSWORD = "c4n4ry@/%"


@pytest.fixture(scope="module")
def folder():
    """
    A folder for the server's socket, with a path short enough for one.
    """
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as name:
        Path(name).chmod(0o777)  # under root the server is somebody else
        yield name


@pytest.fixture(scope="module")
def server(folder):
    """
    A server with a socket, and with a role that needs its password.
    """
    config = {"unix_socket_directories": folder}
    with running(lambda: PostgresServer(config=config)) as server:
        execute(
            server.url,
            psycopg.sql.SQL(
                "CREATE ROLE app LOGIN SUPERUSER PASSWORD {}"
            ).format(psycopg.sql.Literal(PASSWORD)),
        )
        ask_for_password(server)
        yield server


@pytest.fixture
def url(server):
    """
    An empty database of this test's own, which goes with the server.
    """
    name = f"db_{os.urandom(6).hex()}"
    return server.create_database(name)


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(ca, tmp_path_factory):
    """
    The CA's certificate, that of another CA, and a client's with its key.
    """
    path = tmp_path_factory.mktemp("tls")
    ca.cert_pem.write_to_path(path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(path / "other.pem")
    client = ca.issue_cert("app@example.com")
    client.cert_chain_pems[0].write_to_path(path / "client.pem")
    client.private_key_pem.write_to_path(path / "client.key")
    (path / "client.key").chmod(0o600)
    return path


def front(ca, server, name="127.0.0.1", *, client=False):
    """
    TLS in front of *server*, with a certificate for *name*.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)
    return tls_front(context, server.port)


def store(database):
    """
    Store and read back, over one sink and one reader.
    """
    with closing(PostgresSink(database)) as sink:
        sink.write(records := make_records(2))
    assert len(list(PostgresReader(database))) == 2
    return {each.event_id for each in records}


def refusal(database):
    """
    What is said: one line, without the password.
    """
    with (
        closing(PostgresSink(database)) as sink,
        pytest.raises(AuditLogError) as caught,
    ):
        sink.write(make_records(1))
    text = str(caught.value)
    assert "\n" not in text
    assert "c4n4ry" not in text
    assert type(caught.value) is SinkSetupError
    return text


@pytest.mark.parametrize("form", ["host", "hosts", "url", "query"])
def test_socket_in_the_file_system(server, folder, url, form):
    """
    The host is the folder, however the address is given.
    """
    name = url.rpartition("/")[2]
    parts = {"name": name, "username": "postgres"}
    escaped = quote(folder, safe="")
    config = {
        "host": DatabaseConfig(host=folder, port=server.port, **parts),
        "hosts": DatabaseConfig(
            hosts=(DatabaseHost(host=folder, port=server.port),), **parts
        ),
        "url": DatabaseConfig(
            url=f"postgresql://postgres@{escaped}:{server.port}/{name}"
        ),
        "query": DatabaseConfig(
            url=f"postgresql:///{name}?host={escaped}&port={server.port}"
            "&user=postgres"
        ),
    }[form]

    with (
        closing(PostgresSink(config)) as sink,
        sink._lend("look") as connection,
    ):
        assert connection.ask("SELECT inet_client_addr()") == [(None,)]

    assert stored_ids(url) == set()
    assert store(config) == stored_ids(url)


def test_socket_that_is_not_there(server, url, tmp_path):
    """
    The message names the path.
    """
    config = DatabaseConfig(
        host=str(tmp_path), port=server.port, name="x", username="y"
    )

    with (
        closing(PostgresSink(config)) as sink,
        pytest.raises(AuditLogError, match=f"{tmp_path}/.s.PGSQL"),
    ):
        sink.write(make_records(1))


def test_password(server, url):
    """
    As it is in its setting, or percent-encoded in the URL.
    """
    name = url.rpartition("/")[2]
    address = f"127.0.0.1:{server.port}/{name}"
    forms = [
        DatabaseConfig(url=f"postgresql://app@{address}", password=PASSWORD),
        DatabaseConfig(
            url=f"postgresql://app:{quote(PASSWORD, safe='')}@{address}"
        ),
        DatabaseConfig(
            host="127.0.0.1",
            port=server.port,
            name=name,
            username="app",
            password=PASSWORD,
        ),
    ]

    for config in forms:
        with closing(PostgresSink(config)) as sink:
            sink.write(make_records(1))

    assert len(stored_ids(url)) == 3


def test_wrong_password(server, url):
    """
    Or none at all: one line with the role and what to set.
    """
    app = url.replace("postgres@", "app@")

    assert refusal(DatabaseConfig(url=app, password="c4n4ry")).endswith(
        'password authentication failed for user "app"; see to '
        "database.username and database.password"
    )
    assert refusal(app).endswith("no password supplied; set database.password")


def test_verified_server(ca, server, files, url):
    """
    ``verify-full`` against a CA of one's own, with the role's password.
    """
    with front(ca, server) as port:
        address = f"app@127.0.0.1:{port}/{url.rpartition('/')[2]}"
        config = DatabaseConfig(
            url=f"postgresql://{address}?sslmode=verify-full"
            f"&sslrootcert={files / 'ca.pem'}",
            password=PASSWORD,
        )

        ids = store(config)
        with (
            closing(PostgresSink(config)) as sink,
            sink._lend("look") as connection,
        ):
            assert connection.pgconn.ssl_in_use

    assert ids == stored_ids(url)


def test_ca_that_did_not_sign(ca, server, files, url):
    """
    Nothing is sent; the message names the parameter.
    """
    with front(ca, server) as port:
        text = refusal(
            url.replace(f":{server.port}", f":{port}")
            + f"?sslmode=verify-full&sslrootcert={files / 'other.pem'}"
        )

    assert text.endswith(
        "SSL error: certificate verify failed; name the file of the CA that "
        "signed the server's certificate with sslrootcert in database.url"
    )


def test_certificate_of_another_host(ca, server, files, url):
    """
    ``verify-full`` sees it, ``verify-ca`` does not ask.
    """
    with front(ca, server, "db.example.com") as port:
        tls = url.replace(f":{server.port}", f":{port}")
        tls += f"?sslrootcert={files / 'ca.pem'}&sslmode="
        text = refusal(f"{tls}verify-full")
        ids = store(f"{tls}verify-ca")

    assert 'does not match host name "127.0.0.1"; connect by a name' in text
    assert ids == stored_ids(url)


def test_client_certificate(ca, server, files, url):
    """
    Given where it is asked for; without it the message says so.
    """
    with front(ca, server, client=True) as port:
        tls = url.replace(f":{server.port}", f":{port}")
        tls += f"?sslmode=verify-full&sslrootcert={files / 'ca.pem'}"
        text = refusal(tls)
        ids = store(
            f"{tls}&sslcert={files / 'client.pem'}"
            f"&sslkey={files / 'client.key'}"
        )

    assert "sslcert and sslkey in database.url" in text
    assert ids == stored_ids(url)


def test_server_without_tls(url):
    """
    Is not talked to where TLS is asked for.
    """
    text = refusal(f"{url}?sslmode=require")

    assert "server does not support SSL, but SSL was required; " in text

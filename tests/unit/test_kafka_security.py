"""
What is said of a secured broker is checked, and written as Java reads it.
"""

from __future__ import annotations

import pytest

from auditlog.testing.services import (
    KafkaCluster,
    KafkaSecurity,
    KafkaServer,
    free_port,
)
from auditlog.testing.services._java_properties import (
    jaas,
    java_properties,
    one_line,
)


def test_security_shows_no_secret():
    """
    Passwords and keys stay out of logs and of pytest's reports.
    """
    security = KafkaSecurity(users={"app": "c4n4ry"})

    shown = f"{security!r} {security.certificate('app')!r}"

    assert "'app'" in shown
    assert "c4n4ry" not in shown
    assert "PRIVATE" not in shown


@pytest.mark.parametrize("name", ["", "a b", "a,b", "ü", 'a"'])
def test_user_with_a_name_that_cannot_be_written_is_refused(name):
    """
    Kafka's command line, JAAS and certificates each have signs of their own.
    """
    with pytest.raises(ValueError, match="can't make a Kafka user"):
        KafkaSecurity(users={name: "secret"})


def test_open_broker_has_no_users():
    """
    The message is the argument that is missing.
    """
    server = KafkaServer()

    for ask in (
        lambda: server.address("SSL"),
        lambda: server.client_properties("alice", protocol="PLAINTEXT"),
        lambda: server.grant("alice", "topic", "orders", "Read"),
        lambda: server.revoke("alice", "topic", "orders"),
    ):
        with pytest.raises(ValueError, match=r"pass security=KafkaSecurity"):
            ask()


def test_cluster_of_no_brokers_is_refused():
    """
    A number that can't be is told at once.
    """
    with pytest.raises(ValueError, match=r"at least 1 \(got 0\)"):
        KafkaCluster(brokers=0)


def test_addresses_are_known_before_the_start():
    """
    Of all brokers and for each protocol, and no two are the same.
    """
    cluster = KafkaCluster(brokers=3, security=KafkaSecurity())

    addresses = [
        address
        for protocol in ("PLAINTEXT", "SASL_SSL", "SASL_PLAINTEXT", "SSL")
        for address in cluster.address(protocol).split(",")
    ]

    assert 12 == len(set(addresses))
    assert addresses[:3] == cluster.bootstrap_servers.split(",")
    assert "<KafkaCluster running=0/3>" == repr(cluster)


def test_free_ports_of_one_process_differ():
    """
    Servers take their ports later, so none is given away twice meanwhile.
    """
    ports = [free_port() for _ in range(900)]

    assert 900 == len(set(ports))


def test_properties_escape_what_java_would_misread():
    """
    Backslash, newline, a blank in front and all beyond ASCII.
    """
    text = java_properties({"a": "\\x\ny", "b": " #=:", "c": "ü🙂"})

    assert (
        "a=\\\\x\\ny\n"  # as Java writes them
        "b=\\ #=:\n"
        "c=\\u00fc\\ud83d\\ude42\n"
    ) == text


def test_jaas_quotes_its_options():
    """
    A password ends where it ends.
    """
    line = jaas("plain.PlainLoginModule", password='a"b\\')

    assert line.endswith(r'.PlainLoginModule required password="a\"b\\";')


def test_pem_is_one_line():
    """
    Blanks instead of newlines, none at the end.
    """
    pem = KafkaSecurity().authority

    line = one_line(pem)

    assert pem.split() == line.split()
    assert "\n" not in line
    assert line.endswith("-----END CERTIFICATE-----")

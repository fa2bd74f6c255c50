"""
Secured brokers and clusters let in whom they should, and nobody else.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

from contextlib import closing
from pathlib import Path

import pytest

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    Producer,
    TopicPartition,
)
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    NewTopic,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)
from kafka.net.sasl.oauth import AbstractTokenProvider

from auditlog.testing.services import (
    KafkaCluster,
    KafkaSecurity,
    KafkaServer,
    ServiceError,
    TokenServer,
)
from tests.integration.test_services import ROOT, is_gone, wait_until


SASL = ("SASL_SSL", "SASL_PLAINTEXT")
PASSWORDS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class Token(AbstractTokenProvider):
    def __init__(self, text):
        super().__init__()
        self.text = text

    def token(self):
        return self.text


def login(kafka, protocol, certificate=None, **settings):
    """
    What a client of kafka-python takes; certificate only where TLS is.
    """
    if protocol.endswith("SSL"):
        settings["ssl_context"] = kafka.security.ssl_context(certificate)
    return {
        "bootstrap_servers": kafka.address(protocol).split(","),
        "security_protocol": protocol,
        **settings,
    }


def with_password(kafka, user, mechanism, protocol="SASL_SSL", password=None):
    return login(
        kafka,
        protocol,
        sasl_mechanism=mechanism,
        sasl_plain_username=user,
        sasl_plain_password=password or kafka.security.password(user),
    )


def with_token(kafka, token, protocol="SASL_SSL"):
    return login(
        kafka,
        protocol,
        sasl_mechanism="OAUTHBEARER",
        sasl_oauth_token_provider=Token(token),
    )


def with_certificate(kafka, certificate):
    return login(kafka, "SSL", certificate)


def admin(settings):
    return closing(KafkaAdminClient(bootstrap_timeout_ms=20_000, **settings))


def seen_topics(settings):
    with admin(settings) as client:
        return [name for name in client.list_topics() if name[0] != "_"]


def create(settings, topic, **options):
    with admin(settings) as client:
        client.create_topics([NewTopic(topic, 1, **options)])


def send(settings, topic, *values):
    producer = KafkaProducer(**settings, max_block_ms=20_000, acks="all")
    try:
        for value in values:
            producer.send(topic, value).get(20)
    finally:
        producer.close(1)


def failures(server):
    text = (server.directory / "log").read_text("utf-8", "replace")
    return text.count("Failed authentication with")


def assert_refused(server, settings):
    """
    The client can't come, and it is the broker who says why.
    """
    before = failures(server)

    with pytest.raises(KafkaTimeoutError):
        KafkaAdminClient(**settings, bootstrap_timeout_ms=500)

    assert failures(server) > before


@pytest.fixture(scope="module")
def secret_topic(secured_kafka):
    """
    A topic that alice and odd alone may see.
    """
    create({"bootstrap_servers": secured_kafka.bootstrap_servers}, "secret")
    for user in ("alice", "odd"):
        secured_kafka.grant(user, "topic", "secret", "Describe")
    return "secret"


@pytest.mark.parametrize("user", ["alice", "odd"])
@pytest.mark.parametrize("mechanism", PASSWORDS)
@pytest.mark.parametrize("protocol", SASL)
def test_right_password_gets_in(
    secured_kafka, secret_topic, protocol, mechanism, user
):
    """
    Who knows the password is that user, also if it has all kinds of signs.
    """
    settings = with_password(secured_kafka, user, mechanism, protocol)

    assert [secret_topic] == seen_topics(settings)


@pytest.mark.parametrize("mechanism", PASSWORDS)
@pytest.mark.parametrize("protocol", SASL)
def test_wrong_password_stays_out(secured_kafka, protocol, mechanism):
    """
    Another user's password is as good as none.
    """
    password = secured_kafka.security.password("bob")

    assert_refused(
        secured_kafka,
        with_password(secured_kafka, "alice", mechanism, protocol, password),
    )


@pytest.mark.parametrize("protocol", SASL)
def test_token_gets_in(secured_kafka, secret_topic, protocol):
    """
    The subject of a token that the broker trusts is the user.
    """
    token = secured_kafka.security.tokens.token("alice")

    settings = with_token(secured_kafka, token, protocol)

    assert [secret_topic] == seen_topics(settings)


@pytest.mark.parametrize(
    "make_token",
    [
        lambda tokens: tokens.token("alice", exp=int(time.time()) - 1),
        lambda tokens: tokens.token("alice", aud="elsewhere"),
        lambda tokens: tokens.token("alice", iss="http://elsewhere"),
        lambda tokens: TokenServer({}).token("alice", iss=tokens.issuer),
        lambda tokens: "e30.e30.",
    ],
    ids=["expired", "audience", "issuer", "signature", "unsigned"],
)
def test_token_of_no_use_stays_out(secured_kafka, make_token):
    """
    One that has ended, that is for or from another, or that nobody signed.
    """
    token = make_token(secured_kafka.security.tokens)

    assert_refused(secured_kafka, with_token(secured_kafka, token))


def test_certificate_gets_in(secured_kafka, secret_topic):
    """
    The common name of a certificate is the user.
    """
    certificate = secured_kafka.security.certificate("alice")

    settings = with_certificate(secured_kafka, certificate)

    assert [secret_topic] == seen_topics(settings)


@pytest.mark.parametrize(
    "how", [{"expired": True}, {"foreign": True}, None], ids=str
)
def test_certificate_of_no_use_stays_out(secured_kafka, how):
    """
    One that has ended, one of another authority, or none.
    """
    issue = secured_kafka.security.certificate
    certificate = None if how is None else issue("alice", **how)

    assert_refused(secured_kafka, with_certificate(secured_kafka, certificate))


def test_without_acl_nothing_is_allowed(secured_kafka, secret_topic):
    """
    Who only got in sees no topic, writes to none and makes none.
    """
    bob = with_password(secured_kafka, "bob", "SCRAM-SHA-512")

    assert [] == seen_topics(bob)
    with pytest.raises(TopicAuthorizationFailedError):
        send(bob, secret_topic, b"1")
    with pytest.raises(TopicAuthorizationFailedError):
        create(bob, "bobs-own")
    with pytest.raises(ClusterAuthorizationFailedError), admin(bob) as client:
        client.describe_acls(any_acl())


def any_acl():
    return ACLFilter(
        *(None, None, ACLOperation.ANY, ACLPermissionType.ANY),
        ResourcePatternFilter(
            ResourceType.ANY, None, ACLResourcePatternType.ANY
        ),
    )


def test_grants_are_in_force_on_all_brokers_at_once(kafka_cluster, topic):
    """
    What a user was granted works when the call returns, and then no more.
    """
    alice = with_password(kafka_cluster, "alice", "SCRAM-SHA-256")
    kafka_cluster.grant("alice", "topic", f"{topic}*", "Create", "write")
    for number in range(3):
        create(alice, f"{topic}-{number}", replication_factor=1)
    send(alice, f"{topic}-2", b"1")

    kafka_cluster.revoke("alice", "topic", f"{topic}*", "Write")
    with pytest.raises(TopicAuthorizationFailedError):
        send(alice, f"{topic}-2", b"2")
    create(alice, f"{topic}-4", replication_factor=1)

    kafka_cluster.revoke("alice", "topic", f"{topic}*")
    with pytest.raises(TopicAuthorizationFailedError):
        create(alice, f"{topic}-5", replication_factor=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("topic", "t", "Raed"), "'Raed'; use one of .*READ, WRITE"),
        (("topics", "t", "Read"), "'topics'; use one of .*TOPIC, GROUP"),
        (("topic", "t"), "can't grant 'alice' nothing; name operations"),
    ],
)
def test_misspelt_grants_name_the_right_words(secured_kafka, words, message):
    """
    A typo is told before anything is granted.
    """
    with pytest.raises(ValueError, match=message):
        secured_kafka.grant("alice", *words)


@pytest.mark.parametrize(
    "how",
    [
        {"mechanism": "PLAIN"},
        {"mechanism": "SCRAM-SHA-512"},
        {"mechanism": "OAUTHBEARER"},
        {"protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-256"},
        {"protocol": "SSL"},
    ],
    ids=str,
)
def test_java_client_understands_its_properties(secured_kafka, tmp_path, how):
    """
    The text is what Kafka's own client reads: it comes in as that user.
    """
    secured_kafka.grant("odd", "cluster", "kafka-cluster", "DescribeConfigs")

    result = run_java_client(
        secured_kafka,
        how.get("protocol", "SASL_SSL"),
        secured_kafka.client_properties("odd", **how),
        tmp_path,
    )

    assert "Dynamic configs for broker 1 are:" in result.stdout, result.stderr


def test_java_client_with_another_password_stays_out(secured_kafka, tmp_path):
    """
    The properties carry the credential, not the machine.
    """
    properties = secured_kafka.client_properties("odd", password="wrong")

    result = run_java_client(secured_kafka, "SASL_SSL", properties, tmp_path)

    assert "SaslAuthenticationException" in result.stderr


def run_java_client(server, protocol, properties, folder):
    path = folder / "client.properties"
    path.write_text(properties)
    trusted = server.security.tokens.url
    return subprocess.run(
        [
            *(server._java[0], *server._java[2:]),
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={trusted}",
            *("kafka.admin.ConfigCommand", "--describe"),
            *("--bootstrap-server", server.address(protocol)),
            *("--command-config", str(path)),
            *("--entity-type", "brokers", "--entity-name", "1"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_client_properties_refuse_what_is_not_there(secured_kafka):
    """
    A test with a typo does not become one of a wrong password.
    """
    with pytest.raises(ValueError, match=r"no user 'eve' \(has alice"):
        secured_kafka.client_properties("eve")
    with pytest.raises(ValueError, match="'GSSAPI'; use one of PLAIN"):
        secured_kafka.client_properties("alice", mechanism="GSSAPI")
    with pytest.raises(ValueError, match="no listener for 'SASL'"):
        secured_kafka.client_properties("alice", protocol="SASL")


def test_expired_broker_is_not_trusted():
    """
    A broker whose certificate has expired starts, and clients see it.
    """
    security = KafkaSecurity(expired=True)
    with KafkaServer(security=security) as server:
        host, _, port = server.address("SASL_SSL").partition(":")
        with (
            socket.create_connection((host, int(port))) as connection,
            pytest.raises(
                ssl.SSLCertVerificationError, match="certificate has expired"
            ),
        ):
            security.ssl_context().wrap_socket(
                connection, server_hostname=host
            )


def test_three_copies_survive_the_kill_of_a_broker(kafka_cluster, topic):
    """
    What was confirmed is there without a broker, and more can be written.
    """
    anyone = {"bootstrap_servers": kafka_cluster.bootstrap_servers.split(",")}
    create(
        anyone,
        topic,
        replication_factor=3,
        topic_configs={"min.insync.replicas": "2"},
    )
    producer = Producer(librdkafka(kafka_cluster, acks="all"))
    deliver(producer, topic, b"1")
    victim = leader_of(kafka_cluster, anyone, topic)
    victim.kill()
    try:
        deliver(producer, topic, b"2")

        assert [b"1", b"2"] == read(kafka_cluster, topic, 2)
        assert 2 == sum(each.running for each in kafka_cluster.servers)
    finally:
        kafka_cluster.start()
    assert all(each._knows({1, 2, 3}) for each in kafka_cluster.servers)


def librdkafka(cluster, **settings):
    """
    Another client than kafka-python, which leaves sockets that were refused.
    """
    return {"bootstrap.servers": cluster.bootstrap_servers, **settings}


def deliver(producer, topic, value):
    errors = []
    producer.produce(topic, value, on_delivery=lambda e, _: errors.append(e))
    producer.flush(30)
    assert [None] == errors


def leader_of(cluster, settings, topic):
    with admin(settings) as client:
        (found,) = client.describe_topics([topic])
    return cluster.servers[found["partitions"][0]["leader_id"] - 1]


def read(cluster, topic, count):
    consumer = Consumer(librdkafka(cluster, **{"group.id": topic}))
    with closing(consumer):
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        return [each.value() for each in consumer.consume(count, timeout=30)]


def test_cluster_keeps_its_data_and_leaves_nothing(topic):
    """
    Two brokers stopped together come back; closed, they and all else is gone.
    """
    cluster = KafkaCluster(brokers=2, security=KafkaSecurity())
    with cluster:
        anyone = {"bootstrap_servers": cluster.bootstrap_servers.split(",")}
        create(anyone, topic, replication_factor=2)
        cluster.stop()
        assert not any(each.running for each in cluster.servers)
        cluster.start()
        assert [topic] == seen_topics(anyone)
        found = [(each.pid, each.directory) for each in cluster.servers]
        tokens = cluster.security.tokens
        assert tokens.running
    cluster.close()

    assert not tokens.running
    for pid, directory in found:
        assert is_gone(pid)
        assert not directory.exists()


ORPHANS = """
import json, time
from auditlog.testing.services import KafkaCluster

cluster = KafkaCluster(brokers=2)
cluster.start()
found = [(each.pid, str(each.directory)) for each in cluster.servers]
print(json.dumps(found), flush=True)
time.sleep(60)
"""


def test_cluster_ends_with_the_process_that_started_it():
    """
    Its data was made in threads that have ended: only the process counts.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHANS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with process.stdout:
        found = json.loads(process.stdout.readline())
    assert not any(is_gone(pid) for pid, _ in found)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    for pid, directory in found:
        wait_until(lambda pid=pid: is_gone(pid))
        wait_until(lambda path=directory: not Path(path).exists())


def test_cluster_that_cannot_start_shows_a_log_and_leaves_nothing():
    """
    Who reads the error needs not look for the broker that failed.
    """
    cluster = KafkaCluster(brokers=2, config={"num.io.threads": "0"})
    with pytest.raises(ServiceError, match=r"(.*\n)*.*num.io.threads"):
        cluster.start()

    for each in cluster.servers:
        with pytest.raises(ServiceError, match="no directory"):
            _ = each.directory

"""
KafkaSink and KafkaReader on brokers that ask who comes, and what may be done.
"""

from __future__ import annotations

import contextlib
import logging
import re

from contextlib import nullcontext as nothing
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from auditlog import AuditLogPublisher, PostgresReader
from auditlog.config import AuditLogConfig, ClusterConfig, TopicConfig
from auditlog.errors import (
    ReadError,
    SinkError,
    SinkSetupError,
    SinkUnavailableError,
)
from auditlog.kafka import KafkaReader, KafkaSink
from auditlog.kafka import tokens as tokens_module
from auditlog.testing.contracts import make_record
from auditlog.testing.services import KafkaSecurity, KafkaServer, TokenServer
from tests.fix_services import running
from tests.kafka_tools import make_event, records, wait_until_quiet


DOCS = Path(__file__).parents[2] / "docs"

# What the documentation asks for, to publish and to read. Write and Read bring
# Describe with them.
LEAST = ("Create", "Write")
MORE = ("DescribeConfigs", "Read")

MODES = [
    ("SASL_SSL", "PLAIN"),
    ("SASL_SSL", "SCRAM-SHA-256"),
    ("SASL_SSL", "SCRAM-SHA-512"),
    ("SASL_SSL", "OAUTHBEARER"),
    ("SASL_PLAINTEXT", "PLAIN"),
    ("SASL_PLAINTEXT", "SCRAM-SHA-512"),
    ("SSL", ""),
]


def make_cluster(server, user="alice", *, protocol="SASL_SSL", **how):
    """
    How *user* comes to *server*.
    """
    ignore = how.pop("ignore", False)
    more = how.pop("more", "")
    how = {name: value for name, value in how.items() if value}
    properties = server.client_properties(user, protocol=protocol, **how)
    return ClusterConfig(
        id="prod",
        bootstrap_servers=server.address(protocol),
        properties=f"{properties}\n{more}",
        ignore_untrusted_certificate=ignore,
    )


@pytest.fixture
def make_sink(topic):
    sinks = []

    def make(cluster, topic=topic, **settings):
        sinks.append(KafkaSink(cluster, topic, **settings))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()
    assert wait_until_quiet() == []


@pytest.fixture
def allow(topic):
    """
    Lets users do something with this test's topic, until the test ends.
    """
    with contextlib.ExitStack() as stack:

        def allow(server, *operations, user="alice"):
            server.grant(user, "topic", topic, *operations)
            stack.callback(server.revoke, user, "topic", topic)

        yield allow


def refusal(sink, kind=SinkSetupError):
    """
    Why *sink* can't write; the documentation has to know of it.
    """
    with pytest.raises(kind) as caught:
        sink.write([make_record()])
    said = str(caught.value)
    rows = documented(said.partition(". ")[0])
    assert not rows or any(re.search(row, said) for row in rows), said
    return said


def documented(kind):
    """
    What the page says of reasons of that *kind*, as patterns.
    """
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    section = re.search(rf"\n## `{kind}\. …`\n(.*?)\n## ", page, re.DOTALL)
    assert section, kind
    rows = re.findall(r"^\| (`.*?`) \|", section[1], re.MULTILINE)
    texts = [text for row in rows for text in re.findall("`(.*?)`", row)]
    return [re.escape(each).replace("…", ".*") for each in texts]


# Who comes


@pytest.mark.parametrize(("protocol", "mechanism"), MODES)
def test_publish_create_and_read(
    secured_kafka, make_sink, topic, allow, protocol, mechanism
):
    """
    With every way to log in, and the least ACLs, the topic is created, events
    are stored, and read back byte for byte.
    """
    allow(secured_kafka, *LEAST, *MORE)
    cluster = make_cluster(
        secured_kafka, protocol=protocol, mechanism=mechanism
    )
    written = records(5)
    sink = make_sink(
        cluster, topic_config=TopicConfig(properties="retention.ms=-1")
    )

    sink.write(written)

    assert [each.body for each in KafkaReader(cluster, topic)] == [
        each.body for each in written
    ]
    assert sink.last_index() == 5


def test_password_that_is_hard_to_write_down(secured_kafka, make_sink, allow):
    """
    Quotes, backslashes, commas, equals signs and an emoji in a password.
    """
    allow(secured_kafka, *LEAST, user="odd")
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        cluster = make_cluster(secured_kafka, "odd", mechanism=mechanism)
        make_sink(cluster).write([make_record()])


def test_any_certificate_will_do(secured_kafka, make_sink, allow):
    """
    ``ignoreUntrustedCertificate`` takes a broker whose issuer is unknown.
    """
    allow(secured_kafka, *LEAST)
    known = make_cluster(secured_kafka)
    text = re.sub("ssl.truststore.*", "", known.properties.reveal())
    unknown = ClusterConfig(
        id="prod",
        bootstrap_servers=known.bootstrap_servers,
        properties=text,
        ignore_untrusted_certificate=True,
    )

    make_sink(unknown).write([make_record()])


def test_tokens_are_kept(secured_kafka, make_sink, topic, allow):
    """
    One token serves all connections while it is good.
    """
    allow(secured_kafka, *LEAST, *MORE)
    cluster = make_cluster(
        secured_kafka,
        mechanism="OAUTHBEARER",
        more=f"sasl.oauthbearer.scope=a{uuid4().hex}",
    )
    before = secured_kafka.security.tokens.requests
    sink = make_sink(cluster)
    sink.write([make_record()])
    sink.write([make_record()])
    assert sum(1 for _ in KafkaReader(cluster, topic)) == 2

    assert secured_kafka.security.tokens.requests == before + 1


@pytest.mark.parametrize(
    "mechanism", ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"]
)
@pytest.mark.parametrize("right", [True, False])
def test_secrets_are_not_logged(
    secured_kafka, make_sink, allow, caplog, mechanism, right
):
    """
    Neither password nor token is in any log, at any level, nor in an error.
    """
    allow(secured_kafka, *LEAST)
    caplog.set_level(logging.DEBUG)
    password = "alice-secret" if right else "c4n4ry"
    cluster = make_cluster(
        secured_kafka, mechanism=mechanism, password=password
    )
    sink = make_sink(cluster)

    with contextlib.suppress(SinkError) if not right else nothing():
        sink.write([make_record()])

    assert password not in caplog.text
    tokens = [token for _, token in tokens_module._kept.values()]
    assert not any(token in caplog.text for token in tokens)
    assert password not in repr(cluster) + repr(sink) + repr(cluster.client())


def test_settings_of_a_deployment(
    secured_kafka, topic, allow, database_url, tmp_path
):
    """
    The variables of the product that wrote this topic before, as they are:
    events are stored in the database and arrive in the topic.
    """
    allow(secured_kafka, *LEAST, *MORE)
    cluster = make_cluster(secured_kafka)
    address = urlsplit(database_url)
    secret = tmp_path / "properties"
    secret.write_text(cluster.properties.reveal().replace("\n", "\\n"))
    config = AuditLogConfig.from_env(
        {
            "CDK_ORGANIZATION_NAME": "conduktor",
            "CDK_DATABASE_HOST": address.hostname,
            "CDK_DATABASE_PORT": str(address.port),
            "CDK_DATABASE_NAME": address.path.strip("/"),
            "CDK_DATABASE_USERNAME": address.username,
            "CDK_AUDITLOGPUBLISHER_CLUSTER": "prod",
            "CDK_AUDITLOGPUBLISHER_TOPICNAME": topic,
            "CDK_CLUSTERS_0_ID": "iam",
            "CDK_CLUSTERS_0_NAME": "Amazon MSK IAM",
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "b-1.example.com:9098",
            "CDK_CLUSTERS_0_PROPERTIES": "sasl.mechanism=AWS_MSK_IAM",
            "CDK_CLUSTERS_1_ID": "prod",
            "CDK_CLUSTERS_1_NAME": "Production",
            "CDK_CLUSTERS_1_COLOR": "#FF9900",
            "CDK_CLUSTERS_1_BOOTSTRAPSERVERS": ",".join(
                cluster.bootstrap_servers
            ),
            "CDK_CLUSTERS_1_PROPERTIES_FILE": str(secret),
        }
    )
    with AuditLogPublisher.from_config(config) as publisher:
        for n in range(5):
            publisher.publish(make_event(n))
        publisher.wait_delivered(30)

    assert [r.body for r in KafkaReader(config.cluster("prod"), topic)] == [
        r.body for r in PostgresReader(config.database)
    ]


def test_publishing_has_a_login_of_its_own(
    secured_kafka, make_sink, topic, allow
):
    """
    Properties of the publisher win over those of the cluster.
    """
    allow(secured_kafka, *LEAST, user="bob")
    cluster = make_cluster(secured_kafka, "alice")
    bob = make_cluster(secured_kafka, "bob").properties

    make_sink(cluster, properties=bob).write([make_record()])
    assert "Not authorized" in refusal(make_sink(cluster))


# What may be done


def test_least_acls_suffice(secured_kafka, make_sink, allow, caplog):
    """
    Nothing but Create and Write on the topic is needed to publish.
    """
    allow(secured_kafka, *LEAST)
    sink = make_sink(make_cluster(secured_kafka))

    sink.write(records(3))

    assert "may not be" not in caplog.text


@pytest.mark.parametrize("missing", LEAST)
def test_each_missing_acl_is_named(
    secured_kafka, make_sink, topic, allow, missing
):
    """
    Without one of the least ACLs the line says which, and with it all is well
    again by itself.
    """
    allow(secured_kafka, *(each for each in LEAST if each != missing))
    sink = make_sink(make_cluster(secured_kafka))

    said = refusal(sink)
    allow(secured_kafka, missing)
    sink.write([make_record()])

    assert said.startswith(("Not authorized. ", "Wrong set-up. Could not "))
    assert missing in said
    assert topic in said


def test_create_is_not_needed_where_the_topic_is(
    secured_kafka, make_sink, topic, allow
):
    """
    Who creates the topic beforehand need not let applications do so.
    """
    allow(secured_kafka, *LEAST, user="bob")
    make_sink(make_cluster(secured_kafka, "bob")).write([make_record()])
    allow(secured_kafka, "Write")

    make_sink(make_cluster(secured_kafka)).write([make_record()])


def test_not_allowed_to_read(secured_kafka, make_sink, topic, allow, caplog):
    """
    A reader says what it lacks; a relay goes on without a look at the topic's
    end, with one warning.
    """
    allow(secured_kafka, *LEAST)
    cluster = make_cluster(secured_kafka)
    sink = make_sink(cluster)
    sink.write(records(2))

    assert sink.last_index() is None
    assert sink.last_index() is None
    with pytest.raises(ReadError, match="grant the ACLs Read"):
        list(KafkaReader(cluster, topic))

    warnings = [
        each.getMessage()
        for each in caplog.records
        if each.name == "auditlog.kafka" and each.levelno == logging.WARNING
    ]
    assert len(warnings) == 1
    assert "grant the ACL Read" in warnings[0]


# Reasons


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_wrong_password(secured_kafka, make_sink, protocol, mechanism):
    """
    A wrong password is a refused login, and is not shown.
    """
    cluster = make_cluster(
        secured_kafka,
        protocol=protocol,
        mechanism=mechanism,
        password="hunter2",
    )

    assert refusal(make_sink(cluster)) == (
        f"Not authenticated. {secured_kafka.address(protocol)} refuses the "
        f"login with {mechanism}; correct username and password in "
        "sasl.jaas.config"
    )


def test_wrong_mechanism(secured_kafka, make_sink):
    """
    A mechanism that the broker does not take, with those that it takes.
    """
    with running(
        lambda: KafkaServer(
            config={
                "listener.name.sasl_ssl.sasl.enabled.mechanisms": (
                    "SCRAM-SHA-512"
                )
            },
            security=KafkaSecurity(),
        )
    ) as server:
        cluster = make_cluster(server, mechanism="PLAIN")
        said = refusal(make_sink(cluster))

    assert said == (
        f"Not authenticated. {server.address('SASL_SSL')} does not take SASL "
        "mechanism PLAIN but SCRAM-SHA-512; change sasl.mechanism"
    )


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (
            {"expired": True},
            (
                ", which expired on 2020-01-01; renew "
                "ssl.keystore.certificate.chain"
            ),
        ),
        (
            {"foreign": True},
            (
                " (certificate unknown); give one of an issuer that the "
                "brokers trust in ssl.keystore.certificate.chain"
            ),
        ),
    ],
)
def test_certificate_that_the_broker_refuses(
    secured_kafka, make_sink, how, reason
):
    """
    A certificate of ours that is too old, or from nobody known.
    """
    certificate = secured_kafka.security.certificate("alice", **how)
    cluster = make_cluster(
        secured_kafka, protocol="SSL", certificate=certificate, mechanism=""
    )

    assert refusal(make_sink(cluster)) == (
        f"Not trusted. {secured_kafka.address('SSL')} does not accept our "
        f"certificate{reason}"
    )


def test_certificate_forgotten(secured_kafka, make_sink):
    """
    A listener that wants a certificate says so, whatever the version of TLS.
    """
    for version in ("TLSv1.2", "TLSv1.3"):
        properties = make_cluster(
            secured_kafka, protocol="SSL", mechanism=""
        ).properties.reveal()
        cluster = ClusterConfig(
            id="prod",
            bootstrap_servers=secured_kafka.address("SSL"),
            properties=re.sub("ssl.keystore.*", "", properties)
            + f"\nssl.enabled.protocols={version}",
        )

        said = refusal(make_sink(cluster))

        assert said.startswith(
            f"Not trusted. {secured_kafka.address('SSL')} does not accept our "
            "certificate ("
        ), version


def test_broker_that_nobody_vouches_for(secured_kafka, make_sink):
    """
    Without the issuer's certificate the broker is not believed.
    """
    properties = make_cluster(secured_kafka).properties.reveal()
    cluster = ClusterConfig(
        id="prod",
        bootstrap_servers=secured_kafka.address("SASL_SSL"),
        properties=re.sub("ssl.truststore.*", "", properties),
    )

    said = refusal(make_sink(cluster))

    assert said.startswith(
        "Not trusted. The certificate of "
        f"{secured_kafka.address('SASL_SSL')} is not accepted: "
    )
    assert said.endswith(
        "; put the certificate of its issuer in ssl.truststore.certificates"
    )


def test_broker_whose_certificate_expired(make_sink):
    """
    An expired certificate of the broker's is told as such.
    """
    security = KafkaSecurity(expired=True)
    with running(lambda: KafkaServer(security=security)) as server:
        said = refusal(make_sink(make_cluster(server)))

    assert said == (
        f"Not trusted. The certificate of {server.address('SASL_SSL')} is "
        "not accepted: certificate has expired; the broker needs a new one "
        "(or set this machine's clock)"
    )


def test_broker_under_another_name(secured_kafka, make_sink):
    """
    A certificate for another name is not accepted, unless that is said.
    """
    cluster = make_cluster(secured_kafka)
    other = cluster.bootstrap_servers[0].replace("127.0.0.1", "127.0.0.2")
    elsewhere = ClusterConfig(
        id="prod", bootstrap_servers=other, properties=cluster.properties
    )

    said = refusal(make_sink(elsewhere), SinkError)

    assert said.startswith(("Not trusted. ", "Unreachable. "))
    if "refuses connections" not in said:  # it may listen on one address only
        assert "use the name that it is for in bootstrapServers" in said


@pytest.mark.parametrize(
    ("protocol", "listener", "reason"),
    [
        ("PLAINTEXT", "SSL", "speaks TLS, the cluster's properties do not"),
        (
            "PLAINTEXT",
            "SASL_PLAINTEXT",
            "hangs up, as if it expected TLS or a SASL login; set security",
        ),
        ("SASL_SSL", "PLAINTEXT", "knows no TLS; give the port"),
        ("SSL", "PLAINTEXT", "knows no TLS; give the port"),
        ("SASL_SSL", "SSL", "does not accept our certificate"),
        ("SASL_PLAINTEXT", "PLAINTEXT", "has no login; set security.proto"),
        ("SASL_PLAINTEXT", "SASL_SSL", "speaks TLS, the cluster's properties"),
        ("SSL", "SASL_SSL", "hangs up, as if it expected a SASL login"),
    ],
)
def test_wrong_port(secured_kafka, make_sink, protocol, listener, reason):
    """
    Each listener that is taken for another is told as what it is.
    """
    right = make_cluster(
        secured_kafka,
        protocol=protocol,
        mechanism="SCRAM-SHA-512" if "SASL" in protocol else "",
    )
    address = secured_kafka.address(listener)
    wrong = ClusterConfig(
        id="prod", bootstrap_servers=address, properties=right.properties
    )

    said = refusal(make_sink(wrong), SinkError)

    assert f"{address} {reason}" in said


def test_token_endpoint_refuses(secured_kafka, make_sink):
    """
    An endpoint that refuses the client is named, with its own code.
    """
    cluster = make_cluster(
        secured_kafka, mechanism="OAUTHBEARER", password="hunter2"
    )

    said = refusal(make_sink(cluster))

    assert said == (
        "Not authenticated. The token endpoint "
        f"{_origin(secured_kafka.security.tokens.url)} refuses the client "
        "(HTTP 401, invalid_client); check clientId, clientSecret and scope"
    )


def test_token_endpoint_is_away(secured_kafka, make_sink, allow):
    """
    An endpoint that is away is tried again, as a broker is.
    """
    allow(secured_kafka, *LEAST)
    own = TokenServer(secured_kafka.security.users)
    own.start()
    own.close()
    properties = make_cluster(
        secured_kafka, mechanism="OAUTHBEARER"
    ).properties.reveal()
    cluster = ClusterConfig(
        id="prod",
        bootstrap_servers=secured_kafka.address("SASL_SSL"),
        properties=properties.replace(
            secured_kafka.security.tokens.url, own.url
        ),
    )

    said = refusal(make_sink(cluster), SinkUnavailableError)

    assert said.startswith(
        f"Unreachable. The token endpoint {_origin(own.url)} does not answer"
    )


def test_token_that_the_broker_refuses(secured_kafka, make_sink):
    """
    A token of an issuer that the broker does not trust is a refused login.
    """
    with TokenServer(secured_kafka.security.users) as other:
        properties = make_cluster(
            secured_kafka, mechanism="OAUTHBEARER"
        ).properties.reveal()
        cluster = ClusterConfig(
            id="prod",
            bootstrap_servers=secured_kafka.address("SASL_SSL"),
            properties=properties.replace(
                secured_kafka.security.tokens.url, other.url
            ),
        )
        said = refusal(make_sink(cluster))

    assert "refuses the login with OAUTHBEARER" in said


def _origin(url):
    return re.match("https?://[^/]+", url)[0]


# Several brokers


def test_cluster_of_three(kafka_cluster, make_sink, topic, allow):
    """
    A topic with three copies is created, written to and read while any one
    broker is away, whichever are named.
    """
    allow(kafka_cluster, *LEAST, *MORE)
    cluster = make_cluster(kafka_cluster)
    config = TopicConfig(
        partition=3, replication_factor=3, properties="min.insync.replicas=2"
    )
    sink = make_sink(cluster, topic_config=config)
    written = records(30)
    sink.write(written[:10])

    server = kafka_cluster.servers[1]
    server.kill()
    try:
        _write_on(sink, written[10:20])
    finally:
        server.start()
    _write_on(sink, written[20:])

    found = {each.body for each in KafkaReader(cluster, topic)}
    assert found == {each.body for each in written}


def _write_on(sink, batch):
    """
    As a relay does: again and again until it is stored.
    """
    for _ in range(20):
        with contextlib.suppress(SinkUnavailableError):
            sink.write(batch)
            return
    raise AssertionError("not stored after 20 attempts")


def test_too_few_brokers(kafka_cluster, make_sink, topic, allow):
    """
    A replication factor that the cluster can't give, in the broker's words.
    """
    allow(kafka_cluster, *LEAST)
    sink = make_sink(
        make_cluster(kafka_cluster),
        topic_config=TopicConfig(replication_factor=5),
    )

    said = refusal(sink)

    assert said.startswith(
        f"Wrong set-up. Could not create topic {topic!r} on cluster 'prod' "
        "with 1 partition and replication factor 5: "
        "INVALID_REPLICATION_FACTOR"
    )
    assert said.endswith(
        "; start more brokers, or lower "
        "audit_log_publisher.topicConfig.replicationFactor"
    )


def test_not_enough_replicas(kafka_cluster, make_sink, topic, allow):
    """
    Where too few replicas are in sync the line says how many there are.
    """
    allow(kafka_cluster, *LEAST, *MORE)
    sink = make_sink(
        make_cluster(kafka_cluster),
        topic_config=TopicConfig(
            replication_factor=3, properties="min.insync.replicas=3"
        ),
        delivery_timeout=5.0,
    )
    sink.write([make_record()])
    server = kafka_cluster.servers[2]
    server.kill()
    try:
        said = [refusal(sink, SinkError) for _ in range(3)]
    finally:
        server.start()
    _write_on(sink, [make_record()])

    assert (
        f"Unreachable. Topic {topic!r} has 2 replicas in sync and needs 3 "
        "(min.insync.replicas); start the brokers that are away"
    ) in said

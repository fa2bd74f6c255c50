"""
KafkaSink on a real broker that works.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import subprocess
import sys
import textwrap

import attrs
import confluent_kafka
import pytest

from cloudevents.core.bindings import kafka as cloudevents_kafka
from kafka import KafkaProducer
from kafka.admin import ConfigResource
from kafka.producer.sender import Sender

from auditlog import codec
from auditlog.abc import DeadLetter
from auditlog.config import ClusterRegistry, TopicConfig
from auditlog.errors import (
    ClusterNotFoundError,
    ConfigError,
    EventRefusedError,
    PartialWriteError,
    SinkSetupError,
    SinkUnavailableError,
)
from auditlog.event import Actor, Resource
from auditlog.kafka import KafkaReader, KafkaSink
from auditlog.kafka.errors import TopicGoneError
from auditlog.testing.contracts import SinkContract, make_record
from tests.kafka_tools import (
    admin,
    bulky,
    cluster_at,
    consume,
    create,
    delete,
    describe,
    noise,
    produce,
    records,
    wait_until_quiet,
)


TEXT = "\u2028 é \U0001f600"


@pytest.fixture
def cluster(bootstrap_servers):
    return cluster_at(bootstrap_servers)


@pytest.fixture
def make_sink(cluster, topic):
    """
    Builds sinks and closes them, and sees that nothing of them stays.
    """
    sinks = []

    def make(where=cluster, topic=topic, **settings):
        sinks.append(KafkaSink(where, topic, **settings))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()
    assert wait_until_quiet() == []


@pytest.fixture
def contents(bootstrap_servers, topic):
    """
    What is in the topic now.
    """
    return lambda: consume(bootstrap_servers, topic)


@pytest.fixture
def make_topic(bootstrap_servers, topic):
    """
    Creates the topic beforehand.
    """
    return lambda **config: create(bootstrap_servers, topic, **config)


@pytest.fixture
def described(bootstrap_servers, topic):
    """
    How the topic is now.
    """
    return lambda: describe(bootstrap_servers, topic)


@pytest.fixture
def settings_of(bootstrap_servers, topic):
    """
    The settings of the topic now.
    """

    def settings():
        wanted = [ConfigResource("topic", topic)]
        with admin(bootstrap_servers) as client:
            found = client.describe_configs(wanted, config_filter="all")
        entries = found["topic"][topic].items()
        return {name: entry["value"] for name, entry in entries}

    return settings


class TestKafkaSink(SinkContract):
    stores_once = False

    @pytest.fixture(autouse=True)
    def _given(self, make_sink, cluster, topic):
        self.make_sink = make_sink
        self.reader = KafkaReader(cluster, topic)

    def read_back(self, sink):
        return list(self.reader)


# Records


def test_record_is_body_key_and_headers(make_sink, topic, contents):
    """
    What consumers may route by lies beside the body, which is as it was.
    """
    record = attrs.evolve(
        make_record(
            event_type="Kafka.Topic.Create",
            resource=Resource(
                type="topic",
                id="orders",
                parent=Resource(type="kafkacluster", id="production"),
            ),
        ),
        index=7,
    )
    body = json.loads(record.body)

    make_sink().write([record])

    (found,) = contents()
    assert found.value == record.body
    assert found.key == b"//kafka/kafkacluster/production/topic/orders"
    assert found.headers == [
        ("content-type", b"application/cloudevents+json; charset=UTF-8"),
        ("ce_id", str(record.event_id).encode()),
        ("ce_type", b"Kafka.Topic.Create"),
        ("ce_source", body["source"].encode()),
        ("ce_time", body["time"].encode()),
        ("audit-index", b"7"),
    ]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("resource", b"//contract/thing/1"),
        ("event_id", None),
        ("actor", b"alice"),
        ("tenant", b"acme"),
        (lambda record: record.body[:3], b'{"s'),
        (lambda _: None, None),
        (None, None),
    ],
)
def test_key_is_as_chosen(make_sink, cluster, key, expected, contents):
    """
    The key, and so the partition, is the application's choice.
    """
    record = make_record(actor=Actor(id="alice"), tenant="acme")
    if key == "event_id":
        expected = str(record.event_id).encode()

    make_sink(key=key).write([record])

    assert [expected] == [m.key for m in contents()]


def test_event_without_actor_or_tenant_has_no_key(
    make_sink, cluster, topic, contents
):
    """
    What an event doesn't have can't be its key.
    """
    make_sink(key="actor").write([make_record()])
    make_sink(key="tenant").write([make_record()])

    assert [m.key for m in contents()] == [None, None]


def test_unknown_key_is_refused(cluster):
    """
    A misspelt key is found when the sink is built.
    """
    with pytest.raises(ValueError, match=r"'key' must be .* \(got 'actr'\)"):
        KafkaSink(cluster, "t", key="actr")


def test_conduktor_body_has_its_own_type_in_the_header(make_sink, contents):
    """
    Headers mirror the body, in whichever dialect it is.
    """
    event = make_record().event
    body = codec.ConduktorCodec().encode(event)
    record = attrs.evolve(make_record(), event_id=event.event_id, body=body)

    make_sink().write([record])

    (found,) = contents()
    assert found.value == body
    assert dict(found.headers)["ce_type"] == (
        b"AuditLogEventType(Contract,Thing,Create)"
    )


def test_other_clients_read_the_topic(make_sink, bootstrap_servers, topic):
    """
    librdkafka gets the same bytes, and an independent CloudEvents parser
    the same event.
    """
    sent = records(300, metadata={"text": TEXT})
    make_sink().write(sent)

    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    found = []
    while len(found) < len(sent):
        found += consumer.consume(len(sent) - len(found), timeout=10)
    consumer.close()

    assert [r.body for r in sent] == [m.value() for m in found]
    headers = dict(found[0].headers())
    assert headers["ce_id"] == str(sent[0].event_id).encode()
    assert headers["audit-index"] == b"1"
    parsed = cloudevents_kafka.from_structured_event(
        cloudevents_kafka.KafkaMessage(
            headers=headers, key=found[0].key(), value=found[0].value()
        )
    )
    event = sent[0].event
    assert parsed.get_id() == str(event.event_id)
    assert parsed.get_type() == event.event_type
    assert parsed.get_time() == event.occurred_at
    assert parsed.get_data()["metadata"] == {"text": TEXT}


def test_skewed_clock_of_a_host_does_no_harm(make_sink, contents):
    """
    Brokers refuse timestamps of tomorrow; that of a record is the time of
    sending, whatever the event says.
    """
    now = dt.datetime.now(dt.UTC)
    times = [
        now + dt.timedelta(days=9),
        dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    ]

    make_sink().write([make_record(occurred_at=time) for time in times])

    found = contents()
    assert [codec.decode(m.value).occurred_at for m in found] == times
    for message in found:
        assert abs(message.timestamp / 1000 - now.timestamp()) < 60


def test_same_key_goes_where_other_clients_send_it(
    make_sink, bootstrap_servers, topic, make_topic
):
    """
    The partition of a key is that of kafka-python, and so of the Java client.
    """
    make_topic(partitions=5)
    sent = [
        make_record(resource=Resource(type="thing", id=f"é{n}" * (1 + n * 9)))
        for n in range(40)
    ]
    make_sink().write(sent)
    ours = {m.key: m.partition for m in consume(bootstrap_servers, topic)}

    sent = produce(
        bootstrap_servers, topic, *({"key": k, "value": b""} for k in ours)
    )

    assert list(ours.values()) == [m.partition for m in sent]
    assert set(ours.values()) == set(range(5))


def test_order_holds_in_each_partition(make_sink, topic, contents):
    """
    First appearances follow the order of writing.
    """
    sink = make_sink(topic_config=TopicConfig(partition=3))
    sent = [
        attrs.evolve(record, index=n)
        for n in range(1, 1501)
        for record in [make_record(resource=Resource(type="t", id=str(n % 9)))]
    ]

    for start in range(0, 1500, 500):
        sink.write(sent[start : start + 500])

    found = contents()
    assert sorted(r.body for r in sent) == sorted(m.value for m in found)
    for number in range(3):
        indexes = [
            int(dict(m.headers)["audit-index"])
            for m in found
            if m.partition == number
        ]
        assert indexes == sorted(indexes)
        assert len(indexes) > 100


# The topic


def test_topic_is_created_as_configured(make_sink, described):
    """
    With the configured number of partitions, on purpose.
    """
    sink = make_sink(topic_config=TopicConfig(partition=3))

    sink.write([make_record()])

    assert len(described()["partitions"]) == 3


def test_topic_is_created_with_the_brokers_defaults(make_sink, described):
    """
    -1 leaves the numbers to the broker.
    """
    sink = make_sink(
        topic_config=TopicConfig(partition=-1, replication_factor=-1)
    )

    sink.write([make_record()])

    assert len(described()["partitions"]) == 1


def test_existing_topic_is_used_with_one_warning(
    make_sink, topic, caplog, make_topic, described
):
    """
    All differences in one line, once, and nothing is altered.
    """
    make_topic(partitions=2, cleanup_policy="compact")
    sink = make_sink(
        topic_config=TopicConfig(partition=6, replication_factor=3)
    )

    sink.write([make_record()])
    sink.close()
    sink.write([make_record()])

    (warning,) = [
        each for each in caplog.records if each.name == "auditlog.kafka"
    ]
    assert warning.levelno == logging.WARNING
    assert warning.getMessage() == (
        f"Topic {topic!r} on cluster 'prod' is used as it is: it has "
        "2 partitions and not 6; replication factor 1 and not 3; "
        "cleanup.policy compact, which deletes older events of the same key"
    )
    assert len(described()["partitions"]) == 2


def test_existing_topic_as_configured_is_no_news(
    make_sink, caplog, make_topic
):
    """
    No difference, no line; the broker's default can't differ.
    """
    make_topic(partitions=2)
    for config in (
        TopicConfig(partition=2),
        TopicConfig(partition=-1, replication_factor=-1),
    ):
        make_sink(topic_config=config).write([make_record()])

    assert [e for e in caplog.records if e.name == "auditlog.kafka"] == []


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        (
            "no-topic-yet",
            TopicConfig(replication_factor=3),
            "INVALID_REPLICATION_FACTOR, .*only 1 broker.*; start more",
        ),
        ("no topic's name", TopicConfig(), "is no name of a Kafka topic"),
        ("x" * 250, TopicConfig(), "is no name of a Kafka topic"),
    ],
)
def test_creation_that_fails_is_told_at_once(
    make_sink, bootstrap_servers, name, config, reason
):
    """
    With the broker's own words, at each attempt, and with no topic made by
    the broker itself instead.
    """
    sink = make_sink(topic=name, topic_config=config)

    for _ in range(2):
        with pytest.raises(SinkSetupError, match=f"Wrong set-up.*{reason}"):
            sink.write([make_record()])

    assert describe(bootstrap_servers, name)["error_code"]


def test_creation_that_failed_is_tried_again(
    make_sink, cluster, topic, contents, make_topic
):
    """
    Once somebody made the topic, events go in.
    """
    sink = make_sink(topic_config=TopicConfig(replication_factor=3))
    with pytest.raises(SinkSetupError):
        sink.write([make_record()])
    make_topic()

    sink.write([record := make_record()])

    assert [record.body] == [m.value for m in contents()]


def test_topic_deleted_while_running_is_created_again(
    make_sink, bootstrap_servers, topic, contents, described
):
    """
    The loss is noticed long before the deadline, and made good.
    """
    sink = make_sink(topic_config=TopicConfig(partition=2))
    sink.write([make_record()])
    delete(bootstrap_servers, topic)
    record = make_record()

    with pytest.raises(SinkUnavailableError, match="is not there") as caught:
        sink.write([record])
    sink.write([record])

    assert [record.body] == [m.value for m in contents()]
    assert len(described()["partitions"]) == 2
    assert isinstance(caught.value.__cause__, TopicGoneError)


def test_created_with_its_settings(make_sink, settings_of):
    """
    A new topic has the settings that are configured, and no warning.
    """
    config = TopicConfig(
        partition=2,
        properties="retention.ms=-1\n# for ever\ncleanup.policy = delete",
    )
    make_sink(topic_config=config).write([make_record()])

    found = settings_of()
    assert found["retention.ms"] == "-1"
    assert found["cleanup.policy"] == "delete"


def test_settings_that_differ(make_sink, make_topic, caplog):
    """
    A setting of an existing topic that is not as configured is named.
    """
    make_topic(retention_ms=1000)
    config = TopicConfig(properties="retention.ms=-1")

    make_sink(topic_config=config).write([make_record()])

    assert "it has retention.ms 1000 and not -1" in caplog.text


def test_created_compacted(make_sink, caplog):
    """
    Who wants a compacted topic is told what it does, on a new one as well.
    """
    config = TopicConfig(properties="cleanup.policy=compact")

    make_sink(topic_config=config).write([make_record()])

    assert "compact, which deletes older events of the same key" in caplog.text


def test_setting_that_the_broker_refuses(make_sink, topic):
    """
    A value that no topic can have is the broker's to refuse, in its words.
    """
    config = TopicConfig(properties="retention.ms=a week")

    with pytest.raises(SinkSetupError) as caught:
        make_sink(topic_config=config).write([make_record()])

    said = str(caught.value)
    assert f"Could not create topic {topic!r}" in said
    assert "INVALID_CONFIG" in said
    assert said.endswith(
        "; correct audit_log_publisher.topicConfig.properties"
    )


def test_producer_settings(make_sink, cluster, contents, monkeypatch):
    """
    What the properties say of producers reaches kafka-python; acks stays.
    """
    built = []
    original = KafkaProducer.__init__

    def init(self, **settings):
        built.append(settings)
        original(self, **settings)

    monkeypatch.setattr(KafkaProducer, "__init__", init)
    tuned = attrs.evolve(
        cluster,
        properties="linger.ms=50\ncompression.type=none\nbatch.size=1000\n"
        "request.timeout.ms=7000\ndelivery.timeout.ms=9000",
    )

    make_sink(tuned).write(records(10))

    assert len(contents()) == 10
    (settings,) = built
    assert settings["linger_ms"] == 50
    assert settings["compression_type"] is None
    assert settings["batch_size"] == 1000
    assert settings["request_timeout_ms"] == 7000
    assert settings["delivery_timeout_ms"] >= 9000
    assert settings["acks"] == "all"
    assert settings["enable_idempotence"]


def test_compression_that_is_not_installed(make_sink, cluster, monkeypatch):
    """
    A codec whose package is absent is named, with how to get it.
    """
    monkeypatch.setattr("kafka.codec.has_zstd", lambda: False)
    tuned = attrs.evolve(cluster, properties="compression.type=zstd")

    with pytest.raises(SinkSetupError) as caught:
        make_sink(tuned).write([make_record()])

    assert str(caught.value) == (
        "Wrong set-up. Cluster 'prod': compression.type zstd needs a package; "
        'pip install "kafka-python[zstd]", or use gzip'
    )


def test_compacted_topic_takes_no_record_without_key(
    make_sink, cluster, topic, make_topic
):
    """
    INVALID_RECORD is the topic's fault here, not that of an event.
    """
    make_topic(cleanup_policy="compact")
    sink = make_sink(key=None)

    with pytest.raises(SinkSetupError, match="compacted and takes no record"):
        sink.write([make_record(), make_record()])


def test_broker_that_refuses_our_clock_blames_no_event(make_sink, make_topic):
    """
    INVALID_TIMESTAMP can only mean that one of the clocks is wrong.
    """
    make_topic(
        message_timestamp_after_max_ms=0,
        message_timestamp_before_max_ms=0,
    )

    with pytest.raises(SinkSetupError, match=r"the time.*set this mach"):
        make_sink().write(records(3))


# Events that are refused


def test_event_that_is_too_large_is_refused_alone(
    make_sink, topic, contents, make_topic
):
    """
    The culprits are named, one per attempt; every innocent event is stored,
    in order, and nothing twice that was acknowledged.
    """
    make_topic(max_message_bytes=9_000)
    sent = records(600)
    for place in (100, 101, 400):
        big = make_record(metadata={"noise": noise(40_000)})
        sent[place] = attrs.evolve(big, index=place + 1)
    sink = make_sink()

    refused, rest = {}, sent
    for _ in range(3):
        with pytest.raises(PartialWriteError) as caught:
            sink.write(rest)
        refused |= caught.value.failed
        done = {*caught.value.stored, *refused}
        rest = [r for r in rest if r.event_id not in done]
    sink.write(rest)

    culprits = [sent[place] for place in (100, 101, 400)]
    assert [r.event_id for r in culprits] == list(refused)
    innocent = [r.body for r in sent if r not in culprits]
    found = [m.value for m in contents()]
    assert list(dict.fromkeys(found)) == innocent
    for record, error in zip(culprits, refused.values(), strict=True):
        assert isinstance(error, EventRefusedError)
        assert str(error) == (
            f"event {record.event_id} has {len(record.body)} bytes, topic "
            f"{topic!r} allows 9000 (max.message.bytes)"
        )


def test_batches_larger_than_the_topic_allows_are_no_trouble(
    make_sink, caplog, contents, make_topic
):
    """
    Nothing is split or refused because of its neighbours.
    """
    make_topic(max_message_bytes=9_000)
    sent = [
        attrs.evolve(make_record(metadata={"noise": noise(3_000)}), index=n)
        for n in range(1, 101)
    ]

    make_sink().write(sent)

    found = [m.value for m in contents()]
    assert [r.body for r in sent] == found
    assert "splitting" not in caplog.text


def test_what_compresses_well_is_no_larger_than_the_topic_allows(
    make_sink, contents, make_topic
):
    """
    The broker decides, by what it gets; a guess would refuse too much.
    """
    make_topic(max_message_bytes=9_000)
    record = make_record(metadata={"text": "x" * 40_000})

    make_sink().write([record])

    assert [record.body] == [m.value for m in contents()]


# Placeholders


def test_placeholder_takes_the_place_of_a_dead_letter(make_sink, contents):
    """
    An audit event of its own under the lost one's index and key, without the
    lost one's content, and the same at a second attempt.
    """
    lost = attrs.evolve(
        make_record(metadata={"secret": "canary"}),
        index=12,
        recorded_at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    )
    letter = DeadLetter(record=lost, reason="has 9 bytes too many")
    sink = make_sink()

    sink.write_placeholders([letter])
    sink.write_placeholders([letter])

    first, second = contents()
    assert (first.value, first.headers) == (second.value, second.headers)
    headers = dict(first.headers)
    assert headers["audit-index"] == b"12"
    assert headers["audit-placeholder"] == b"1"
    assert headers["ce_type"] == b"AuditLog.Event.DeadLetter"
    assert first.key == b"//contract/thing/1"
    event = codec.decode(first.value)
    assert event.event_id != lost.event_id
    assert event.reason == "has 9 bytes too many"
    assert event.resource == Resource(type="event", id=str(lost.event_id))
    assert event.metadata == {
        "index": 12,
        "size": len(lost.body),
        "sha256": hashlib.sha256(lost.body).hexdigest(),
    }
    assert b"canary" not in first.value


def test_placeholder_fits_where_the_event_did_not(
    make_sink, contents, make_topic
):
    """
    Neither the key nor the reason that was too large comes along.
    """
    make_topic(max_message_bytes=3_000)
    lost = make_record(resource=Resource(type="t", id=noise(20_000)))
    sink = make_sink()
    with pytest.raises(PartialWriteError):
        sink.write([lost])

    sink.write_placeholders([DeadLetter(record=lost, reason=noise(9_000))])

    (found,) = contents()
    assert found.key is None
    assert ("audit-placeholder", b"1") in found.headers


def test_placeholder_that_is_refused_is_the_sinks_fault(make_sink, make_topic):
    """
    Giving up a placeholder too would leave a gap.
    """
    make_topic(max_message_bytes=100)
    letter = DeadLetter(record=make_record(), reason="")

    with pytest.raises(SinkSetupError, match="even the placeholder"):
        make_sink().write_placeholders([letter])


# The tail


def test_last_index_is_the_highest_at_the_end(
    make_sink, bootstrap_servers, topic
):
    """
    Not the last one: batches come again, and events are sent again by hand.
    """
    sink = make_sink(topic_config=TopicConfig(partition=3))
    sink.write(records(20))
    sink.write(records(5, first=3))
    produce(bootstrap_servers, topic, {"value": b"not ours"})

    assert sink.last_index() == 20


def test_last_index_is_found_behind_other_records(
    make_sink, topic, monkeypatch
):
    """
    A topic may be shared.
    """
    monkeypatch.setattr("auditlog.kafka.tail._FIRST_LOOK", 2)
    sink = make_sink()
    sink.write(records(3))
    sink.write([make_record() for _ in range(40)])

    assert sink.last_index() == 3


def test_last_index_of_nothing_is_none(make_sink, topic, make_topic):
    """
    Neither a missing topic, nor an empty one, nor one of others has one.
    """
    sink = make_sink()
    assert sink.last_index() is None

    make_topic()
    assert sink.last_index() is None

    sink.write([make_record()])
    assert sink.last_index() is None


# The cluster


def test_unknown_cluster_is_told_in_the_products_words(make_sink, topic):
    """
    It is looked up at each attempt, by its ID.
    """
    registry = ClusterRegistry([cluster_at("127.0.0.1:1", id="other")])
    sink = make_sink("my-kafka-cluster", clusters=registry)

    for _ in range(2):
        with pytest.raises(ClusterNotFoundError) as caught:
            sink.write([make_record()])

    assert str(caught.value) == (
        "Not found. Could not find cluster my-kafka-cluster"
    )
    assert caught.value.known == ("other",)
    with pytest.raises(ClusterNotFoundError):
        sink.last_index()


def test_cluster_that_appears_is_used(make_sink, cluster, topic, contents):
    """
    As soon as it is known.
    """
    registry = ClusterRegistry()
    sink = make_sink("prod", clusters=registry)
    with pytest.raises(ClusterNotFoundError):
        sink.write([record := make_record()])

    registry.add(cluster)
    sink.write([record])

    assert [record.body] == [m.value for m in contents()]


def test_cluster_that_moves_is_followed(make_sink, cluster, topic):
    """
    Another address under the same ID means another producer.
    """
    registry = ClusterRegistry([cluster])
    sink = make_sink("prod", clusters=registry)
    sink.write([make_record()])

    registry.add(cluster_at("127.0.0.1:1"))
    with pytest.raises(SinkUnavailableError, match=r"127\.0\.0\.1:1 refuses"):
        sink.write([make_record()])
    registry.add(cluster)
    sink.write([make_record()])

    registry.remove("prod")
    with pytest.raises(ClusterNotFoundError):
        sink.write([make_record()])


def test_id_needs_a_registry(topic):
    """
    Otherwise there is nowhere to look it up.
    """
    with pytest.raises(ConfigError, match="give the registry 'clusters'"):
        KafkaSink("prod", topic)


# Living in an application


def test_producer_is_idempotent_and_waits_for_all_replicas(make_sink):
    """
    Said explicitly: what is implied is switched off by other settings.
    """
    sink = make_sink()
    sink.write([make_record()])

    config = sink._producer._producer.config
    assert config["enable_idempotence"] is True
    assert config["acks"] == -1


def test_checksums_are_not_computed_in_python():
    """
    Without the package ``crc32c`` everything takes four times as long.
    """
    from kafka.record import util  # noqa: PLC0415

    assert util.calc_crc32c.__module__ != "kafka.record._crc32c"
    assert util.calc_crc32c(b"123456789") == 0xE3069283


def test_content_never_reaches_the_log(
    make_sink, cluster, topic, caplog, monkeypatch, bootstrap_servers
):
    """
    kafka-python logs keys, values, headers and requests at DEBUG: those of
    the application's own clients only.
    """
    # For good silenced by any producer that is collected without a close.
    talker = logging.getLogger("kafka.producer.kafka")
    monkeypatch.setattr("kafka.producer.kafka.log", talker)
    caplog.set_level(logging.DEBUG)
    records_ = [
        make_record(
            resource=Resource(type="t", id="canary-key"),
            metadata={"secret": noise(200) + "canary-value"},
        )
    ]
    sink = make_sink()

    sink.write(records_)
    sink.write_placeholders([DeadLetter(record=records_[0], reason="r")])
    sink.last_index()
    list(KafkaReader(cluster, topic))
    sink.close()
    leaked = [
        each.getMessage()
        for each in caplog.records
        if "canary" in f"{each.getMessage()}{each.args}"
    ]
    caplog.clear()
    produce(bootstrap_servers, topic, {"value": b"their canary"})

    assert leaked == []
    assert "their canary" in caplog.text


def test_close_ends_the_thread_and_may_be_called_twice(make_sink):
    """
    A sink that was closed builds a new producer if it is used again.
    """
    sink = make_sink()
    sink.close()
    sink.write([make_record()])

    sink.close()
    sink.close()

    assert wait_until_quiet() == []
    sink.write([make_record()])
    assert "connected=True" in repr(sink)


def test_fork_gets_a_producer_of_its_own(
    cluster, bootstrap_servers, topic, contents
):
    """
    Parent and child write at the same time; the child ends without delay,
    and without closing what belongs to the parent.
    """
    script = textwrap.dedent(
        f"""
        import os, threading
        from auditlog.config import ClusterConfig
        from auditlog.kafka import KafkaSink
        from tests.kafka_tools import records

        cluster = ClusterConfig(
            id="prod", bootstrap_servers={bootstrap_servers!r}
        )
        sink = KafkaSink(cluster, {topic!r})
        sink.write(records(10))
        children = []
        for number in (100, 200):
            if not (pid := os.fork()):
                sink.write(records(10, first=number))
                sink.close()
                raise SystemExit
            children.append(pid)
        if not (pid := os.fork()):
            raise SystemExit
        children.append(pid)
        sink.write(records(10, first=11))
        assert [os.waitpid(each, 0)[1] for each in children] == [0, 0, 0]
        sink.write(records(10, first=21))
        sink.close()
        """
    )

    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)

    found = [int(dict(m.headers)["audit-index"]) for m in contents()]
    assert sorted(found) == [*range(1, 31), *range(100, 110), *range(200, 210)]
    assert [n for n in found if n < 100] == [*range(1, 31)]


def test_wakes_the_producers_thread_seldom(make_sink, monkeypatch):
    """
    kafka-python does for each record while more than one batch waits.
    """
    woken = []
    original = Sender.wakeup
    monkeypatch.setattr(
        Sender, "wakeup", lambda self: woken.append(self) or original(self)
    )
    sink = make_sink()
    sink.write([make_record()])
    woken.clear()

    sink.write(bulky(2_000, 1_000))

    assert 0 < len(woken) < 1_000
    assert {False} == {"wakeup" in vars(sender) for sender in woken}

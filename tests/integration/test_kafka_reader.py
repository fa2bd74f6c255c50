"""
KafkaReader on a real broker.
"""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
import threading

from uuid import uuid4

import attrs
import pytest

from kafka import (
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    TopicPartition,
)
from kafka.structs import OffsetAndMetadata

from auditlog import codec
from auditlog.abc import DeadLetter, EventQuery, Record, Skipped
from auditlog.config import TopicConfig
from auditlog.errors import ConfigError, QueryError, ReadError
from auditlog.event import Resource
from auditlog.kafka import ConsumerGroup, KafkaReader, KafkaSink
from auditlog.kafka.driver import _consumer
from auditlog.testing.contracts import make_record
from auditlog.testing.reader_contract import (
    FollowingReaderContract,
    followed,
)
from tests.kafka_tools import (
    admin,
    bulky,
    client_threads,
    cluster_at,
    create,
    delete,
    produce,
    records,
    wait_until_quiet,
)
from tests.process_tools import run


NOW = dt.datetime.now(dt.UTC)


def test_id_of_a_cluster_is_no_cluster():
    """
    Only the config knows where it is.
    """
    with pytest.raises(ConfigError, match=r"got str.*config\.cluster"):
        KafkaReader("my-kafka-cluster", "audit")


@pytest.fixture
def cluster(bootstrap_servers):
    return cluster_at(bootstrap_servers)


@pytest.fixture
def write(cluster, topic):
    """
    Writes records into the topic.
    """

    def write(batch, partitions=1):
        config = TopicConfig(partition=partitions)
        sink = KafkaSink(cluster, topic, topic_config=config)
        sink.write(batch)
        sink.close()
        return batch

    return write


@pytest.fixture
def put(bootstrap_servers, topic):
    """
    Puts messages of anybody into the topic.
    """
    return lambda *messages: produce(bootstrap_servers, topic, *messages)


@pytest.fixture
def make_reader(cluster, topic):
    yield lambda **settings: KafkaReader(cluster, topic, **settings)
    assert wait_until_quiet() == []


def indexes(found):
    return [record.index for record in found]


class TestKafkaReader(FollowingReaderContract):
    @pytest.fixture(autouse=True)
    def _given(self, cluster):
        self.cluster = cluster

    def make_reader(self, records):
        reader = KafkaReader(self.cluster, f"test-{uuid4().hex}")
        create(self.cluster.bootstrap_servers[0], reader.topic)
        self.append(reader, records)
        return reader

    def append(self, reader, records):
        sink = KafkaSink(self.cluster, reader.topic)
        if records:
            sink.write(records)
        sink.close()


# What is found


def test_record_says_where_it_lies(make_reader, write, topic):
    """
    Body, index and origin are those of the topic.
    """
    (sent,) = write(records(1, first=41))

    (found,) = make_reader()

    assert (found.event_id, found.body) == (sent.event_id, sent.body)
    assert found.index == 41
    assert found.event == sent.event
    assert found.recorded_at is None
    origin = found.origin
    assert (origin.topic, origin.partition, origin.offset) == (topic, 0, 0)
    ago = dt.datetime.now(dt.UTC) - origin.timestamp
    assert abs(ago) < dt.timedelta(minutes=5)
    assert origin.key == b"//contract/thing/1"
    assert dict(origin.headers)["audit-index"] == b"41"


def test_time_of_the_brokers_clock_is_when_it_was_recorded(
    make_reader, write, topic, bootstrap_servers
):
    """
    With LogAppendTime the store's own clock gave it.
    """
    create(bootstrap_servers, topic, message_timestamp_type="LogAppendTime")
    write(records(1))

    (found,) = make_reader()

    assert found.recorded_at == found.origin.timestamp


def test_what_is_no_audit_event_is_skipped(make_reader, write, put, topic):
    """
    Whatever other people write, and placeholders, with place and reason.
    """
    event = json.loads(make_record().body)
    put(
        {"key": b"k", "value": None},
        {"value": b""},
        {"value": b"{"},
        {"value": b"\xff\xfe\x00"},
        {"value": b'"text"'},
        {"value": b"[1, 2]"},
        {"value": b'{"id": 1}'},
        {"value": json.dumps({**event, "id": "17"}).encode()},
        {"value": json.dumps({**event, "time": "now"}).encode()},
        {"value": json.dumps({**event, "specversion": "0.3"}).encode()},
        {"value": b"[" * 100_000},
    )
    write(records(1))

    found = list(make_reader().read().scan())

    assert [type(each) for each in found] == [Skipped] * 11 + [Record]
    assert [each.reason for each in found[:3]] == [
        "no value",
        "empty value",
        "not an audit event",
    ]
    assert {each.reason for each in found[2:11]} == {"not an audit event"}
    assert found[10].place == f"{topic}[0]@10"
    assert found[0].origin.key == b"k"


def test_placeholder_is_skipped_as_what_it_is(make_reader, cluster, topic):
    """
    It is no event of the application.
    """
    sink = KafkaSink(cluster, topic)
    sink.write_placeholders([DeadLetter(record=make_record(), reason="r")])
    sink.close()

    (found,) = make_reader().read().scan()

    assert isinstance(found, Skipped)
    assert found.reason == "placeholder of a dead letter"


def test_records_of_conduktor_console_are_events(make_reader, put):
    """
    Its published sample, with no headers, and with any key.
    """
    sample = {
        "source": "//kafka/kafkacluster/production/topic/website-orders",
        "data": {
            "eventType": "Kafka.Topic.Create",
            "metadata": {"name": "website-orders", "cluster": "production"},
        },
        "datacontenttype": "application/json",
        "id": "ad85122c-0041-421e-b04b-6bc2ec901e08",
        "time": "2024-10-10T07:52:07.483140Z",
        "type": "AuditLogEventType(Kafka,Topic,Create)",
        "specversion": "1.0",
    }
    put(
        {"value": json.dumps(sample).encode()},
        {"value": json.dumps(sample).encode(), "key": b"\xff\x00"},
    )

    first, second = make_reader()

    assert first.event.event_type == "Kafka.Topic.Create"
    assert first.event.resource.id == "website-orders"
    assert first.event.outcome == "unknown"
    assert first.event.metadata["cluster"] == "production"
    assert first.index is None
    assert (second.body, second.origin.key) == (first.body, b"\xff\x00")


def test_what_only_the_codec_can_read_is_read(make_reader, put):
    """
    The cheap look at the envelope refuses nothing that the codec takes.
    """
    event = json.loads(make_record().body)
    text = json.dumps(event)
    bodies = [
        json.dumps({**event, "id": event["id"].upper()}),
        json.dumps({**event, "time": "2026-01-05T12:00:60.123456789+01:00"}),
        text.replace('"metadata": {}', '"metadata": {"a": 1e999}'),
        text.replace('"metadata": {}', r'"metadata": {"a": "\ud800"}'),
    ]
    put(*({"value": body.encode()} for body in bodies))

    found = list(make_reader().read().scan())

    for each, body in zip(found, bodies, strict=True):
        assert isinstance(each, Record), body
        assert each.event == codec.decode(body.encode())


def test_hostile_headers_do_no_harm(make_reader, put):
    """
    Headers may be forged, doubled or empty.
    """
    body = make_record().body
    put(
        *(
            {"value": body, "headers": headers}
            for headers in (
                [("audit-index", b"")],
                [("audit-index", b"-1")],
                [("audit-index", b"9" * 5000)],
                [("audit-index", b"\xff")],
                [("ce_id", b"forged"), ("audit-index", b"5")],
            )
        )
    )

    found = list(make_reader())

    assert indexes(found) == [None, None, None, None, 5]
    assert {each.event_id for each in found} == {found[0].event.event_id}


# Partitions


def test_partitions_are_merged_by_time(
    make_reader, put, bootstrap_servers, topic
):
    """
    The timestamp decides, then the partition; the order within a partition
    always holds.
    """
    create(bootstrap_servers, topic, partitions=3)
    sent = [records(1, first=n)[0] for n in range(1, 7)]
    base = int(NOW.timestamp() * 1000)
    places = [(0, 0), (2, 1), (1, 2), (0, 3), (2, 3), (1, 5)]
    put(
        *(
            {
                "value": record.body,
                "partition": partition,
                "timestamp_ms": base + offset,
                "headers": [("audit-index", b"%d" % record.index)],
            }
            for record, (partition, offset) in zip(sent, places, strict=True)
        )
    )
    reader = make_reader()

    assert indexes(reader) == [1, 2, 3, 4, 5, 6]
    newest = reader.read(EventQuery(order="newest"))
    assert indexes(newest) == [6, 5, 4, 3, 2, 1]
    assert indexes(make_reader(partitions=[0, 1])) == [1, 3, 4, 6]
    assert indexes(make_reader(partitions=[])) == []


def test_long_and_short_partitions_come_whole(make_reader, write, monkeypatch):
    """
    However far one is ahead of the others, in both orders.
    """
    monkeypatch.setattr("auditlog.kafka.spans._AHEAD", 50)
    monkeypatch.setattr("auditlog.kafka.spans._LAST_WINDOW", 300)
    sent = [
        attrs.evolve(record, index=n)
        for n in range(1, 4001)
        for record in [
            make_record(resource=Resource(type="t", id=str(n % 10 < 8)))
        ]
    ]
    write(sent, partitions=4)

    found = list(make_reader())
    newest = list(make_reader().read(EventQuery(order="newest")))

    assert sorted(indexes(found)) == [*range(1, 4001)]
    assert sorted(indexes(newest)) == [*range(1, 4001)]
    for number in range(4):
        lane = [r.index for r in found if r.origin.partition == number]
        assert lane == sorted(lane)
        lane = [r.index for r in newest if r.origin.partition == number]
        assert lane == sorted(lane, reverse=True)


def test_partition_that_isnt_there_is_an_error(make_reader, write):
    """
    Rather than nothing.
    """
    write(records(1))

    with pytest.raises(
        ReadError, match=r"has no partition 7; it has 1, from 0"
    ):
        list(make_reader(partitions=[7]))
    with pytest.raises(ReadError, match="has no partition 3"):
        list(make_reader(start={3: 0}))


# Where to begin and to end


def test_starts(make_reader, put):
    """
    The beginning, a date, milliseconds, or an offset.
    """
    base = int(NOW.timestamp() * 1000)
    put(
        *(
            {
                "value": record.body,
                "timestamp_ms": base + 1000 * record.index,
                "headers": [("audit-index", b"%d" % record.index)],
            }
            for record in records(5)
        )
    )
    third = dt.datetime.fromtimestamp((base + 3000) / 1000, dt.UTC)

    assert indexes(make_reader(start="beginning")) == [1, 2, 3, 4, 5]
    assert indexes(make_reader(start=third)) == [3, 4, 5]
    assert indexes(make_reader(start=base + 3001)) == [4, 5]
    assert indexes(make_reader(start={0: 4})) == [5]
    assert indexes(make_reader(start={})) == [1, 2, 3, 4, 5]
    assert indexes(make_reader(start={0: 99})) == []
    assert indexes(make_reader(start=base + 9000)) == []
    newest = EventQuery(order="newest", limit=2)
    assert indexes(make_reader().read(newest)) == [5, 4]
    assert indexes(make_reader(start={0: 4}).read(newest)) == [5]


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (dt.datetime(2026, 1, 5), "must be timezone-aware"),  # noqa: DTZ001
        ("end", "'start' must be 'beginning'"),
        (-5, "'start' must be 'beginning'"),
        (True, "'start' must be 'beginning'"),
        (1.5, "'start' must be 'beginning'"),
        ({0: -1}, "must map partitions to offsets, from 0 .got 0: -1"),
        ({"0": 1}, "must map partitions to offsets, from 0 .got '0': 1"),
    ],
)
def test_start_that_means_nothing_is_refused(cluster, start, message):
    """
    When the reader is built.
    """
    with pytest.raises(QueryError, match=message):
        KafkaReader(cluster, "t", start=start)


def test_start_where_a_consumer_group_stands(
    make_reader, put, bootstrap_servers, topic
):
    """
    From its committed offsets, and from the beginning where it has none; it
    is neither joined nor moved.
    """
    create(bootstrap_servers, topic, partitions=3)
    for record in records(6):
        put(
            {
                "value": record.body,
                "partition": record.index % 2,
                "headers": [("audit-index", b"%d" % record.index)],
            }
        )
    with pytest.raises(
        ReadError, match=r"group 'nobody' has committed no offset in topic"
    ):
        list(make_reader(start=ConsumerGroup("nobody")))
    place = TopicPartition(topic, 1)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=topic,
        enable_auto_commit=False,
    )
    consumer.commit({place: OffsetAndMetadata(2, "", -1)})
    consumer.close()

    reader = make_reader(start=ConsumerGroup(topic))
    found = sorted(indexes(reader))
    newest = indexes(reader.read(EventQuery(order="newest", limit=1)))

    with admin(bootstrap_servers) as client:
        after = client.list_group_offsets({topic: [place]})[topic]
        members = client.describe_groups([topic])[topic]["members"]
    assert [2, 4, 5, 6] == found
    assert [6] == newest
    assert 2 == after[place].offset
    assert [] == members


# Following


def test_partitions_are_followed_together(make_reader, write):
    """
    What is there by time, then what comes in each partition's order; the
    last ones are those of all partitions.
    """
    write(records(30), partitions=3)
    with (
        followed(make_reader()) as every,
        followed(make_reader(), last=3) as recent,
        followed(make_reader(partitions=[0]), last=0) as first,
    ):
        before = [next(every) for _ in range(30)]
        last = [next(recent) for _ in range(3)]
        write(records(30, first=31), partitions=3)
        after = [next(every) for _ in range(30)]
        only = next(first)

    assert set(range(1, 31)) == set(indexes(before))
    assert indexes(before)[-3:] == indexes(last)
    assert set(range(31, 61)) == set(indexes(after))
    for number in range(3):
        ours = [r.index for r in after if r.origin.partition == number]
        assert sorted(ours) == ours
    assert 0 == only.origin.partition
    assert only.index > 30


def test_partitions_that_are_new_are_followed(
    make_reader, write, topic, bootstrap_servers, monkeypatch
):
    """
    From their beginning; the others go on where they are.
    """
    monkeypatch.setattr(_consumer, "REFRESH", 0.2)
    write(records(1))
    with followed(make_reader()) as events:
        before = next(events)
        with admin(bootstrap_servers) as client:
            client.create_partitions({topic: 3})
        for number, partition in enumerate((2, 0, 2, 1), start=2):
            body = records(1, first=number)[0].body
            message = {"value": body, "partition": partition}
            produce(bootstrap_servers, topic, message)
        after = [next(events) for _ in range(4)]

    assert before.origin.partition == 0
    found = {(r.origin.partition, r.origin.offset) for r in after}
    assert found == {(0, 1), (1, 0), (2, 0), (2, 1)}


def test_following_tells_what_is_no_event(make_reader, put):
    """
    As reading does.
    """
    (record,) = records(1)
    put({"value": b"before"})
    with followed(make_reader()) as events:
        found = events.scan()
        before = next(found)
        put({"value": b"after"}, {"value": record.body})
        after = [next(found), next(found)]

    assert "not an audit event" == before.reason == after[0].reason
    assert [0, 1, 2] == [each.origin.offset for each in (before, *after)]


def test_following_outlives_a_broker_that_is_away(kafka_proxy, topic, write):
    """
    Nothing comes while the way is cut, and all of it afterwards.
    """
    write(records(1))
    away = cluster_at(kafka_proxy.address)
    with followed(KafkaReader(away, topic)) as events:
        assert [1] == indexes([next(events)])
        kafka_proxy.refuse()
        kafka_proxy.cut()
        write(records(2, first=2))
        kafka_proxy.restore()
        found = [next(events), next(events)]

    assert [2, 3] == indexes(found)


def test_ctrl_c_ends_following(cluster, topic, write):
    """
    It comes out of the wait, and the process ends in good order.
    """
    write(records(1))
    program = (
        "import auditlog, sys\n"
        "cluster = auditlog.ClusterConfig(id='prod', "
        f"bootstrap_servers={list(cluster.bootstrap_servers)!r})\n"
        f"reader = auditlog.KafkaReader(cluster, {topic!r})\n"
        "try:\n"
        "    with reader.follow() as events:\n"
        "        for event in events:\n"
        "            print(event.index, flush=True)\n"
        "except KeyboardInterrupt:\n"
        "    print('ended', events)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        watchdog.cancel()

    assert "1\n" == first, err
    assert out.startswith("ended <LiveEvents of <KafkaReader")
    assert " closed " in out
    assert (0, "") == (process.returncode, err)


def test_since_reckons_with_skewed_clocks(make_reader, put):
    """
    An event may have occurred, by its host's clock, after the broker got it;
    *since* finds it all the same, within *max_clock_skew*.
    """
    hour = dt.timedelta(hours=1)
    times = {
        # index: (timestamp of the record, occurred_at)
        1: (NOW - 5 * hour, NOW - 5 * hour),
        2: (NOW - 4 * hour, NOW),
        3: (NOW - hour / 2, NOW),
        4: (NOW, NOW - 3 * hour),
        5: (NOW, NOW),
    }
    put(
        *(
            {
                "value": make_record(occurred_at=occurred).body,
                "timestamp_ms": int(stamp.timestamp() * 1000),
                "headers": [("audit-index", b"%d" % index)],
            }
            for index, (stamp, occurred) in times.items()
        )
    )
    since = EventQuery(since=NOW)

    assert indexes(make_reader().read(since)) == [3, 5]
    assert indexes(make_reader(max_clock_skew=0).read(since)) == [5]
    wide = make_reader(max_clock_skew=5 * 3600)
    assert indexes(wide.read(since)) == [2, 3, 5]
    early = EventQuery(since=dt.datetime.min.replace(tzinfo=dt.UTC))
    assert indexes(make_reader().read(early)) == [1, 2, 3, 4, 5]
    until = EventQuery(until=NOW)
    assert indexes(make_reader().read(until)) == [1, 4]


def test_end_is_that_of_the_beginning(make_reader, write):
    """
    A topic that grows faster than it is read comes to an end.
    """
    write(records(10))
    events = iter(make_reader())
    found = [next(events)]

    write(records(10, first=11))
    found += events

    assert indexes(found) == [*range(1, 11)]


def test_topic_whose_beginning_was_deleted(
    make_reader, write, topic, bootstrap_servers
):
    """
    Offsets begin where retention left off.
    """
    write(records(10))
    delete_before(bootstrap_servers, topic, 4)

    assert indexes(make_reader()) == [5, 6, 7, 8, 9, 10]
    newest = EventQuery(order="newest")
    assert indexes(make_reader().read(newest)) == [10, 9, 8, 7, 6, 5]
    assert indexes(make_reader(start={0: 2})) == [5, 6, 7, 8, 9, 10]


def test_retention_that_overtakes_a_reader(
    make_reader, write, topic, bootstrap_servers
):
    """
    What was deleted meanwhile is gone; the rest comes.
    """
    sent = write(bulky(900, 5_000))
    events = iter(make_reader())
    found = [next(events)]

    delete_before(bootstrap_servers, topic, 880)
    found += events

    assert indexes(found)[-20:] == [*range(881, 901)]
    assert len(found) < len(sent)
    assert indexes(found) == sorted(indexes(found))


def delete_before(address, topic, offset):
    with admin(address) as client:
        from kafka import TopicPartition  # noqa: PLC0415

        client.delete_records({TopicPartition(topic, 0): offset})


def test_transactions_are_read_once_committed(
    make_reader, bootstrap_servers, topic
):
    """
    Neither aborted records, nor the markers that end a transaction and
    leave gaps, nor one that still runs, in either order.
    """
    create(bootstrap_servers, topic)
    producer = KafkaProducer(
        bootstrap_servers=bootstrap_servers,
        client_id="tests",
        transactional_id=topic,
    )
    producer.init_transactions()
    bodies = [make_record().body for _ in range(4)]
    for number, body in enumerate(bodies):
        producer.begin_transaction()
        producer.send(topic, body).get(timeout=10)
        if number == 1:
            producer.abort_transaction()
        elif number < 3:
            producer.commit_transaction()

    found = list(make_reader())
    newest = list(make_reader().read(EventQuery(order="newest")))
    dirty = list(make_reader(isolation="read_uncommitted"))
    producer.abort_transaction()
    producer.close()
    ended = list(make_reader())

    assert [r.body for r in found] == [bodies[0], bodies[2]]
    assert [r.body for r in newest] == [bodies[2], bodies[0]]
    assert [r.body for r in dirty] == bodies
    assert ended == found


def test_compacted_topic_has_gaps(make_reader, put, bootstrap_servers, topic):
    """
    What is left is read, with its own offsets.
    """
    create(
        bootstrap_servers,
        topic,
        cleanup_policy="compact",
        min_cleanable_dirty_ratio=0.01,
        segment_ms=100,
        max_compaction_lag_ms=100,
        delete_retention_ms=1,
    )
    sent = [
        {"key": b"%d" % (n % 3), "value": make_record().body}
        for n in range(60)
    ]
    put(*sent)
    reader = make_reader()

    found = list(reader)
    newest = list(reader.read(EventQuery(order="newest")))

    assert [r.body for r in found] == [r.body for r in reversed(newest)]
    assert found[-1].body == sent[-1]["value"]


# Trouble


def test_topic_that_does_not_exist(make_reader, cluster, topic):
    """
    Neither silence nor a topic that the broker makes up.
    """
    for _ in range(2):
        with pytest.raises(ReadError) as caught:
            list(make_reader())

    assert str(caught.value) == (
        f"topic {topic!r} does not exist on cluster 'prod'; a KafkaSink "
        "creates it with its first event"
    )


def test_topic_deleted_while_it_is_read(
    make_reader, write, bootstrap_servers, topic
):
    """
    The read fails rather than end early.
    """
    write(bulky(900, 5_000))
    events = iter(make_reader(idle_timeout=2.0))
    next(events)

    admin_client = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    admin_client.delete_topics([topic])
    admin_client.close()

    with pytest.raises(ReadError, match="deleted meanwhile"):
        list(events)


def test_topic_created_anew_while_it_is_read(
    make_reader, write, bootstrap_servers, topic
):
    """
    Two topics are not mixed into one.
    """
    write(bulky(900, 5_000))
    events = iter(make_reader(idle_timeout=10.0))
    next(events)

    delete(bootstrap_servers, topic)
    write(records(3))

    with pytest.raises(ReadError, match="became shorter while it was read"):
        list(events)


def test_stopping_early_leaves_nothing_behind(make_reader, write):
    """
    Neither a thread nor a connection.
    """
    write(records(1000))

    for event in make_reader():
        assert event.index == 1
        assert client_threads() != []
        break

    assert client_threads() == []


HALF_READ = """
import os, sys
from auditlog import ClusterConfig, KafkaReader

address, topic, where = sys.argv[1:]
cluster = ClusterConfig(id="prod", bootstrap_servers=[address])
events = iter(KafkaReader(cluster, topic))
print(next(events).index, flush=True)
if where == "child":
    child = os.fork()
    if child:
        print(os.waitpid(child, 0)[1])
        del events
"""


@pytest.mark.parametrize("where", ["here", "child"])
def test_half_read_events_do_not_hold_up_the_end(cluster, topic, write, where):
    """
    Of a process that still has them, or of one that was forked.
    """
    write(records(1000))

    ended = run(HALF_READ, cluster.bootstrap_servers[0], topic, where)

    assert ended.out.split() == (["1", "0"] if where == "child" else ["1"])
    assert not ended.err


def test_reading_leaves_no_group_on_the_cluster(
    make_reader, write, bootstrap_servers
):
    """
    No consumer group, so no offsets.
    """
    write(records(3))
    with admin(bootstrap_servers) as client:
        before = client.list_groups()

        list(make_reader())

        assert client.list_groups() == before


def test_unknown_isolation_is_refused(cluster):
    """
    A misspelt one would read what was aborted.
    """
    with pytest.raises(QueryError, match="'isolation' must be"):
        KafkaReader(cluster, "t", isolation="commited")


def test_repr(make_reader, topic):
    """
    One line.
    """
    assert repr(make_reader()) == f"<KafkaReader {topic!r} on 'prod'>"

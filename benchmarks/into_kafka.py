"""
Publisher to Kafka, beside the drivers by hand and what others offer.

Keys, headers and the settings of the producers are the same on all sides, but
for those peers that have no such settings.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from harness import CPU, RATE, Contender, Run, Stopwatch, compare
from peers import invite
from samples import make_events
from topics import Topic

from auditlog.kafka import KafkaSink
from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Row
    from setting import Setting


def rows(setting: Setting) -> Iterator[Row]:
    """
    The contest.
    """
    cluster = setting.cluster()
    number = setting.events(10_000)
    with ExitStack() as stack:
        topic = Topic(cluster)
        stack.callback(topic.close)
        sink = KafkaSink(cluster, topic.name)
        publisher = stack.enter_context(AuditLogPublisher(sink))
        yield from compare(
            "publisher into Kafka",
            Contender(
                name="auditlog",
                run=partial(_publish, publisher, topic, number),
                settings="enqueue() of ready events and flush(), defaults",
            ),
            invite(
                *(stack, "kafka_python", "ByHand", number, topic),
                targets={"": 0.95},
            ),
            invite(stack, "confluent", "ByHand", number, topic),
            invite(stack, "auditx", "IntoKafka", number, topic),
            rounds=setting.rounds,
            measures=(RATE, CPU),
        )


def _publish(publisher: AuditLogPublisher, topic: Topic, number: int) -> Run:
    events = make_events(number)
    before = topic.size()
    watch = Stopwatch()
    with watch():
        for event in events:
            publisher.enqueue(event)
        publisher.flush()
    return watch.run(number, topic.size() - before)

"""
How soon events arrive again after a broker was killed and came back.

In each outage all wait, each with an event that was handed over while there
was no broker. Time runs from the moment at which it serves clients again.
"""

from __future__ import annotations

import threading
import time

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from harness import Contender, Measure, Run, compare
from peers.kafka_python import make_messages, make_producer
from samples import make_event
from topics import Topic

from auditlog.config import ClusterConfig
from auditlog.kafka import KafkaSink
from auditlog.postgres import PostgresSink
from auditlog.publisher import AuditLogPublisher
from auditlog.testing.services import KafkaServer


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Row
    from setting import Setting


# Seconds without a broker before it starts again, which takes seconds, too.
AWAY = 1.0
PATIENCE = 60.0

SILENCE = Measure(name="", unit="s", of=lambda run: run.seconds, less=True)


def rows(setting: Setting) -> Iterator[Row]:
    """
    The contest.
    """
    with ExitStack() as stack:
        server = stack.enter_context(KafkaServer())
        cluster = ClusterConfig(
            id="outage", bootstrap_servers=server.bootstrap_servers
        )
        topic = Topic(cluster)
        stack.callback(topic.close)
        outage = Outage(server)
        yield from compare(
            "from a broker's return to the first delivery",
            outage.contender(
                "auditlog, publisher into Kafka",
                _direct(stack, cluster, topic),
                "publish()",
                leads=True,
            ),
            outage.contender(
                "auditlog, relay from PostgreSQL",
                _relayed(stack, cluster, topic, setting.database()),
                "publish() into PostgreSQL, wait_delivered()",
            ),
            outage.contender(
                "kafka-python", _by_hand(stack, topic), "send().get()"
            ),
            rounds=min(setting.rounds, 5),
            measures=(SILENCE,),
        )


@attrs.define
class Outage:
    """
    One after the other, each for all contenders.
    """

    server: KafkaServer
    ways: dict[str, Callable[[], object]] = attrs.field(factory=dict)
    arrivals: dict[str, float] = attrs.field(factory=dict)
    back: float = 0.0

    def contender(
        self,
        name: str,
        deliver: Callable[[], object],
        settings: str,
        *,
        leads: bool = False,
    ) -> Contender:
        """
        One that takes part; who *leads* comes first and makes the outage.
        """
        self.ways[name] = deliver
        return Contender(
            name=name,
            run=partial(self._run, name, leads=leads),
            settings=settings,
        )

    def _run(self, name: str, *, leads: bool) -> Run:
        if leads:
            self._happen()
        arrived = self.arrivals.get(name)
        if arrived is None:
            return Run(PATIENCE, 1, 0)
        # One may be served before the server is seen to serve.
        return Run(max(arrived - self.back, 0.01), 1, 1)

    def _happen(self) -> None:
        self.arrivals.clear()
        for deliver in self.ways.values():
            deliver()
        self.server.kill()
        threads = [
            threading.Thread(target=self._wait, args=way)
            for way in self.ways.items()
        ]
        for thread in threads:
            thread.start()
        time.sleep(AWAY)
        self.server.start()
        self.back = time.perf_counter()
        for thread in threads:
            thread.join()

    def _wait(self, name: str, deliver: Callable[[], object]) -> None:
        deliver()
        self.arrivals[name] = time.perf_counter()


def _direct(
    stack: ExitStack, cluster: ClusterConfig, topic: Topic
) -> Callable[[], object]:
    sink = KafkaSink(cluster, topic.name)
    publisher = stack.enter_context(AuditLogPublisher(sink))
    return lambda: publisher.publish(make_event(), timeout=PATIENCE)


def _relayed(
    stack: ExitStack, cluster: ClusterConfig, topic: Topic, url: str
) -> Callable[[], object]:
    publisher = stack.enter_context(
        AuditLogPublisher(
            PostgresSink(url), relays={"topic": KafkaSink(cluster, topic.name)}
        )
    )

    def deliver() -> None:
        publisher.publish(make_event(), timeout=PATIENCE)
        publisher.wait_delivered(PATIENCE)

    return deliver


def _by_hand(stack: ExitStack, topic: Topic) -> Callable[[], Any]:
    producer = make_producer(topic.servers)
    stack.callback(producer.close)
    (message,) = make_messages(1)
    return lambda: producer.send(
        topic.name, message.value, key=message.key, headers=message.headers
    ).get(PATIENCE)

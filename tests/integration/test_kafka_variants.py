"""
Ways to use Kafka that are wrong on purpose, to see that the tests of ours
notice.
"""

from __future__ import annotations

import pytest

from auditlog import KafkaSink
from auditlog.kafka.driver._producer import Producer
from auditlog.kafka.quiet import QuietFilter
from tests.integration import test_kafka_outages as outages
from tests.integration import test_kafka_sink as sinks
from tests.kafka_tools import cluster_at, wait_until_quiet
from tests.seen_failing import against, check


def holds_what_it_is_given(patch):
    """
    As much is sent at a time as there is.
    """
    patch.setattr("auditlog.kafka.sink.MAX_RECORDS", 5_000)


def takes_silence_for_a_yes(patch):
    """
    What the broker does not answer in time counts as stored.
    """
    outcome = Producer._outcome

    def trusting(self, future, deadline):
        found = outcome(self, future, deadline)
        return found if future.is_done else None

    patch.setattr(Producer, "_outcome", trusting)


def lets_the_driver_talk(patch):
    """
    What kafka-python logs is logged.
    """
    patch.setattr(QuietFilter, "filter", lambda self, record: True)


@pytest.fixture
def cluster(bootstrap_servers):
    return cluster_at(bootstrap_servers)


@pytest.fixture
def proxy(kafka_proxy):
    return kafka_proxy


@pytest.fixture
def make_sink(bootstrap_servers, topic):
    made = []

    def make(address=bootstrap_servers, **settings):
        made.append(KafkaSink(cluster_at(address), topic, **settings))
        return made[-1]

    yield make
    for sink in made:
        sink.close()
    assert wait_until_quiet() == []


@pytest.mark.parametrize(
    ("test", "variant", "given"),
    [
        against(
            outages.test_memory_is_bounded_while_nothing_is_acknowledged,
            holds_what_it_is_given,
        ),
        against(
            outages.test_producer_without_an_id_ends_at_our_deadline,
            takes_silence_for_a_yes,
        ),
        against(
            sinks.test_content_never_reaches_the_log, lets_the_driver_talk
        ),
    ],
)
def test_variant_is_noticed(request, test, variant, given):
    """
    What is promised of ours does not hold there, and its test says so.
    """
    check(request, test, variant, given)

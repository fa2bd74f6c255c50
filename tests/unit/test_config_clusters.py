"""
The registry of clusters: known, forgotten, and waited for.
"""

from __future__ import annotations

import gc
import os
import threading
import weakref

import pytest

from auditlog.config import ClusterConfig, ClusterRegistry
from auditlog.errors import ClusterNotFoundError


def cluster(name, servers="h:1"):
    return ClusterConfig(id=name, bootstrap_servers=servers)


def test_known_from_the_beginning():
    """
    A registry knows what it was made with, in that order.
    """
    registry = ClusterRegistry([cluster("b"), cluster("a")])

    assert registry.ids() == ("b", "a")
    assert cluster("a") == registry.get("a")
    assert repr(registry) == "<ClusterRegistry 'b' 'a'>"


@pytest.mark.parametrize("look", ["get", "remove"])
def test_unknown_names_the_known(look):
    """
    An unknown ID is an error that says which are known.
    """
    registry = ClusterRegistry([cluster("a")])

    with pytest.raises(ClusterNotFoundError) as caught:
        getattr(registry, look)("c")

    assert caught.value.cluster == "c"
    assert caught.value.known == ("a",)


def test_added_and_removed():
    """
    A cluster may come, change and go.
    """
    registry = ClusterRegistry()

    registry.add(cluster("a", "h:1"))
    registry.add(cluster("a", "h:2"))

    assert cluster("a", "h:2") == registry.remove("a")
    assert registry.ids() == ()


def test_subscribers_called_after_each_add():
    """
    Who waits for a cluster finds it when called.
    """
    registry = ClusterRegistry()
    seen = []
    unsubscribe = registry.subscribe(lambda: seen.append(registry.ids()))

    registry.add(cluster("a"))
    registry.add(cluster("b"))
    registry.remove("a")
    unsubscribe()
    unsubscribe()
    registry.add(cluster("c"))

    assert seen == [("a",), ("a", "b")]


def test_failing_subscriber_keeps_no_other(caplog):
    """
    One that raises is logged; the others and the caller are unharmed.
    """
    registry = ClusterRegistry()
    seen = []
    registry.subscribe(lambda: 1 / 0)
    registry.subscribe(lambda: seen.append(1))

    registry.add(cluster("a"))

    assert seen == [1]
    (record,) = caplog.records
    assert record.name == "auditlog.config"
    assert record.exc_info[0] is ZeroDivisionError


def test_subscribing_the_same_twice():
    """
    Each subscription is one of its own.
    """
    registry = ClusterRegistry()
    seen = []
    callback = lambda: seen.append(1)  # noqa: E731
    first = registry.subscribe(callback)
    registry.subscribe(callback)

    first()
    registry.add(cluster("a"))

    assert seen == [1]


def test_subscriber_may_unsubscribe_while_called():
    """
    One that has what it waited for may leave at once.
    """
    registry = ClusterRegistry()
    seen = []

    def once():
        seen.append(1)
        leave()

    leave = registry.subscribe(once)
    registry.subscribe(lambda: seen.append(2))

    registry.add(cluster("a"))
    registry.add(cluster("b"))

    assert seen == [1, 2, 2]


def test_nothing_is_kept_after_unsubscribing():
    """
    A subscriber that left can be collected.
    """

    class Relay:
        def wake(self):
            pass

    registry = ClusterRegistry()
    relay = Relay()
    gone = weakref.ref(relay)
    unsubscribe = registry.subscribe(relay.wake)

    unsubscribe()
    del relay
    gc.collect()

    assert gone() is None


def test_many_threads():
    """
    Adding, removing and asking from many threads loses nothing.
    """
    registry = ClusterRegistry()
    calls = []
    registry.subscribe(lambda: calls.append(registry.ids()))
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for index in range(200):
            registry.add(cluster(f"{number}-{index}"))
            registry.subscribe(list)()
            if index % 2:
                registry.remove(f"{number}-{index}")

    threads = [threading.Thread(target=work, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(registry.ids()) == 8 * 100
    assert len(calls) == 8 * 200


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_usable_after_a_fork():
    """
    A child can use the registry whatever the parent's threads were doing.
    """
    registry = ClusterRegistry()
    busy = threading.Event()
    done = threading.Event()

    def hold():
        busy.set()
        done.wait(30)

    registry.subscribe(hold)
    thread = threading.Thread(target=registry.add, args=[cluster("a")])
    thread.start()
    busy.wait(30)

    pid = os.fork()
    if not pid:
        registry.remove("a")
        registry.subscribe(list)()
        os._exit(len(registry.ids()))

    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

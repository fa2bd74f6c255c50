"""
The queue in memory, as the worker sees it.
"""

from __future__ import annotations

from auditlog._engine.buffer import Buffer
from auditlog._engine.receipt import Gate
from auditlog.errors import SinkTimeoutError
from tests.unit.test_publisher import make_event


def test_withdrawn_event_of_a_refused_batch_is_not_written_again():
    """
    Its caller gave up while it was at the sink; the others are tried alone.
    """
    buffer = Buffer(sink="x", max_events=9, max_bytes=10**6, name="web")
    first, second = (
        buffer.offer(make_event(n), weight=1, urgent=True) for n in (1, 2)
    )
    waits = Gate()
    first.watch(waits)
    batch = buffer.take(9, 10**6)
    assert [first, second] == buffer.start(batch)
    assert not buffer.withdraw(first, SinkTimeoutError("late"))

    assert [] == buffer.start([first])
    assert [second] == buffer.start([second])
    assert waits.wait(0)
    assert "was withdrawn by its caller" in str(first.exception(0))

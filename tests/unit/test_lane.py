"""
A thread that calls somebody, whom a caller need not wait for.
"""

from __future__ import annotations

import pytest

from auditlog._engine.lane import Lane
from auditlog._engine.receipt import Gate
from auditlog.errors import SinkTimeoutError


def test_call_that_nobody_waits_for_is_not_made():
    """
    It had not begun when its caller gave up, and what it would write was
    told to be not stored.
    """
    lane, gate, calls = Lane("sink 'x'", name="test"), Gate(), []
    lane.begin(lambda: gate.wait(10))
    given_up = lane.begin(lambda: calls.append("given up"))
    with pytest.raises(SinkTimeoutError, match=r"^sink 'x' didn't answer"):
        given_up.wait(0.0)
    gate.open()

    lane.begin(lambda: calls.append("last")).wait(10)
    lane.end()

    assert ["last"] == calls

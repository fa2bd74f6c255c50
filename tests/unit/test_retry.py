"""
Trying again until it works, or until nobody waits.
"""

from __future__ import annotations

import logging

import pytest

from auditlog._engine.failures import FailureLog
from auditlog._engine.retry import Patience
from auditlog.errors import SinkUnavailableError


def test_last_error_is_raised_once_it_is_stopped():
    """
    As it is: whoever gave up learns why it did not work.
    """
    log = logging.getLogger("auditlog.test")
    patience = Patience(FailureLog(log, who="a test", waiting=lambda: 0))
    error = SinkUnavailableError("away")

    def attempt():
        patience.stop()
        raise error

    with pytest.raises(SinkUnavailableError) as caught:
        patience.call(attempt)

    assert caught.value is error

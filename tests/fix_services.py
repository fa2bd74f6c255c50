"""
How tests come by services: skipped at a desk without one, failing in CI.
"""

from __future__ import annotations

import os

from contextlib import ExitStack, contextmanager

import pytest

from auditlog.errors import MissingExtraError
from auditlog.testing.services import ServiceError


@contextmanager
def running(make_service):
    """
    Run what *make_service* returns; without it skip, or fail if ``CI=true``.
    """
    with ExitStack() as stack:
        try:
            service = stack.enter_context(make_service())
        except (MissingExtraError, ServiceError) as exc:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(exc))
        yield service

"""
One part of a look neither hangs nor breaks the others.
"""

from __future__ import annotations

import threading

import pytest

from auditlog.cli.stages import bounded
from auditlog.errors import SinkSetupError
from auditlog.findings import Finding


FINE = Finding("a.one", "ok", "fine")


def test_what_was_found():
    """
    All of it, in its order.
    """
    other = Finding("a.two", "warning", "old", "renew it")

    assert bounded("a", lambda: [FINE, other]) == [FINE, other]


def test_look_without_end():
    """
    Is left behind; what was found before stays.
    """
    end = threading.Event()

    def look():
        yield FINE
        end.wait(20)

    found = bounded("a.two", look, patience=0.05)
    end.set()

    assert found[0] == FINE
    assert (found[1].check, found[1].state) == ("a.two", "failed")
    assert found[1].detail == "no end within 0.05 s"
    assert found[1].way_out


@pytest.mark.parametrize(
    ("error", "detail", "way_out"),
    [
        (SinkSetupError("no; do this"), "no", "do this"),
        (
            ValueError("c4n4ry"),
            "can't be looked at: ValueError",
            "report this as a fault of auditlog, with all of these findings",
        ),
    ],
)
def test_look_that_fails(error, detail, way_out):
    """
    Is a finding after those before; what a stranger's error quotes is not
    shown.
    """

    def look():
        yield FINE
        raise error

    assert bounded("a.two", look) == [
        FINE,
        Finding("a.two", "failed", detail, way_out),
    ]

"""
The soak says no to what grows.
"""

from __future__ import annotations

import attrs
import pytest

from tests.soak import Sample, told


def samples(**growth):
    """
    A thousand looks at a process of which something grows.
    """
    start = Sample(rss=60_000_000, fds=30, threads=9, lag=0.1, calm=True)
    return [
        attrs.evolve(
            start,
            **{
                name: getattr(start, name) + type(getattr(start, name))(n * by)
                for name, by in growth.items()
            },
        )
        for n in range(1_000)
    ]


def test_what_stays_as_it_is_passes():
    """
    A warm process is measured against itself.
    """
    assert told(samples())


@pytest.mark.parametrize(
    "growth", [{"rss": 6_000}, {"fds": 0.01}, {"lag": 0.003}]
)
def test_what_grows_does_not(growth):
    """
    Memory by a tenth, a file descriptor now and then, a lag that gets longer.
    """
    assert not told(samples(**growth))

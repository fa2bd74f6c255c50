"""
What tests do to a spool behind its back.
"""

from __future__ import annotations

from auditlog.testing.contracts import make_record


def make_records(count, **changes):
    return [make_record(metadata={"n": n}, **changes) for n in range(count)]


def bodies(records):
    return [record.body for record in records]


def all_of(sink):
    """
    Everything that can be read, page by page.
    """
    found = []
    while page := sink.read(found[-1].index if found else 0, 100):
        found += page
    return found


def segments(sink):
    """
    The files with events, oldest first.
    """
    return sorted(sink.folder.glob("*.log"))


def flip(path, bit):
    """
    Turn one bit of a file over.
    """
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)

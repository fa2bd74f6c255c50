"""
Settings of a topic, as Kafka names them.
"""

from __future__ import annotations

import difflib
import re

from typing import Any

from .kinds import Kind, got
from .properties import read_properties


# Those of Apache Kafka 4.3; a broker may have more.
_KNOWN = frozenset(
    {
        "cleanup.policy",
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.type",
        "compression.zstd.level",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "follower.replication.throttled.replicas",
        "index.interval.bytes",
        "leader.replication.throttled.replicas",
        "local.retention.bytes",
        "local.retention.ms",
        "max.compaction.lag.ms",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.type",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "min.insync.replicas",
        "preallocate",
        "remote.log.copy.disable",
        "remote.log.delete.on.disable",
        "remote.storage.enable",
        "retention.bytes",
        "retention.ms",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    }
)

_NAME = re.compile("[a-z][a-zA-Z0-9_-]*([.][a-zA-Z0-9_-]+)+")
_CLIENTS = re.compile(r"(sasl|security|ssl)\.|bootstrap\.servers")


def topic_settings(text: str) -> dict[str, str]:
    """
    The settings in *text*, one a line as ``retention.ms=-1``.
    """
    found = read_properties(text)
    assert isinstance(found, dict)
    return {name: value.strip() for name, value in found.items()}


def _wrong(value: Any) -> str | None:
    if not isinstance(value, str):
        return f"must be text {got(value)}"
    found = read_properties(value)
    if isinstance(found, str):
        return found
    wrong = (
        _wrong_setting(place, name, text.strip())
        for place, (name, text) in enumerate(found.items(), 1)
    )
    return " and ".join(filter(None, wrong)) or None


def _wrong_setting(place: int, name: str, text: str) -> str | None:
    # Somebody may have taken it for the client's properties, with a password
    # in what looks like a name: only what is known is shown.
    if name in _KNOWN:
        shown = name
    elif _CLIENTS.match(name):
        return f"no topic has setting {place}, which is a client's"
    elif not _NAME.fullmatch(name):
        return f"must be lines as retention.ms=-1 (not so: {place})"
    else:
        shown = f"setting {place}"
        near = difflib.get_close_matches(name, _KNOWN, 1, 0.8)
        if near:
            return f"no topic has {name}; did you mean {near[0]}?"
    if not text:
        return f"must give a value to {shown}"
    return None if text.isprintable() else f"must be printable in {shown}"


TOPIC_SETTINGS = Kind(name="topic settings, one a line", wrong=_wrong)

"""
What is kafka-python's own: nothing else in this package imports it.

Another driver would have to provide :class:`Producer`, :class:`Admin`,
:class:`Consumer` and :func:`login`, each with what they have here. Errors go
out as they are; `errors.py` knows them by name.
"""

from __future__ import annotations

# Or the first thread that looks up a name would import it, and a child that
# is forked meanwhile waits for that for ever.
import encodings.idna  # noqa: F401

from ._admin import Admin, BrokerDisk, TopicState
from ._consumer import Consumer
from ._producer import BATCH_BYTES, LINGER, Producer
from ._security import login


__all__ = [
    "BATCH_BYTES",
    "LINGER",
    "Admin",
    "BrokerDisk",
    "Consumer",
    "Producer",
    "TopicState",
    "login",
]

"""
A relay as a process of its own.
"""

from __future__ import annotations

import logging
import signal

from typing import TYPE_CHECKING

import attrs

from auditlog.config import RelayConfig
from auditlog.errors import ConfigError
from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from auditlog.config import AuditLogConfig


log = logging.getLogger("auditlog.relay")

_NOTHING = (
    "there is nothing to relay; set database.url (CDK_DATABASE_URL) and "
    "audit_log_publisher.cluster and .topicName "
    "(CDK_AUDITLOGPUBLISHER_CLUSTER and _TOPICNAME)"
)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run(config: AuditLogConfig, *, shutdown_timeout: float) -> None:
    """
    Carry events from the database to the topic until a signal ends it.

    Args:
        shutdown_timeout:
            Longest that what is under way may take then, in seconds.

    Raises:
        ConfigError: If there is no database, or no topic.
    """
    if config.database is None or config.publisher.cluster is None:
        raise ConfigError([_NOTHING])
    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    logging.getLogger("kafka").setLevel(logging.WARNING)
    # Before there are threads, which would get them otherwise.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    # What tells applications not to relay is not for this process.
    config = attrs.evolve(config, relay=RelayConfig(run=True))
    publisher = AuditLogPublisher.from_config(config, name="relay")
    log.info("relaying %s", " and ".join(map(repr, publisher.relays)))
    _wait_for_signal()
    log.info("ending")
    publisher.close(shutdown_timeout)
    for relay in publisher.relays.values():
        log.info("delivered %s events, %s dead", relay.delivered, relay.dead)


def _wait_for_signal() -> None:
    """
    Until the first signal that asks for the end; the next one ends at once.
    """
    signal.sigwait(_SIGNALS)
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

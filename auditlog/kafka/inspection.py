"""
Looks whether a cluster and its topic are as they have to be.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs

from auditlog.config import TopicConfig
from auditlog.errors import AuditLogError, ConfigError, MissingExtraError
from auditlog.findings import Finding

from . import topics, verdicts
from .contact import CONTACT, ask, load_driver, reach
from .errors import sink_error


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from auditlog.config import ClusterConfig

    from .driver import Admin, TopicState


CHECKS = (
    "kafka.properties",
    "kafka.certificate",
    "kafka.connection",
    "kafka.brokers",
    "kafka.topic",
    "kafka.durability",
    "kafka.acls",
    "kafka.disk",
)

# Most connections at a time, and most reasons that a detail holds.
_AT_ONCE = 32
_NAMED = 3
_CORRECT = "correct the cluster's properties"
_SEE_LOGS = "look at the logs of the brokers"


def inspect_cluster(
    cluster: ClusterConfig,
    topic: str,
    *,
    topic_config: TopicConfig | None = None,
) -> list[Finding]:
    """
    Look at a cluster and a topic as our login sees them; changes nothing.

    Args:
        cluster: The cluster, with the properties that are used.

        topic: Name of the topic; it need not exist.

        topic_config: How it should be.

    Returns:
        One finding for each check, in the same order always, but several for
        properties with several mistakes, and none for the certificate where
        we have none. Those behind one that failed may be skipped.

    Raises:
        MissingExtraError: If kafka-python is not installed.

    .. versionadded:: 0.1.0
    """
    load_driver("inspect_cluster()")
    look = _Look(cluster, topic, topic_config or TopicConfig())
    found = list(look.findings())
    found += skipped(found)
    return sorted(found, key=lambda each: CHECKS.index(each.check))


def skipped(found: Sequence[Finding]) -> Iterator[Finding]:
    """
    The checks that are not among those *found*.
    """
    # Not every login has a certificate.
    seen = {each.check for each in found} | {"kafka.certificate"}
    failed = [each.check for each in found if each.state == "failed"]
    why = f"{failed[-1]} failed" if failed else "there is no topic yet"
    for check in CHECKS:
        if check not in seen:
            yield Finding(check, "skipped", f"not looked at: {why}")


class _Look:
    """
    One look at one topic.
    """

    def __init__(
        self, cluster: ClusterConfig, topic: str, config: TopicConfig
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._config = config
        self._answering: tuple[str, ...] = ()

    def findings(self) -> Iterator[Finding]:
        """
        One after the other, as far as one makes sense after the other.
        """
        found = list(self._properties())
        yield from found
        if found[0].state == "failed":
            return
        connection = self.connection()
        yield connection
        if connection.state != "failed":
            yield from self._inside()

    def _properties(self) -> Iterator[Finding]:
        try:
            client = self._cluster.client()
        except ConfigError as exc:
            for mistake in exc.mistakes:
                error = AuditLogError(mistake)
                yield Finding.of_error("kafka.properties", error, _CORRECT)
            return
        yield verdicts.properties(client)
        if client.tls is not None:
            yield from verdicts.certificate(client.tls)

    def connection(self) -> Finding:
        """
        Whether the brokers to begin with answer and take our login.
        """
        servers = self._cluster.bootstrap_servers
        troubles = self._troubles(servers)
        self._answering = tuple(
            each for each in servers if each not in troubles
        )
        return _connection(servers, list(troubles.values()))

    def _troubles(self, servers: Sequence[str]) -> dict[str, Finding]:
        """
        What is wrong with which of *servers*, all tried at once.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            tried = zip(servers, pool.map(self._trouble, servers), strict=True)
            return {server: trouble for server, trouble in tried if trouble}

    def _trouble(self, server: str) -> Finding | None:
        try:
            reach(self._cluster, [server])
        except Exception as exc:  # noqa: BLE001 - any reason is to be said
            return self._failed("kafka.connection", exc)
        return None

    def _failed(self, check: str, exc: Exception) -> Finding:
        if isinstance(exc, MissingExtraError):
            return Finding.of_error(check, exc)
        error = sink_error(exc, cluster=self._cluster.id, topic=self._topic)
        return Finding.of_error(check, error, _SEE_LOGS)

    # With a client

    def _inside(self) -> Iterator[Finding]:
        driver = load_driver("inspect_cluster()")
        try:
            # A client would spend its time with those that are away.
            cluster = attrs.evolve(
                self._cluster, bootstrap_servers=self._answering
            )
            admin = driver.Admin(cluster, timeout=CONTACT)
        except Exception as exc:  # noqa: BLE001 - as above
            yield self._failed("kafka.brokers", exc)
            return
        with admin:
            brokers = self._brokers(admin.addresses())
            yield brokers
            if brokers.state != "failed":
                yield from self._about_topic(admin)
                yield self._disk(admin)

    def _brokers(self, servers: Sequence[str]) -> Finding:
        """
        Whether the brokers are where they say that they are.
        """
        check = "kafka.brokers"
        troubles = list(self._troubles(servers).values())
        if not troubles:
            return Finding(check, "ok", _answering(servers))
        return Finding(
            check,
            "failed",
            "the cluster answers, but says that brokers are where they can't "
            f"be used: {_named(troubles)}",
            "set advertised.listeners of the brokers to addresses that this "
            "machine can reach, or let it reach these",
        )

    def _about_topic(self, admin: Admin) -> Iterator[Finding]:
        try:
            state = admin.topic(self._topic)
            if state is None:
                yield from self._absent(admin)
            else:
                yield from self._present(admin, state)
        except Exception as exc:  # noqa: BLE001 - as above
            yield self._failed("kafka.topic", exc)

    def _present(self, admin: Admin, state: TopicState) -> Iterator[Finding]:
        yield verdicts.as_configured(state, self._topic, self._config)
        yield verdicts.durability(state, len(admin.addresses()))
        yield verdicts.acls(state, self._topic)

    def _absent(self, admin: Admin) -> Iterator[Finding]:
        check = "kafka.topic"
        refused = topics.refusal(
            admin,
            self._topic,
            self._config,
            cluster=self._cluster.id,
            only_ask=True,
        )
        if refused is not None:
            yield Finding.of_error(check, refused, _SEE_LOGS)
            return
        detail = f"no topic {self._topic!r} yet; the first event creates it"
        yield Finding(check, "ok", detail)
        yield verdicts.durability_to_be(self._config, len(admin.addresses()))

    def _disk(self, admin: Admin) -> Finding:
        try:
            return verdicts.disk(admin.disks())
        except Exception as exc:  # noqa: BLE001 - of no importance
            detail = f"can't be seen ({type(exc).__name__})"
            return Finding("kafka.disk", "skipped", detail)


def _connection(
    servers: Sequence[str], troubles: Sequence[Finding]
) -> Finding:
    check = "kafka.connection"
    if not troubles:
        return Finding(check, "ok", _answering(servers))
    if len(servers) == 1:
        return troubles[0]
    details, way_out = _named(troubles), troubles[0].way_out
    if len(troubles) == len(servers):
        detail = f"none of {len(servers)} brokers can be used: {details}"
        return Finding(check, "failed", detail, way_out)
    share = f"{len(troubles)} of {len(servers)} brokers can't be used"
    return Finding(check, "warning", f"{share}: {details}", way_out)


def _answering(servers: Sequence[str]) -> str:
    verb = "answers" if len(servers) == 1 else "answer"
    return f"{', '.join(servers)} {verb}"


def _named(troubles: Sequence[Finding]) -> str:
    details = [each.detail for each in troubles]
    more = len(details) - _NAMED
    rest = [f"and {more} more"] if more > 0 else []
    return ", ".join([*details[:_NAMED], *rest])


def trouble_with(cluster: ClusterConfig) -> Finding | None:
    """
    Why *cluster* can't be used, or None if it answers and takes our login.
    """
    found = _Look(cluster, "", TopicConfig()).connection()
    return None if found.state == "ok" else found


def list_topics(cluster: ClusterConfig) -> dict[str, TopicState]:
    """
    The topics of *cluster* that we may see, by their names.

    Raises:
        SinkError: If it can't be used, with the reason.
    """
    try:
        return ask(cluster, lambda admin: admin.topics())
    except Exception as exc:
        raise sink_error(exc, cluster=cluster.id, topic="") from exc

"""
Looks whether a cluster and its topic are as they have to be.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from auditlog.config import TopicConfig
from auditlog.config.tls import expiry
from auditlog.errors import AuditLogError, ConfigError
from auditlog.findings import Finding

from . import topics
from .contact import CONTACT, ask, load_driver, reach
from .errors import sink_error


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from auditlog.config import ClusterConfig
    from auditlog.config.client import TLS

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

# What publishing needs; the product that writes the same topic asks for these
# too, and no consumer's.
_NEEDED = ("WRITE", "DESCRIBE")
_LEAST_FREE = 0.05
_DAY = 86_400_000
_SOON = timedelta(days=30)


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
        One finding or more for each check, in the same order always. Those
        behind one that failed may be skipped.

    Raises:
        MissingExtraError: If kafka-python is not installed.

    .. versionadded:: 0.1.0
    """
    load_driver("inspect_cluster()")
    look = _Look(cluster, topic, topic_config or TopicConfig())
    found = list(look.findings())
    seen = {each.check for each in found}
    rest = [each for each in CHECKS if each not in seen]
    if "kafka.certificate" in rest:  # there need not be one
        rest.remove("kafka.certificate")
    found += [
        Finding(each, "skipped", "could not be looked at") for each in rest
    ]
    return sorted(found, key=lambda each: CHECKS.index(each.check))


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

    def findings(self) -> Iterator[Finding]:
        """
        One after the other, as far as one makes sense after the other.
        """
        found = list(self._properties())
        yield from found
        if found[0].state == "failed":
            return
        connection = self._connection()
        yield connection
        if connection.state != "failed":
            yield from self._inside()

    def _failed(self, check: str, exc: Exception) -> Finding:
        error = sink_error(exc, cluster=self._cluster.id, topic=self._topic)
        return Finding.of_error(check, error)

    def _properties(self) -> Iterator[Finding]:
        check = "kafka.properties"
        try:
            client = self._cluster.client()
        except ConfigError as exc:
            for mistake in exc.mistakes:
                yield Finding.of_error(check, AuditLogError(mistake))
            return
        if client.tls is not None and not client.tls.verify:
            yield Finding(
                check,
                "warning",
                "any certificate is taken for the brokers': whoever is on "
                "the way can read and change events",
                "switch ignoreUntrustedCertificate off, and put the "
                "certificate of the issuer in ssl.truststore.certificates",
            )
        elif client.protocol == "SASL_PLAINTEXT":
            yield Finding(
                check,
                "warning",
                "the login and all events travel in clear (SASL_PLAINTEXT)",
                "use a listener with SASL_SSL",
            )
        else:
            how = f" with {client.login.mechanism}" if client.login else ""
            yield Finding(check, "ok", f"{client.protocol}{how}")
        if client.tls is not None:
            yield from _certificate(client.tls)

    def _connection(self) -> Finding:
        return self._reached(
            "kafka.connection",
            self._cluster.bootstrap_servers,
            "take bootstrapServers that work",
        )

    def _reached(
        self, check: str, servers: Iterable[str], way_out: str
    ) -> Finding:
        servers = list(servers)
        reasons = []
        for server in servers:
            try:
                reach(self._cluster, [server])
            except Exception as exc:  # noqa: BLE001 - any reason is to be said
                reasons.append(self._failed(check, exc))
        if not reasons:
            many = "all answer" if len(servers) > 1 else "answers"
            return Finding(check, "ok", f"{', '.join(servers)}: {many}")
        first = reasons[0]
        if len(reasons) == len(servers):
            return first
        return Finding(
            check,
            "warning",
            f"{len(reasons)} of {len(servers)} can't be used: {first.detail}",
            first.way_out or way_out,
        )

    # With a client

    def _inside(self) -> Iterator[Finding]:
        driver = load_driver("inspect_cluster()")
        try:
            admin = driver.Admin(self._cluster, timeout=CONTACT)
        except Exception as exc:  # noqa: BLE001 - as above
            yield self._failed("kafka.brokers", exc)
            return
        with admin:
            yield self._reached(
                "kafka.brokers",
                admin.addresses(),
                "mend advertised.listeners of the brokers",
            )
            yield from self._about_topic(admin)
            yield self._disk(admin)

    def _about_topic(self, admin: Admin) -> Iterator[Finding]:
        check = "kafka.topic"
        try:
            state = admin.topic(self._topic)
            if state is None:
                yield self._absent(admin)
                return
        except Exception as exc:  # noqa: BLE001 - as above
            yield self._failed(check, exc)
            return

        wrong = topics.why_not_writable(state, self._topic)
        if wrong is not None:
            yield Finding.of_error(check, wrong)
        else:
            yield self._as_it_is(state)
        yield _durability(state, len(admin.addresses()))
        yield _acls(state, self._topic)

    def _absent(self, admin: Admin) -> Finding:
        refused = topics.refusal(
            admin,
            self._topic,
            self._config,
            cluster=self._cluster.id,
            only_ask=True,
        )
        if refused is not None:
            return Finding.of_error("kafka.topic", refused)
        return Finding(
            "kafka.topic",
            "ok",
            f"topic {self._topic!r} does not exist; the first event creates "
            "it",
        )

    def _as_it_is(self, state: TopicState) -> Finding:
        found = list(topics.differences(state, self._config))
        partitions = len(state.partitions)
        if found:
            return Finding(
                "kafka.topic",
                "warning",
                f"topic {self._topic!r} has {'; '.join(found)}",
                "change the topic or audit_log_publisher.topicConfig; events "
                "are published either way",
            )
        return Finding(
            "kafka.topic",
            "ok",
            f"topic {self._topic!r} has {partitions} partition"
            f"{'s' * (partitions != 1)} and {_retention(state)}",
        )

    def _disk(self, admin: Admin) -> Finding:
        check = "kafka.disk"
        try:
            disks = admin.disks()
        except Exception as exc:  # noqa: BLE001 - of no importance
            return Finding(check, "skipped", f"can't be seen ({exc!r:.60})")
        if not disks:
            return Finding(
                check,
                "skipped",
                "the brokers' disks may not be seen without the ACL Describe "
                "on the cluster",
            )
        least = min(disks, key=lambda each: each.usable / (each.total or 1))
        share = least.usable / (least.total or 1)
        detail = (
            f"broker {least.broker} has {least.usable / 2**30:.1f} GiB free "
            f"({share:.0%})"
        )
        if share >= _LEAST_FREE:
            return Finding(check, "ok", detail)
        return Finding(
            check, "warning", detail, "free space, or shorten retention"
        )


def _certificate(tls: TLS) -> Iterator[Finding]:
    ends = expiry(tls)
    if ends is None:
        return
    check, left = "kafka.certificate", ends - datetime.now(UTC)
    detail = f"our certificate is good until {ends:%Y-%m-%d}"
    if left > _SOON:
        yield Finding(check, "ok", detail)
    else:
        expired = left < timedelta()
        yield Finding(
            check,
            "failed" if expired else "warning",
            detail,
            "renew ssl.keystore.certificate.chain",
        )


def _retention(state: TopicState) -> str:
    if topics.is_compacted(state):
        return "is compacted"
    text = state.config.get("retention.ms")
    if text is None:
        return "a retention that may not be seen"
    if text == "-1":
        return "keeps events for ever"
    return f"keeps events for {int(text) / _DAY:g} days"


def _durability(state: TopicState, brokers: int) -> Finding:
    """
    Whether an acknowledged event outlives a broker.
    """
    check, factor = "kafka.durability", state.replication_factor
    if factor == 1:
        detail = "replication factor 1: with its broker the topic is lost"
        if brokers == 1:
            return Finding(check, "ok", f"{detail}; there is only one")
        way_out = "reassign its partitions to three brokers each"
        return Finding(check, "warning", detail, way_out)
    least = topics.min_in_sync(state)
    detail = f"replication factor {factor}, min.insync.replicas {least}"
    if least > 1 or "min.insync.replicas" not in state.config:
        return Finding(check, "ok", detail)
    return Finding(
        check,
        "warning",
        f"{detail}: an acknowledged event may lie on one broker alone",
        "set min.insync.replicas of the topic to 2",
    )


def _acls(state: TopicState, topic: str) -> Finding:
    check = "kafka.acls"
    if state.allowed is None:
        return Finding(check, "skipped", "the brokers do not say")
    missing = [each for each in _NEEDED if each not in state.allowed]
    if missing:
        return Finding(
            check,
            "failed",
            f"topic {topic!r} may not be written to: {_listed(missing)} is "
            "not granted",
            f"grant the ACL {_listed(missing)} on the topic",
        )
    rest = [
        f"without {_listed([name])} {why}"
        for name, why in _USEFUL.items()
        if name not in state.allowed
    ]
    if rest:
        return Finding(
            check,
            "ok",
            f"topic {topic!r} may be written to; {', and '.join(rest)}",
        )
    return Finding(check, "ok", f"topic {topic!r} may be written to and read")


_USEFUL = {
    "READ": "it can't be read, nor compared with the journal",
    "DESCRIBE_CONFIGS": "its settings can't be seen",
}


def _listed(operations: Iterable[str]) -> str:
    return " and ".join(each.title().replace("_", "") for each in operations)


def why_unusable(cluster: ClusterConfig) -> str | None:
    """
    Why *cluster* can't be used, or None if it answers and takes our login.
    """
    try:
        reach(cluster)
    except Exception as exc:  # noqa: BLE001 - any reason is to be said
        return str(sink_error(exc, cluster=cluster.id, topic=""))
    return None


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

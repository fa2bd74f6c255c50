"""
What a topic, a login and a certificate are worth, by what is known of them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from auditlog.config.tls import expiry
from auditlog.findings import Finding

from . import topics


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from auditlog.config import TopicConfig
    from auditlog.config.client import TLS, ClientSettings

    from .driver import BrokerDisk, TopicState


# What publishing needs; the product that writes the same topic asks for these
# too, and no consumer's.
_NEEDED = ("WRITE", "DESCRIBE")
_USEFUL = {
    "READ": "it can't be read, nor compared with the journal",
    "DESCRIBE_CONFIGS": "its settings can't be seen",
}
_LEAST_FREE = 0.05
_DAY = 86_400_000
_SOON = timedelta(days=30)


# The login


def described(client: ClientSettings) -> str:
    """
    How *client* speaks to its brokers, in a few words.
    """
    how = f" with {client.login.mechanism}" if client.login else ""
    return f"{client.protocol}{how}"


def properties(client: ClientSettings) -> Finding:
    """
    Whether others could read along.
    """
    check = "kafka.properties"
    if client.tls is not None and not client.tls.verify:
        return Finding(
            check,
            "warning",
            "any certificate is taken for the brokers': whoever is on the way "
            "can read and change events",
            "set the cluster's ignoreUntrustedCertificate to false, and put "
            "the certificate of the issuer in ssl.truststore.certificates",
        )
    if client.protocol == "SASL_PLAINTEXT":
        return Finding(
            check,
            "warning",
            "the login and all events travel in clear (SASL_PLAINTEXT)",
            "set security.protocol=SASL_SSL in the cluster's properties, and "
            "the port of such a listener in its bootstrapServers",
        )
    return Finding(check, "ok", described(client))


def certificate(tls: TLS) -> Iterator[Finding]:
    """
    Whether our own certificate ends soon, if there is one.
    """
    ends = expiry(tls)
    if ends is None:
        return
    left = ends - datetime.now(UTC)
    check, day = "kafka.certificate", f"{ends:%Y-%m-%d}"
    if left > _SOON:
        yield Finding(check, "ok", f"our certificate is good until {day}")
    elif left > timedelta():
        detail = f"our certificate ends soon, on {day}"
        yield Finding(check, "warning", detail, _renewal(tls))
    else:
        detail = f"our certificate expired on {day}"
        yield Finding(check, "failed", detail, _renewal(tls))


def _renewal(tls: TLS) -> str:
    if tls.keystore_file:
        return "renew the file of ssl.keystore.location"
    return (
        "put a new one in ssl.keystore.certificate.chain, and its key in "
        "ssl.keystore.key"
    )


# The topic


def as_configured(
    state: TopicState, topic: str, config: TopicConfig
) -> Finding:
    """
    Whether *topic* can be written to, and is as *config* wants it.
    """
    check = "kafka.topic"
    wrong = topics.why_broken(state, topic)
    if wrong is not None:
        return Finding.of_error(check, wrong)
    found = list(topics.differences(state, config))
    if found:
        return Finding(
            check,
            "warning",
            f"topic {topic!r} has {'; '.join(found)}",
            _adjustment(state),
        )
    count = len(state.partitions)
    partitions = f"{count} partition{'s' * (count != 1)}"
    detail = f"topic {topic!r} has {partitions} and {_retention(state)}"
    return Finding(check, "ok", detail)


def _adjustment(state: TopicState) -> str:
    if topics.is_compacted(state):
        return (
            "set cleanup.policy of the topic to delete, with "
            "kafka-configs.sh --alter"
        )
    return (
        "change the topic or audit_log_publisher.topicConfig; events are "
        "published either way"
    )


def _retention(state: TopicState) -> str:
    text = state.config.get("retention.ms")
    if text is None:
        return "a retention that may not be seen"
    if text == "-1":
        return "keeps events for ever"
    return f"keeps events for {int(text) / _DAY:g} days"


def durability(state: TopicState, brokers: int) -> Finding:
    """
    Whether an acknowledged event outlives a broker.
    """
    check, factor = "kafka.durability", state.replication_factor
    if factor == 1:
        way_out = (
            "give each partition three replicas with "
            "kafka-reassign-partitions.sh"
        )
        return _single(brokers, way_out)
    least = topics.min_in_sync(state)
    detail = f"replication factor {factor}, min.insync.replicas {least}"
    if least > 1:
        return Finding(check, "ok", detail)
    if "min.insync.replicas" not in state.config:
        return Finding(check, "ok", f"replication factor {factor}")
    return Finding(
        check,
        "warning",
        f"{detail}: an acknowledged event may lie on one broker alone",
        "set min.insync.replicas of the topic to 2, with kafka-configs.sh "
        "--alter",
    )


def durability_to_be(config: TopicConfig, brokers: int) -> Finding:
    """
    The same of a topic that is still to be created.
    """
    factor = config.replication_factor
    if factor == 1:
        way_out = (
            "set audit_log_publisher.topicConfig.replicationFactor "
            "(CDK_AUDITLOGPUBLISHER_TOPICCONFIG_REPLICATIONFACTOR) to "
            f"{min(brokers, 3)} before the first event"
        )
        return _single(brokers, way_out)
    told = "of the brokers" if factor == -1 else str(factor)
    detail = f"it is created with replication factor {told}"
    return Finding("kafka.durability", "ok", detail)


def _single(brokers: int, way_out: str) -> Finding:
    check = "kafka.durability"
    detail = "replication factor 1: with its broker the topic is lost"
    if brokers == 1:
        return Finding(check, "ok", f"{detail}; there is only one")
    return Finding(check, "warning", detail, way_out)


def acls(state: TopicState, topic: str) -> Finding:
    """
    Whether our login may do to *topic* what it has to.
    """
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
            f"grant our login the ACL {_listed(missing)} on the topic, with "
            "kafka-acls.sh --add",
        )
    rest = [
        f"without {_listed([name])} {why}"
        for name, why in _USEFUL.items()
        if name not in state.allowed
    ]
    remark = f"; {', and '.join(rest)}" if rest else " and read"
    return Finding(check, "ok", f"topic {topic!r} may be written to{remark}")


def _listed(operations: Iterable[str]) -> str:
    return " and ".join(each.title().replace("_", "") for each in operations)


# The brokers


def disk(disks: Sequence[BrokerDisk]) -> Finding:
    """
    Whether the fullest of *disks* has room.
    """
    check = "kafka.disk"
    if not disks:
        return Finding(
            check,
            "skipped",
            "the brokers' disks can't be seen without the ACL Describe on the "
            "cluster",
        )
    least = min(disks, key=lambda each: each.usable / (each.total or 1))
    share = least.usable / (least.total or 1)
    detail = (
        f"broker {least.broker} has {least.usable / 2**30:.1f} GiB free "
        f"({share:.0%})"
    )
    if share >= _LEAST_FREE:
        return Finding(check, "ok", detail)
    way_out = (
        f"free space in {least.path} of broker {least.broker}, or shorten "
        "retention.ms of large topics"
    )
    return Finding(check, "warning", detail, way_out)

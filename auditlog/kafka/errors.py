"""
What a failure of kafka-python means for events, in words of our own.

By name and not by class, so that the table needs no driver.
"""

from __future__ import annotations

from auditlog.errors import (
    AuditLogError,
    SinkError,
    SinkSetupError,
    SinkTimeoutError,
    SinkUnavailableError,
)


class TopicGoneError(Exception):
    """
    The topic was there and is not any more.
    """


class OverdueError(Exception):
    """
    The broker did not acknowledge in time.
    """


class UnreachableError(Exception):
    """
    The cluster can't be reached; its text is the reason.
    """


class RefusedLoginError(Exception):
    """
    Who we say that we are is not believed; its text is the reason.
    """


class UntrustedError(Exception):
    """
    One side does not take the other's certificate; its text is the reason.
    """


class StalledError(Exception):
    """
    Nothing more comes, though there should be more.
    """


class TruncatedError(Exception):
    """
    A partition ends before the place where it is read.
    """


class DisorderError(Exception):
    """
    A stretch holds what belongs into another one.
    """


# At fault is the event, if it fails alone.
EVENT = {
    "MessageSizeTooLargeError",
    "RecordListTooLargeError",
    "InvalidRecordError",
}

_NOT_AUTHORIZED = (
    "Not authorized. Topic {topic!r} on cluster {cluster!r} may not be "
    "written to; grant the ACLs Describe and Write, and Create if the topic "
    "is to be created"
)
_IDEMPOTENT = (
    "Not authorized. Cluster {cluster!r} refuses idempotent writes; grant the "
    "ACL IdempotentWrite on the cluster"
)
_NO_LOGIN = (
    "Not authenticated. Cluster {cluster!r} refuses the credentials or their "
    "mechanism; see its properties"
)
_NO_TOPIC_NAME = "Wrong set-up. {topic!r} is no name of a Kafka topic"
_CLOCK = (
    "Wrong set-up. The broker refuses the time at which records are sent; "
    "set this machine's clock, or message.timestamp.after.max.ms and "
    "message.timestamp.before.max.ms of topic {topic!r}"
)
_POLICY = "Wrong set-up. Cluster {cluster!r} forbids it by a policy ({code})"
_OTHER = "Wrong set-up. Cluster {cluster!r} refuses topic {topic!r} ({code})"

# At fault is the set-up: somebody has to mend it.
SETUP = {
    "AuthorizationError": _NOT_AUTHORIZED,
    "TopicAuthorizationFailedError": _NOT_AUTHORIZED,
    "TransactionalIdAuthorizationFailedError": _NOT_AUTHORIZED,
    "GroupAuthorizationFailedError": _NOT_AUTHORIZED,
    "DelegationTokenAuthorizationFailedError": _NO_LOGIN,
    "ClusterAuthorizationFailedError": _IDEMPOTENT,
    "SaslAuthenticationFailedError": _NO_LOGIN,
    "UnsupportedSaslMechanismError": _NO_LOGIN,
    "IllegalSaslStateError": _NO_LOGIN,
    "SecurityDisabledError": _NO_LOGIN,
    "InvalidTopicError": _NO_TOPIC_NAME,
    "InvalidTimestampError": _CLOCK,
    "PolicyViolationError": _POLICY,
    "InvalidConfigurationError": _OTHER,
    "InvalidPartitionsError": _OTHER,
    "InvalidReplicationFactorError": _OTHER,
    "InvalidReplicationAssignmentError": _OTHER,
    "InvalidRequiredAcksError": _OTHER,
    "InvalidRequestError": _OTHER,
    "UnsupportedVersionError": _OTHER,
    "IncompatibleBrokerVersion": _OTHER,
    "UnrecognizedBrokerVersion": _OTHER,
    "UnsupportedForMessageFormatError": _OTHER,
    "UnsupportedCompressionTypeError": _OTHER,
    "UnsupportedCodecError": _OTHER,
    "KafkaConfigurationError": _OTHER,
}


_OURS: dict[type[Exception], tuple[type[SinkError], str]] = {
    UnreachableError: (SinkUnavailableError, "Unreachable. {}"),
    RefusedLoginError: (SinkSetupError, "Not authenticated. {}"),
    UntrustedError: (SinkSetupError, "Not trusted. {}"),
    AuditLogError: (SinkSetupError, "Wrong set-up. Cluster {cluster!r}: {}"),
    TopicGoneError: (
        SinkUnavailableError,
        (
            "Not found. Topic {topic!r} on cluster {cluster!r} was deleted "
            "while in use; it is created again with the next attempt"
        ),
    ),
    OverdueError: (
        SinkTimeoutError,
        (
            "Timed out. Cluster {cluster!r} answers, but did not acknowledge "
            "records of topic {topic!r} in time"
        ),
    ),
}


# Whose text is the reason.
OURS = (UnreachableError, RefusedLoginError, UntrustedError, AuditLogError)


def name_of(error: Exception) -> str:
    """
    The name of *error*, without what it may quote.
    """
    code = getattr(error, "message", None)
    return code if isinstance(code, str) else type(error).__name__


def sink_error(error: Exception, *, cluster: str, topic: str) -> SinkError:
    """
    What *error* is to the engine; never the fault of an event.
    """
    if isinstance(error, SinkError):
        return error

    place = {"cluster": cluster, "topic": topic, "code": name_of(error)}
    for kind, (ours, text) in _OURS.items():
        if isinstance(error, kind):
            return ours(text.format(error, **place))
    told = SETUP.get(type(error).__name__)
    if told is not None:
        return SinkSetupError(told.format(**place))
    return SinkUnavailableError(
        "Unreachable. Cluster {cluster!r} could not store records of topic "
        "{topic!r} ({code})".format(**place)
    )

"""
The config classes: plain frozen objects that need no driver.

Their `Attributes` sections are the text of the configuration reference.
"""

from __future__ import annotations

import os

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

import attrs

from auditlog.errors import ClusterNotFoundError

from . import connections, kinds
from .database import parameters
from .load import load_env, load_file, load_mapping
from .secret import Secret
from .settings import about, check
from .topics import TOPIC_SETTINGS, topic_settings
from .translation import client_settings


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .client import ClientSettings


_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class TopicConfig:
    """
    How a topic is made that does not exist; an existing one is left as it is.

    Attributes:
        partition:
            Number of partitions, from 1; -1 is the broker's default.

        replication_factor:
            Number of copies of each partition, from 1; -1 is the broker's
            default. With 1 the loss of one broker loses the topic.

        properties:
            Settings of the topic, one a line, as in ``retention.ms=-1``;
            for others the broker's defaults hold.

    Raises:
        ConfigError:
            If a number is 0, below -1 or too large for Kafka, or a setting
            is misspelt.

        MissingExtraError:
            If there are settings and javaproperties is not installed.

    .. versionadded:: 0.1.0
    """

    partition: int = attrs.field(
        default=1, metadata=about(kinds.count(2**31 - 1))
    )
    replication_factor: int = attrs.field(
        default=1,
        metadata=about(kinds.count(2**15 - 1), name="replicationFactor"),
    )
    properties: str = attrs.field(
        default="", metadata=about(TOPIC_SETTINGS, own=True)
    )

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot work.
        """
        check(self)

    def settings(self) -> dict[str, str]:
        """
        The settings by their names.

        .. versionadded:: 0.1.0
        """
        return topic_settings(self.properties)


_TOPIC_NAME = kinds.text(
    r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}",
    "must be 1 to 249 of the characters a-z A-Z 0-9 . _ -, not '.' or '..'",
    name="topic name",
)


@attrs.frozen(kw_only=True)
class PublisherConfig:
    """
    Where audit events are published; with neither field set, nowhere.

    Attributes:
        cluster:
            ID of the cluster that has the topic. It need not be known yet:
            events wait until it is.

        topic_name:
            Name of the topic, as in ``_conduktor_console_audit_log``. Set
            both or neither.

        topic_config: How the topic is made if it does not exist.

        properties:
            Java client properties, one a line, that win over those of the
            cluster where events are published: a login of its own, or
            ``linger.ms=20``.

    Raises:
        ConfigError: If only one of both is set, or the name is no topic's.

    .. versionadded:: 0.1.0
    """

    cluster: str | None = attrs.field(
        default=None, metadata=about(kinds.text(), needs="topic_name")
    )
    topic_name: str | None = attrs.field(
        default=None,
        metadata=about(_TOPIC_NAME, name="topicName", needs="cluster"),
    )
    topic_config: TopicConfig = attrs.field(
        default=TopicConfig(),
        metadata=about(kinds.part(TopicConfig), name="topicConfig"),
    )
    properties: Secret | None = attrs.field(
        default=None,
        converter=attrs.converters.optional(connections.keep_secret),
        metadata=about(connections.CLIENT_PROPERTIES, own=True),
    )

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot work.
        """
        check(self)


@attrs.frozen(kw_only=True)
class ClusterConfig:
    """
    A Kafka cluster and how to reach it.

    Attributes:
        id: The ID by which the publisher's *cluster* finds it.

        name: A name for people; the ID by default.

        bootstrap_servers:
            Addresses to begin with. Any one that answers is enough.

        properties:
            Java client properties, one a line, as in
            ``security.protocol=SASL_SSL``. They are translated, without
            meaning here, or refused; only those of a cluster that is used
            have to make sense.

        ignore_untrusted_certificate:
            Whether to take any certificate for that of the cluster: whoever
            is on the way can then read and change everything.

    Raises:
        ConfigError: If a value is empty or malformed.

    .. versionadded:: 0.1.0
    """

    id: str = attrs.field(metadata=about(kinds.text()))
    name: str = attrs.field(
        default=attrs.Factory(lambda self: self.id, takes_self=True),
        metadata=about(kinds.text()),
    )
    bootstrap_servers: tuple[str, ...] = attrs.field(
        converter=kinds.split_addresses,
        metadata=about(kinds.ADDRESSES, name="bootstrapServers"),
    )
    properties: Secret | None = attrs.field(
        default=None,
        converter=attrs.converters.optional(connections.keep_secret),
        metadata=about(connections.CLIENT_PROPERTIES),
    )
    ignore_untrusted_certificate: bool = attrs.field(
        default=False,
        metadata=about(kinds.FLAG, name="ignoreUntrustedCertificate"),
    )

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot work.
        """
        check(self)

    def client(self) -> ClientSettings:
        """
        What the properties mean.

        Raises:
            ConfigError: If they can't be used, with all that is wrong.

            MissingExtraError:
                If there are any and javaproperties is not installed.

        .. versionadded:: 0.1.0
        """
        return client_settings(
            self.properties,
            ignore_untrusted=self.ignore_untrusted_certificate,
        )

    def with_properties(self, more: Secret | None) -> Self:
        """
        This cluster with *more* properties, which win over its own.

        .. versionadded:: 0.1.0
        """
        both = connections.joined(self.properties, more)
        return attrs.evolve(self, properties=both)


_HOST = kinds.text(
    r"[^\s,@]+", "must be one host, or the folder of a socket", name="host"
)


@attrs.frozen(kw_only=True)
class DatabaseHost:
    """
    One of several hosts of a database.

    Attributes:
        host: Its name or address, or the folder of a Unix socket.

        port: Its port.

    Raises:
        ConfigError: If a value is malformed.

    .. versionadded:: 0.1.0
    """

    host: str = attrs.field(metadata=about(_HOST))
    port: int = attrs.field(default=5432, metadata=about(kinds.PORT))

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot work.
        """
        check(self)


@attrs.frozen(kw_only=True)
class DatabaseConfig:
    """
    The PostgreSQL database that keeps the events.

    Give a URL, or its parts, or a URL and parts that win over it.

    Attributes:
        url:
            ``postgresql://user:password@host:5432/name?sslmode=require`` or
            the same behind ``jdbc:``, with several hosts if need be. Special
            characters in user and password are percent-encoded. Parameters
            are libpq's; those of the Java driver are translated, ignored or
            refused. Printed without user and password.

        hosts: The servers, tried in this order.

        host:
            The only server; a name, an address or the folder of a Unix
            socket.

        port:
            The port of *host*, by default that of *url*; without *host*, of
            all servers in *url*.

        name: The database.

        username: Who connects.

        password: The password, as it is.

        schema:
            Name of the schema that holds the tables: letters, digits and
            ``_``, at most 63, not beginning with ``pg_``.

        create_schema:
            Whether to create the schema and its tables if they are absent.
            They are never upgraded by themselves.

        prepare:
            Whether to use prepared statements. Switch them off behind a
            pooler that cannot take them.

        connection_timeout: Longest wait for a connection, in seconds.

        timeout:
            Longest wait for an answer when events are stored or relayed, in
            seconds. Then the connection is given up.

        pool_size:
            Most connections that are kept open for later. One stores events
            and one more is needed for each relay; readers have their own.

    Raises:
        ConfigError:
            If a value is malformed, or there is neither a URL nor host, name
            and username; never shows the URL or the password.

    .. versionadded:: 0.1.0
    """

    url: Secret | None = attrs.field(
        default=None,
        converter=attrs.converters.optional(connections.keep_secret),
        repr=connections.show_url,
        metadata=about(connections.POSTGRES_URL),
    )
    hosts: tuple[DatabaseHost, ...] = attrs.field(
        default=(),
        converter=kinds.keep_tuple,
        metadata=about(kinds.parts(DatabaseHost)),
    )
    host: str | None = attrs.field(default=None, metadata=about(_HOST))
    port: int | None = attrs.field(default=None, metadata=about(kinds.PORT))
    name: str | None = attrs.field(default=None, metadata=about(kinds.text()))
    username: str | None = attrs.field(
        default=None, repr=False, metadata=about(kinds.text())
    )
    password: Secret | None = attrs.field(
        default=None,
        converter=attrs.converters.optional(connections.keep_secret),
        metadata=about(connections.PASSWORD),
    )
    schema: str = attrs.field(
        default="audit",
        metadata=about(
            kinds.text(
                "(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,62}",
                "must be letters, digits and _, at most 63, and not pg_...",
            )
        ),
    )
    create_schema: bool = attrs.field(default=True, metadata=about(kinds.FLAG))
    prepare: bool = attrs.field(default=True, metadata=about(kinds.FLAG))
    connection_timeout: float = attrs.field(
        default=10.0, metadata=about(kinds.SECONDS)
    )
    timeout: float = attrs.field(default=30.0, metadata=about(kinds.SECONDS))
    pool_size: int = attrs.field(
        default=4, metadata=about(kinds.number(1, 100))
    )

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot work.
        """
        check(self)

    @staticmethod
    def _rules(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """
        What is wrong with several together.
        """
        parts = ("hosts", "host", "port", "name", "username", "password")
        for name in ("host", "port"):
            if values.get(name) and values.get("hosts"):
                yield name, "must not be set beside hosts"
        if values.get("url") is not None:
            return
        if not any(values.get(part) for part in parts):
            yield "url", "must be set, or host, name and username"
            return
        for name in ("host", "name", "username"):
            if not values.get(name) and not (
                name == "host" and values.get("hosts")
            ):
                yield name, "must be set, because there is no url"

    def parameters(self) -> dict[str, str]:
        """
        What libpq is told, by its own names; holds the password.

        .. versionadded:: 0.1.0
        """
        url = parameters(self.url.reveal()) if self.url else {}
        if self.host or self.hosts:
            url.pop("hostaddr", None)  # it would win over them
        parts = {
            **self._servers(url.get("port", "")),
            "dbname": self.name,
            "user": self.username,
            "password": self.password and self.password.reveal(),
        }
        return url | {name: text for name, text in parts.items() if text}

    def _servers(self, url_port: str) -> dict[str, str]:
        if self.hosts:
            return {
                "host": ",".join(each.host for each in self.hosts),
                "port": ",".join(str(each.port) for each in self.hosts),
            }
        if self.host is None:
            return {"port": str(self.port or "")}
        # Those of several servers are none of this one's.
        port = url_port if url_port.isdigit() else "5432"
        return {"host": self.host, "port": str(self.port or port)}


@attrs.frozen(kw_only=True)
class SpoolConfig:
    """
    The folder on a local disk that keeps the events: all of them, or, with a
    database, those that come while that is away.

    Attributes:
        path:
            The folder, which all processes of the application share; it is
            made if it is absent.

        max_bytes:
            Most bytes of events that one process keeps there, at least
            131,072; then publishing fails until some are delivered.

    Raises:
        ConfigError: If *path* is empty or *max_bytes* out of range.

    .. versionadded:: 0.1.0
    """

    path: str = attrs.field(metadata=about(kinds.text()))
    max_bytes: int = attrs.field(
        default=1024**3, metadata=about(kinds.number(128 * 1024, 2**50))
    )

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot work.
        """
        check(self)


@attrs.frozen(kw_only=True)
class RelayConfig:
    """
    How events come from the journal to the topic.

    Attributes:
        run:
            Whether this process relays. Where several do, one at a time
            ships; servers that fork workers may leave it to a process of
            its own.

    Raises:
        ConfigError: If *run* is no `bool`.

    .. versionadded:: 0.1.0
    """

    run: bool = attrs.field(default=True, metadata=about(kinds.FLAG))

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot work.
        """
        check(self)


def _wrong_properties(
    cluster: Any, more: Secret | None = None
) -> tuple[str, ...]:
    # Of a cluster with other mistakes there is only what was given.
    own = getattr(cluster, "properties", None)
    ignored = getattr(cluster, "ignore_untrusted_certificate", False)
    if not isinstance(own, Secret | None):
        return ()
    return connections.wrong_properties(
        connections.joined(own, more), ignore_untrusted=ignored is True
    )


@attrs.frozen(kw_only=True)
class AuditLogConfig:
    """
    All that an audit log needs to know.

    Build it from parts, or load it with :meth:`from_env`, :meth:`from_file`
    or :meth:`from_mapping`. Loading changes nothing outside the object, and
    a change of the environment changes no object.

    Attributes:
        database: The database that keeps the events, if any.

        spool: The folder that keeps them instead, if any.

        clusters: The known Kafka clusters, each with an ID of its own.

        publisher: Where events are published.

        relay: How they get there.

        codec:
            How events are written: ``cloudevents``, or ``conduktor`` for
            the envelope that Conduktor Console writes.

    Raises:
        ConfigError:
            If a value has the wrong type, two clusters have one ID, or
            *codec* is unknown.

    .. versionadded:: 0.1.0
    """

    database: DatabaseConfig | None = attrs.field(
        default=None, metadata=about(kinds.part(DatabaseConfig))
    )
    spool: SpoolConfig | None = attrs.field(
        default=None,
        metadata=about(kinds.part(SpoolConfig), own=True, strict=True),
    )
    clusters: tuple[ClusterConfig, ...] = attrs.field(
        default=(),
        converter=kinds.keep_tuple,
        metadata=about(kinds.parts(ClusterConfig, unique="id")),
    )
    publisher: PublisherConfig = attrs.field(
        default=PublisherConfig(),
        metadata=about(
            kinds.part(PublisherConfig),
            name="audit_log_publisher",
            strict=True,
        ),
    )
    relay: RelayConfig = attrs.field(
        default=RelayConfig(),
        metadata=about(kinds.part(RelayConfig), own=True, strict=True),
    )
    codec: Literal["cloudevents", "conduktor"] = attrs.field(
        default="cloudevents",
        metadata=about(kinds.choice("cloudevents", "conduktor"), own=True),
    )

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot work.
        """
        check(self)

    @staticmethod
    def _rules(
        values: Mapping[str, Any],
    ) -> Iterator[tuple[str | tuple[str, Any], str]]:
        """
        What is wrong with the properties of the cluster that is used.
        """
        publisher, clusters = values.get("publisher"), values.get("clusters")
        used = getattr(publisher, "cluster", None)
        more = getattr(publisher, "properties", None)
        for each in clusters if isinstance(clusters, tuple) else ():
            if getattr(each, "id", None) != used or used is None:
                continue
            wrong = _wrong_properties(each)
            yield from ((("properties", each), one) for one in wrong)
            if not wrong and isinstance(more, Secret):
                wrong = _wrong_properties(each, more)
                yield from ((("properties", publisher), one) for one in wrong)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """
        Load from environment variables.

        If ``CDK_IN_CONF_FILE`` is set, that file is read first; variables
        win over it. If ``CDK_ENV_FILE`` is set, the variables in that file
        count as well. Nothing set is an empty config and no error.

        Args:
            environ: The variables; `os.environ` by default.

        Raises:
            ConfigError: If anything is wrong, with all that is.

            MissingExtraError:
                If the file is YAML and PyYAML is not installed, or there is a
                file of variables and python-dotenv is not.
        """
        given = os.environ if environ is None else environ
        return load_env(cls, given).config

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """
        Load from a YAML or TOML file, with variables that win over it.

        In its texts ``${NAME}`` and ``${NAME:-default}`` stand for variables,
        and ``$$`` for a ``$``.

        Args:
            path:
                The file, of at most 1 MiB; its suffix says which it is:
                ``.yaml``, ``.yml`` or ``.toml``.

            environ: The variables; `os.environ` by default.

        Raises:
            ConfigError:
                If the file cannot be read or anything is wrong, with all
                that is.

            MissingExtraError:
                If the file is YAML and PyYAML is not installed.
        """
        given = os.environ if environ is None else environ
        return load_file(cls, path, given).config

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, Any],
        environ: Mapping[str, str] = _NO_VARIABLES,
    ) -> Self:
        """
        Load from a mapping of the same form as a file.

        Its texts are taken as they are: ``$$`` is no ``$``, and ``${`` is
        refused.

        Args:
            mapping: What a file would hold.

            environ: Variables that win over it; none by default.

        Raises:
            ConfigError: If anything is wrong, with all that is.
        """
        return load_mapping(cls, mapping, environ).config

    def cluster(self, id: str) -> ClusterConfig:  # noqa: A002
        """
        The cluster with that *id*.

        Raises:
            ClusterNotFoundError: If none has it.
        """
        for each in self.clusters:
            if each.id == id:
                return each
        raise ClusterNotFoundError(id, [each.id for each in self.clusters])

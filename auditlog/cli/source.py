"""
Where events are read from: one way to name it, for all commands.
"""

from __future__ import annotations

import difflib

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import attrs

from auditlog.errors import ConfigError


if TYPE_CHECKING:
    from collections.abc import Callable

    from auditlog.abc import Reader
    from auditlog.config import AuditLogConfig, ClusterConfig


CONFIGURED = ("database", "topic", "spool")

_NOTHING = (
    "nothing is configured that could be read: name a file, such as "
    "events.csv, or set database.url (CDK_DATABASE_URL), or "
    "audit_log_publisher.cluster and .topicName "
    "(CDK_AUDITLOGPUBLISHER_CLUSTER and _TOPICNAME)"
)
_FORMS = (
    "a source is database, topic, spool, topic:[CLUSTER/]NAME, "
    "kafka://HOST:PORT/NAME, postgresql://…, a folder of a spool, a file that "
    "ends in {suffixes}, or - for JSON Lines from standard input"
)


@attrs.frozen
class Asked:
    """
    What was said about a source.

    Attributes:
        name: Which it is; None is what the settings say.

        load: Gives the settings; not called where they don't matter.

        topic: Arguments of a topic's reader: *start* and *partitions*.
    """

    name: str | None
    load: Callable[[], AuditLogConfig]
    topic: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Source:
    """
    Something that can be read.

    Attributes:
        name: What people call it; without passwords.

        reader: Reads it.
    """

    name: str
    reader: Reader


def source(asked: Asked) -> Source:
    """
    What was asked for.

    Raises:
        ConfigError: If it names nothing, with the nearest that there is.
    """
    name = asked.name or _configured(asked.load())
    found = _named(name, asked)
    kind = name.partition(":")[0]
    if asked.topic and kind not in {"topic", "kafka"}:
        options = " and ".join(f"--{each}" for each in asked.topic)
        raise ConfigError([f"{options} can be said of a topic only"])
    return found


def _named(name: str, asked: Asked) -> Source:
    scheme, colon, rest = name.partition(":")
    if colon and scheme in _SCHEMES:
        return _SCHEMES[scheme](rest, asked)
    if name in CONFIGURED:
        return _SCHEMES[name]("", asked)
    if name == "-":
        return _json_lines(name, asked)
    if Path(name).is_dir():
        return _spool(name, asked)
    return _file(name, asked)


def _configured(config: AuditLogConfig) -> str:
    if config.database is not None:
        return "database"
    if config.publisher.cluster is not None:
        return "topic"
    if config.spool is not None:
        return "spool"
    raise ConfigError([_NOTHING])


# In a database


def _database(rest: str, asked: Asked) -> Source:
    from auditlog.postgres import PostgresReader  # noqa: PLC0415

    found = rest or asked.load().database
    if found is None:
        mistake = "must be set, for instance CDK_DATABASE_URL @ database.url"
        raise ConfigError([mistake])
    reader = PostgresReader(found)
    return Source(repr(reader).strip("<>").partition(" ")[2], reader)


def _url(scheme: str) -> Callable[[str, Asked], Source]:
    return lambda rest, asked: _database(f"{scheme}:{rest}", asked)


# In a topic


def _topic(rest: str, asked: Asked) -> Source:
    from .clusters import cluster_of  # noqa: PLC0415

    config = asked.load()
    id_, _, name = rest.rpartition("/")
    cluster = cluster_of(config, id_ or None)
    name = name or config.publisher.topic_name or ""
    if not name:
        raise ConfigError(["no topic is named; say topic:NAME"])
    return _topic_of(cluster, name, asked)


def _kafka(rest: str, asked: Asked) -> Source:
    from auditlog.config import ClusterConfig  # noqa: PLC0415

    servers, _, name = rest.removeprefix("//").partition("/")
    if not servers or not name:
        mistake = "must be kafka://HOST:PORT/TOPIC; a cluster with a login "
        mistake += "has to stand in the settings, and is topic:CLUSTER/NAME"
        raise ConfigError([f"{mistake} @ kafka:{rest}"])
    cluster = ClusterConfig(id=servers, bootstrap_servers=servers)
    return _topic_of(cluster, name, asked)


def _topic_of(cluster: ClusterConfig, name: str, asked: Asked) -> Source:
    from auditlog.kafka import KafkaReader  # noqa: PLC0415

    reader = KafkaReader(cluster, name, **asked.topic)
    return Source(f"topic {name} on {cluster.id}", reader)


# In files


def _spool(path: str, asked: Asked) -> Source:
    from auditlog.spool import SpoolReader  # noqa: PLC0415
    from auditlog.spool.view import look  # noqa: PLC0415

    if not path:
        config = asked.load().spool
        if config is None:
            mistake = "must be set (AUDITLOG_SPOOL_PATH) @ spool.path"
            raise ConfigError([mistake])
        path = str(config.path)
    if not look(Path(path)):
        raise ConfigError([f"there is no spool in {path!r}"])
    return Source(f"spool {path}", SpoolReader(path))


def _csv(path: str, _: Asked) -> Source:
    from auditlog.exporters import CSVReader  # noqa: PLC0415

    return Source(path, CSVReader(path))


def _parquet(path: str, _: Asked) -> Source:
    from auditlog.exporters import ParquetReader  # noqa: PLC0415

    return Source(path, ParquetReader(path))


def _json_lines(path: str, _: Asked) -> Source:
    if path == "-":
        from .stdin import StdinReader  # noqa: PLC0415

        return Source("standard input", StdinReader())
    from auditlog.exporters import JSONLinesReader  # noqa: PLC0415

    return Source(path, JSONLinesReader(path))


def _file(text: str, asked: Asked) -> Source:
    kind = SUFFIXES.get(suffix(text))
    if kind is not None:
        return _SCHEMES[kind](text, asked)
    raise ConfigError([_unknown(text)])


def suffix(path: str) -> str:
    """
    What *path* ends in, apart from how it is compressed.
    """
    pure = PurePath(path.lower())
    if pure.suffix in {".gz", ".zst", ".zstd"}:
        pure = pure.with_suffix("")
    return pure.suffix


def _unknown(text: str) -> str:
    if Path(text).exists():
        kinds = " or ".join(f"{kind}:{text}" for kind in {*SUFFIXES.values()})
        return f"can't tell what {text!r} holds by its name; say {kinds}"
    word = text.partition(":")[0]
    near = difflib.get_close_matches(word, [*_SCHEMES], 1)
    hint = f"did you mean {near[0]!r}?" if near else _forms()
    return f"there is no source {text!r}; {hint}"


def _forms() -> str:
    return _FORMS.format(suffixes=", ".join(SUFFIXES))


_SCHEMES = {
    "database": _database,
    "topic": _topic,
    "spool": _spool,
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
    "kafka": _kafka,
    "postgresql": _url("postgresql"),
    "postgres": _url("postgres"),
    "jdbc": _url("jdbc"),
}

SUFFIXES = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}

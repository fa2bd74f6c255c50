"""
Settings as a person wants to see them: value and source, no secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from auditlog.config import AuditLogConfig, Secret
from auditlog.config.load import load_env, load_file
from auditlog.config.settings import table


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auditlog.config.load import Loaded
    from auditlog.config.settings import Path, Setting


@attrs.frozen
class Shown:
    """
    One setting.

    Attributes:
        setting: Its name, as in files.

        value: As text, null if it is not set; a secret is only hinted at.

        source: Which variable or file it comes from, or ``default``.
    """

    setting: str
    value: str | None
    source: str


def loaded(
    path: str | None, environ: Mapping[str, str]
) -> Loaded[AuditLogConfig]:
    """
    The settings of this environment, and of a file if *path* names one.

    Raises:
        ConfigError: If anything is wrong, with all that is.
    """
    if path is None:
        return load_env(AuditLogConfig, environ)
    return load_file(AuditLogConfig, path, environ)


def shown(found: Loaded[AuditLogConfig]) -> Iterator[Shown]:
    """
    All settings, with those of each cluster and host that there is.
    """
    for setting in table(AuditLogConfig):
        for path, indexes, value in _values(setting, found.config):
            if len(indexes) < setting.dotted.count("[]"):
                continue  # of a group that is not set
            given = found.given.get(path)
            yield Shown(
                setting.spell(*indexes),
                _text(setting, value),
                given.where if given else "default",
            )


def _values(
    setting: Setting, config: AuditLogConfig
) -> Iterator[tuple[Path, list[int], Any]]:
    found: list[tuple[Path, list[int], Any]] = [((), [], config)]
    for step in setting.attributes:
        found = [
            each
            for path, indexes, at in found
            for each in _below(at, step, path, indexes)
        ]
    yield from found


def _below(
    at: Any, step: str, path: Path, indexes: list[int]
) -> Iterator[tuple[Path, list[int], Any]]:
    value: Any = getattr(at, step, None)
    if isinstance(value, tuple) and all(map(attrs.has, map(type, value))):
        for index, each in enumerate(value):
            yield (*path, step, index), [*indexes, index], each
    else:
        yield (*path, step), indexes, value


def _text(setting: Setting, value: Any) -> str | None:
    if value is None:
        return None
    if callable(setting.field.repr):  # a URL without user and password
        return str(setting.field.repr(value)).strip("'")
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def style(row: Shown) -> str:
    """
    What nobody set is dim.
    """
    return "dim" if row.source == "default" else ""

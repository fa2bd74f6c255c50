"""
Make a config object out of what the sources hold, or say all that is wrong.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from auditlog.errors import ConfigError

from .document import Document
from .envfile import with_env_file
from .environment import CONFIG_FILES, Environment
from .files import UnreadableError, read_file
from .settings import Path, fields, of, table
from .settings import mistakes as find_mistakes
from .source import plain


if TYPE_CHECKING:
    import os

    from collections.abc import Iterable, Mapping

    from attrs import Attribute

    from .source import Given


T = TypeVar("T")


@attrs.frozen
class Loaded(Generic[T]):
    """
    A config, and where its values come from.

    Attributes:
        config: The object.

        given: What was set, by the attributes that lead to it from *config*.
    """

    config: T
    given: Mapping[Path, Given] = attrs.field(repr=False)


def load_env(cls: type[T], environ: Mapping[str, str]) -> Loaded[T]:
    """
    Build *cls* from the environment and from the files that it names.
    """
    environ, wrong = with_env_file(environ)
    files = {environ[name]: name for name in CONFIG_FILES if environ.get(name)}
    if not files:
        return _load(cls, {}, "", environ, mistakes=wrong)
    if len(files) > 1:
        both = " and ".join(CONFIG_FILES)
        wrong.append(f"one setting with two values; keep one @ {both}")
        raise ConfigError(wrong)

    ((path, name),) = files.items()
    where = f"{plain(path)} ({name})"
    return _load_file(cls, path, where, environ, wrong)


def load_file(
    cls: type[T], path: str | os.PathLike[str], environ: Mapping[str, str]
) -> Loaded[T]:
    """
    Build *cls* from a file and the environment, which wins.
    """
    environ, wrong = with_env_file(environ)
    return _load_file(cls, path, plain(str(path)), environ, wrong)


def load_mapping(
    cls: type[T], content: object, environ: Mapping[str, str]
) -> Loaded[T]:
    """
    Build *cls* from a mapping and the environment, which wins.
    """
    environ, wrong = with_env_file(environ)
    return _load(cls, content, "the mapping", environ, mistakes=wrong)


def _load_file(
    cls: type[T],
    path: str | os.PathLike[str],
    where: str,
    environ: Mapping[str, str],
    mistakes: Iterable[str],
) -> Loaded[T]:
    try:
        content = read_file(FilePath(path))
    except UnreadableError as exc:
        wrong = [*mistakes, f"{exc} @ {where}"]
    else:
        return _load(
            cls,
            content,
            plain(str(path)),
            environ,
            mistakes=mistakes,
            is_file=True,
        )

    # What else is wrong is found too; the parser's error, which may quote a
    # secret, is left behind.
    return _load(cls, {}, "", environ, mistakes=wrong)


def _load(
    cls: type[T],
    content: object,
    where: str,
    environ: Mapping[str, str],
    *,
    mistakes: Iterable[str],
    is_file: bool = False,
) -> Loaded[T]:
    document = Document(cls, content, where, environ if is_file else None)
    environment = Environment(cls, environ)
    builder = _Builder(cls, {**document.given, **environment.given})
    config: T | None = builder.build(cls, ())

    found = [
        *mistakes,
        *document.mistakes,
        *environment.mistakes,
        *builder.mistakes,
    ]
    if found or config is None:
        raise ConfigError(found)
    return Loaded(config, builder.given)


class _Builder:
    def __init__(self, cls: type[Any], given: Mapping[Path, Given]) -> None:
        self.mistakes: list[str] = []
        self.given = given
        self._settings = {each.attributes: each for each in table(cls)}
        self._paths: dict[int, Path] = {}  # of parts, which values keep alive
        self._rest: Any = None  # what there is of the last one, or ones

    def build(self, cls: type[Any], at: Path) -> Any:
        """
        The object for the values below *at*, or None if some are wrong.
        """
        before = len(self.mistakes)
        values: dict[str, Any] = {}
        broken: dict[str, Any] = {}
        for field in fields(cls):
            known = len(self.mistakes)
            values |= self._value(field, (*at, field.name))
            if len(self.mistakes) > known:
                broken[field.name] = self._rest

        self.mistakes += find_mistakes(
            cls,
            values,
            lambda name, part=None: self._label(
                (*self._paths.get(id(part), at), name)
            ),
            broken=broken,
        )
        if len(self.mistakes) > before:
            self._rest = self._at(at, SimpleNamespace(**values))
            return None
        return self._at(at, cls(**values))

    def _at(self, at: Path, part: Any) -> Any:
        self._paths[id(part)] = at
        return part

    def _value(self, field: Attribute[Any], at: Path) -> dict[str, Any]:
        kind = of(field).kind
        if kind.part is None:
            given = self.given.get(at)
            return {field.name: kind.parse(given.value)} if given else {}

        below = {path[len(at)] for path in self.given if _is_in(path, at)}
        if kind.many:
            paths = [(*at, index) for index in sorted(below)]
            built = [
                self.build(kind.part, path) or self._rest for path in paths
            ]
            self._rest = tuple(built)
            good = (each for each in built if isinstance(each, kind.part))
            return {field.name: tuple(good)}

        one = self.build(kind.part, at) if below else None
        return {} if one is None else {field.name: one}

    def _label(self, at: Path) -> str:
        names = tuple(step for step in at if isinstance(step, str))
        setting = self._settings.get(names)
        if setting is None:
            return ".".join(names)

        indexes = [step for step in at if isinstance(step, int)]
        given = self.given.get(at)
        where = given.where if given else setting.variable(*indexes)
        return f"{setting.spell(*indexes)} ({where})"


def _is_in(path: Path, group: Path) -> bool:
    return path[: len(group)] == group

"""
Find the settings among environment variables.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any

from .envfile import ENV_FILES
from .files import UnreadableError, read_text
from .settings import CDK, OWN, Path, Setting, fields, fold, of
from .source import Given, Source


if TYPE_CHECKING:
    from collections.abc import Mapping


# Each says which file to read first.
CONFIG_FILES = ("CDK_IN_CONF_FILE", "AUDITLOG_IN_CONF_FILE")

_FILES = {*CONFIG_FILES, *ENV_FILES}
_TESTS = "AUDITLOG_TEST_"

# `_0_` and a last `_0` are an index; a digit within a word is none.
_INDEX = re.compile("_([0-9]{1,9})(?=_|$)")


class Environment(Source):
    """
    The settings among the variables of *environ*.

    A variable that is empty counts as not set. ``X_FILE`` names a file whose
    text replaces the value of ``X``.
    """

    def __init__(self, cls: type[Any], environ: Mapping[str, str]) -> None:
        super().__init__(cls)
        self._known = {
            CDK: {each.key: each for each in self.settings if not each.own},
            OWN: {each.own_key: each for each in self.settings},
        }
        self._strict = tuple(
            fold(of(each).name)
            for each in fields(cls)
            if of(each).strict and not of(each).own
        )
        self._found: dict[Path, dict[str, Given]] = {}

        # `X_FILE` sorts behind `X`.
        for name in sorted(environ):
            if name.startswith((CDK, OWN)) and name not in _FILES:
                self._take(name, environ[name])
        for path, found in self._found.items():
            self._settle(path, found)

    def _take(self, name: str, value: str) -> None:
        plain = name.removesuffix("_FILE")
        if self._setting(name):
            self._add(name, Given(value, name))
        elif self._setting(plain) and value:
            self._add(plain, Given(self._content(name, value), name))
        elif not self._setting(plain):
            self._unknown(name, value)

    def _setting(self, name: str) -> Setting | None:
        prefix, key = _split(name)
        return self._known[prefix].get(key)

    def _add(self, name: str, given: Given) -> None:
        setting = self._setting(name)
        if setting is not None and given.value:
            path = setting.path(*map(int, _INDEX.findall(name)))
            self._found.setdefault(path, {})[name] = given

    def _content(self, name: str, path: str) -> str:
        try:
            content = read_text(path)
        except UnreadableError as exc:
            self.refuse(f"names a file that {exc}", name)
            return ""
        if not content.strip():
            self.refuse("names a file that is empty", name)
        return content.removesuffix("\n").removesuffix("\r")

    def _settle(self, path: Path, found: dict[str, Given]) -> None:
        first, *others = found.values()
        self.given[path] = first
        if any(other.value != first.value for other in others):
            names = " and ".join(each.where for each in found.values())
            self.refuse("one setting with two values; keep one", names)

    def _unknown(self, name: str, value: str) -> None:
        prefix, key = _split(name)
        strict = prefix == OWN or key.startswith(self._strict)
        if not name.startswith(_TESTS) and (strict or value):
            self.unknown(key, name, strict=strict)

    def spell(self, setting: Setting) -> str:
        """
        The name of its variable.
        """
        return setting.variable(*[0] * setting.dotted.count("[]"))


def _split(name: str) -> tuple[str, str]:
    prefix = CDK if name.startswith(CDK) else OWN
    rest = name.removeprefix(prefix).replace("[", "?")
    return prefix, fold(_INDEX.sub("[]", rest))

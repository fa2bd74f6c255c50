"""
Find the settings in a mapping, such as a YAML or TOML file holds.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from typing import Any

import attrs

from .settings import Path, Setting, fields, fold, of
from .source import Given, Source
from .variables import replace_variables


class Document(Source):
    """
    The settings in *content*.

    What is null or empty text counts as not set.

    Args:
        cls: The config class to find settings for.

        content: The mapping; what else a file may hold is a mistake.

        where: The name of the file, or what else to call it.

        environ:
            The variables that its text may name; None if it may name none.
    """

    def __init__(
        self,
        cls: type[Any],
        content: object,
        where: str,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(cls)
        self._where = where
        self._environ = environ
        self._group(_Place(cls), content)

    def _group(self, place: _Place, content: object) -> None:
        if not isinstance(content, Mapping):
            self._mismatch("a table of settings", place, content)
            return

        seen: dict[str, str] = {}
        for key, value in content.items():
            name = key if isinstance(key, str) else f"<{type(key).__name__}>"
            field = place.names.get(fold(name))
            if field is None:
                self._unknown(place.name(name), value, strict=place.strict)
            elif field.name in seen:
                twice = f"the same setting as {seen[field.name]!r}"
                self.refuse(twice, self._label(place.name(name)))
            else:
                seen[field.name] = name
                self._value(place.below(field), field, value)

    def _value(
        self, place: _Place, field: attrs.Attribute[Any], value: object
    ) -> None:
        kind = of(field).kind
        if kind.many:
            self._groups(place, value)
        elif kind.part:
            self._group(place, value)
        else:
            value = self._replaced(value, self._label(place.dotted))
            if not _is_empty(value):
                self.given[place.path] = Given(value, f"in {self._where}")

    def _replaced(self, value: object, label: str) -> object:
        if isinstance(value, list):
            # One level, as no setting has more: a list may hold itself.
            return [self._replaced_text(each, label) for each in value]
        return self._replaced_text(value, label)

    def _replaced_text(self, value: object, label: str) -> object:
        if not isinstance(value, str):
            return value
        if self._environ is None:
            if "${" in value:
                self.refuse("holds ${, which only files may", label)
            return value

        text, wrong = replace_variables(value, self._environ)
        for each in wrong:
            self.refuse(each, label)
        # What is wrong already is not missing, too.
        return text or value if wrong else text

    def _groups(self, place: _Place, content: object) -> None:
        if not isinstance(content, list | tuple):
            self._mismatch("a list of tables", place, content)
            return
        for index, each in enumerate(content):
            self._group(place.at(index), each)

    def _mismatch(self, due: str, place: _Place, content: object) -> None:
        if not _is_empty(content):
            where = self._label(place.dotted) if place.path else self._where
            given = type(content).__name__
            self.refuse(f"must be {due} (got {given})", where)

    def _unknown(self, name: str, value: object, *, strict: bool) -> None:
        if strict or not _is_empty(value):
            key = re.sub(r"\[[0-9]+\]", "[]", fold(name)).replace(".", "")
            self.unknown(key, self._label(name), strict=strict)

    def _label(self, dotted: str) -> str:
        return f"{dotted} (in {self._where})"

    def spell(self, setting: Setting) -> str:
        """
        Its name in files.
        """
        return setting.dotted


@attrs.frozen
class _Place:
    """
    Where in a document something stands.
    """

    cls: type[Any]
    path: Path = ()
    dotted: str = ""
    strict: bool = False

    @property
    def names(self) -> dict[str, attrs.Attribute[Any]]:
        """
        What may stand here, also by the name in code.
        """
        found = {fold(each.name): each for each in fields(self.cls)}
        return found | {
            fold(of(each).name): each
            for each in fields(self.cls)
            if of(each).name
        }

    def name(self, name: str) -> str:
        return f"{self.dotted}.{name}" if self.dotted else name

    def below(self, field: attrs.Attribute[Any]) -> _Place:
        said = of(field)
        return _Place(
            said.kind.part or self.cls,
            (*self.path, field.name),
            self.name(said.name or field.name),
            self.strict or said.strict,
        )

    def at(self, index: int) -> _Place:
        return attrs.evolve(
            self, path=(*self.path, index), dotted=f"{self.dotted}[{index}]"
        )


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value)

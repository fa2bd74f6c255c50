"""
The table of all settings, made from the config classes.

It drives the loader, the messages, the guess at a misspelt name and the
reference page, so that none of them can disagree.
"""

from __future__ import annotations

import re

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from auditlog.errors import ConfigError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .kinds import Kind


CDK = "CDK_"
OWN = "AUDITLOG_"

# Attribute names from the root, with the index behind a list's name.
Path = tuple[str | int, ...]


@attrs.frozen(kw_only=True)
class About:
    """
    What a field of a config class says about itself.

    Attributes:
        kind: What it may hold.

        name: How files spell it; the attribute's name by default.

        needs: Another attribute that must be set when this one is.

        own:
            Whether the setting is ours alone, and so has no ``CDK_`` name
            and no unknown names below it.

        strict: Whether unknown names below it are mistakes.
    """

    kind: Kind
    name: str = ""
    needs: str = ""
    own: bool = False
    strict: bool = False


def about(kind: Kind, **more: Any) -> dict[str, About]:
    """
    The metadata of a field; see :class:`About`.
    """
    return {"about": About(kind=kind, **more)}


def of(field: attrs.Attribute[Any]) -> About:
    """
    What *field* says about itself.
    """
    found: About = field.metadata["about"]
    return found


# Checking


def check(config: Any) -> None:
    """
    Refuse a config object whose values are wrong, with all that is wrong.

    Raises:
        ConfigError: If anything is.
    """
    cls = type(config)
    values = {each.name: getattr(config, each.name) for each in fields(cls)}

    def label(name: str, part: Any = config) -> str:
        return f"{type(part).__name__}.{name}"

    found = list(mistakes(cls, values, label))
    if found:
        raise ConfigError(found)


def mistakes(
    cls: type[Any],
    values: Mapping[str, Any],
    label: Callable[..., str],
    *,
    broken: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[str]:
    """
    What is wrong with the attributes of a *cls*.

    A class may have `_rules` of its own, for what concerns several: they
    give the attribute's name, or that and the part that has it.

    Args:
        label: Names an attribute; of the class, or of a part of it.

        broken: What there is of those that are set and can't be built.
    """
    for field in fields(cls):
        wrong = _wrong(field, values)
        if wrong is not None:
            yield f"{wrong} @ {label(field.name)}"

        other = of(field).needs
        alone = values.get(field.name) and values.get(other) is None
        if other and alone:
            because = f"because {label(field.name)} is"
            yield f"must be set too, {because} @ {label(other)}"

    rules = getattr(cls, "_rules", lambda _: ())
    for where, wrong in rules({**values, **broken}):
        names = where if isinstance(where, tuple) else (where,)
        yield f"{wrong} @ {label(*names)}"


def _wrong(
    field: attrs.Attribute[Any], values: Mapping[str, Any]
) -> str | None:
    if field.name not in values:
        return "must be set" if field.default is attrs.NOTHING else None

    value = values[field.name]
    if value is None and field.default is None:
        return None
    return of(field).kind.wrong(value)


def fields(cls: type[Any]) -> tuple[attrs.Attribute[Any], ...]:
    """
    The fields of a config class.
    """
    found: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    return found


# The table


def fold(name: str) -> str:
    """
    What is left of a name that may be spelt in several ways.

    ``topicName``, ``topic-name``, ``topic_name`` and ``TOPICNAME`` are one.
    """
    return re.sub("[-_]", "", name).lower()


@attrs.frozen(kw_only=True)
class Setting:
    """
    One line of the reference.

    Attributes:
        cls: The class that it is an attribute of.

        field: The attribute.

        attributes: The names of the attributes that lead to it.

        dotted: How files spell it, as in ``clusters[].id``.

        own: Whether it has no ``CDK_`` name.
    """

    cls: type[Any]
    field: attrs.Attribute[Any]
    attributes: tuple[str, ...]
    dotted: str
    own: bool

    @property
    def key(self) -> str:
        """
        The folded name behind ``CDK_``.
        """
        return fold(self.dotted).replace(".", "")

    @property
    def own_key(self) -> str:
        """
        The folded name behind ``AUDITLOG_``.
        """
        return self.key.removeprefix("auditlog")

    def path(self, *indexes: int) -> Path:
        """
        The attributes that lead to it, with *indexes* behind the lists.
        """
        left = iter(indexes)
        steps: list[str | int] = []
        for name, step in zip(
            self.attributes, self.dotted.split("."), strict=True
        ):
            steps.append(name)
            if step.endswith("[]"):
                steps.append(next(left))
        return tuple(steps)

    def variable(self, *indexes: int) -> str:
        """
        The documented variable, as in ``CDK_CLUSTERS_0_ID``.
        """
        own = self.own_variable(*indexes)
        return own if self.own else CDK + self._name(indexes)

    def own_variable(self, *indexes: int) -> str:
        """
        The variable in our own spelling, as in ``AUDITLOG_CLUSTERS_0_ID``.
        """
        return OWN + self._name(indexes).removeprefix("AUDITLOG")

    def spell(self, *indexes: int) -> str:
        """
        How a file spells it, as in ``clusters[0].id``.
        """
        return self.dotted.replace("[]", "[{}]").format(*indexes)

    def _name(self, indexes: Iterable[int]) -> str:
        name = self.dotted.replace("_", "").replace(".", "_").upper()
        return name.replace("[]", "_{}").format(*indexes)


def table(cls: type[Any]) -> tuple[Setting, ...]:
    """
    All settings of *cls* and of what it is made of.
    """
    return tuple(_settings(cls, (), "", own=False))


def _settings(
    cls: type[Any], attributes: tuple[str, ...], prefix: str, *, own: bool
) -> Iterator[Setting]:
    for field in fields(cls):
        said = of(field)
        here = (*attributes, field.name)
        dotted = prefix + (said.name or field.name)
        if said.kind.part is None:
            yield Setting(
                cls=cls,
                field=field,
                attributes=here,
                dotted=dotted,
                own=own or said.own,
            )
        else:
            dotted += "[]." if said.kind.many else "."
            yield from _settings(said.kind.part, here, dotted, own=said.own)

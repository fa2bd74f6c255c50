"""
Java's ``.properties`` text, as Kafka's servers and clients read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Mapping


def java_properties(settings: Mapping[str, str]) -> str:
    """
    Return *settings*, one a line, with what Java would misread escaped.
    """
    return "".join(
        f"{name}={_escaped(value)}\n" for name, value in settings.items()
    )


def _escaped(value: str) -> str:
    value = value.replace("\\", "\\\\").replace("\n", "\\n")
    if value.startswith(" "):
        value = f"\\{value}"
    return "".join(each if each.isascii() else _units(each) for each in value)


def _units(character: str) -> str:
    """
    What Java's ``char`` holds: UTF-16, in two parts where it takes two.
    """
    code = character.encode("utf-16-be").hex()
    return "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))


def jaas(module: str, **options: str) -> str:
    """
    Return the line of JAAS that requires the login *module*.
    """
    told = [f'{name}="{_quotable(text)}"' for name, text in options.items()]
    return f"{' '.join([f'{_MODULES}.{module}', 'required', *told])};"


_MODULES = "org.apache.kafka.common.security"


def _quotable(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def one_line(pem: str) -> str:
    """
    Return *pem* with blanks for newlines, as it is written in a property.
    """
    return " ".join(pem.split("\n")).strip()

"""
Read a YAML or TOML file, however odd, into plain mappings.

A config file holds secrets and a parser's message quotes the file. So errors
here say where and not what, and carry no cause.
"""

from __future__ import annotations

import re
import tomllib

from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.errors import MissingExtraError


if TYPE_CHECKING:
    from collections.abc import Callable


MAX_BYTES = 1024 * 1024


class UnreadableError(Exception):
    """
    Why some text cannot be had or used; quotes nothing of it.
    """


def read_file(path: Path) -> object:
    """
    What the file at *path* holds; its suffix says which format.

    Raises:
        UnreadableError: If it cannot be read or is not of its format.

        MissingExtraError: If it is YAML and PyYAML is not installed.
    """
    return _parser(path)(read_text(path))


def read_text(path: str | Path) -> str:
    """
    The UTF-8 text of a small file, without a byte order mark.

    Raises:
        UnreadableError: If it is absent, too large or not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        # The path itself stays out: somebody may have put the secret there.
        reason = getattr(exc, "strerror", None) or "not a path"
        raise UnreadableError(f"can't be read ({reason})") from None

    if len(content) > MAX_BYTES:
        raise UnreadableError(f"is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UnreadableError(f"is not UTF-8 at byte {exc.start}") from None


def _parser(path: Path) -> Callable[[str], object]:
    suffix = path.suffix.lower()
    if suffix == ".toml":
        return _parse_toml
    if suffix in {".yaml", ".yml"}:
        return _parse_yaml
    raise UnreadableError("must end in .yaml, .yml or .toml")


def _parse_toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        where = re.search(
            r"line [0-9]+, column [0-9]+|end of document", f"{exc}"
        )
        place = f": {where[0]}" if where else ""
    except (RecursionError, ValueError, OverflowError):
        place = ": nested too deeply, or a number too large"
    raise UnreadableError(f"is not valid TOML{place}")


def _parse_yaml(text: str) -> object:
    try:
        from . import _yaml  # noqa: PLC0415 (PyYAML is optional)
    except ImportError as exc:
        raise MissingExtraError("AuditLogConfig.from_file", "yaml") from exc

    return _yaml.parse(text)

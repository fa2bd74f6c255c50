"""
Read a YAML or TOML file, however odd, into plain mappings.

A config file holds secrets and a parser's message quotes the file. So errors
here say where and not what, and carry no cause.
"""

from __future__ import annotations

import codecs
import errno
import stat

from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.errors import MissingExtraError


if TYPE_CHECKING:
    from collections.abc import Callable


MAX_BYTES = 1024 * 1024

# The mark of UTF-32 in the other order begins with that of UTF-16.
_OTHERS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


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
        UnreadableError: If it is absent, no file, too large or not UTF-8.
    """
    try:
        refuse_what_waits(path)
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        # The path itself stays out: somebody may have put the secret there.
        reason = getattr(exc, "strerror", None) or "not a path"
        raise UnreadableError(f"can't be read ({reason})") from None

    if len(content) > MAX_BYTES:
        raise UnreadableError(
            f"is larger than {MAX_BYTES} bytes; is it the right one?"
        )
    return _decoded(content)


def refuse_what_waits(path: str | Path) -> None:
    """
    Refuse what is neither a file nor a folder: a pipe may never be written
    to, and a device may never end.

    Raises:
        OSError: If it is such a thing, or can't be looked at.
    """
    mode = Path(path).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "a pipe or device; name a file")


def _decoded(content: bytes) -> str:
    if content.startswith(_OTHERS):
        raise UnreadableError("is UTF-16 or UTF-32; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        wrong = f"is not UTF-8 at byte {exc.start}; save it as UTF-8"
    # Outside, so that the content hangs on no error.
    raise UnreadableError(wrong)


def _parser(path: Path) -> Callable[[str], object]:
    suffix = path.suffix.lower()
    if suffix == ".toml":
        return _parse_toml
    if suffix in {".yaml", ".yml"}:
        return _parse_yaml
    raise UnreadableError("must end in .yaml, .yml or .toml")


def _parse_toml(text: str) -> object:
    from . import _toml  # noqa: PLC0415 (costs time)

    return _toml.parse(text)


def _parse_yaml(text: str) -> object:
    try:
        from . import _yaml  # noqa: PLC0415 (PyYAML is optional)
    except ImportError as exc:
        raise MissingExtraError("AuditLogConfig.from_file", "yaml") from exc

    return _yaml.parse(text)

"""
Where an export goes: paths, URLs, standard output or a binary file object.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from auditlog.errors import ExportError

from ._local import LocalFiles, all_of, status, told, writer
from ._names import is_url, name_of
from ._remote import remote_files


if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ._local import Write


class StdoutClosedError(Exception):
    """
    Nobody reads standard output any more, as after ``| head``.
    """


class Store(Protocol):
    """
    Where the files of one export come into being, one after another.
    """

    def begin(self, number: int | None) -> tuple[str, Write]:
        """
        Begin the next file: its name, and what writes all of its bytes.

        Args:
            number: Its number, if there may be several.

        Raises:
            ExportError: If it can't be written.
        """

    def end(self) -> None:
        """
        The file is complete; it appears with all others.
        """


def stored(
    target: object, *, overwrite: bool, numbered: bool = False
) -> AbstractContextManager[Store]:
    """
    Open *target*.

    Leaving the context completes files, leaving it by an exception restores
    what was there.

    Args:
        target:
            A path, a URL, ``"-"`` for standard output, or a binary file
            object.

        overwrite: Whether what exists may be replaced.

        numbered: Whether there may be several files.

    Raises:
        ExportError: If *target* can't be written to.
    """
    if isinstance(target, str | os.PathLike) and target != "-":
        return _files(os.fsdecode(target), overwrite, numbered=numbered)
    if numbered:
        raise _not_numbered(name_of(target))
    return _stdout() if target == "-" else _file_object(target)


def local_path(name: str) -> Path | None:
    """
    The path that *name* is, also as a URL; None for another URL.
    """
    if name.startswith("file://"):
        return Path(name.removeprefix("file://"))
    return None if is_url(name) else Path(name)


def _files(
    name: str, overwrite: bool, *, numbered: bool
) -> AbstractContextManager[Store]:
    path = local_path(name)
    if path is None:
        return remote_files(name, overwrite=overwrite)
    if numbered:
        return LocalFiles(path, overwrite=overwrite)

    found = status(path)
    if found is None or stat.S_ISREG(found.st_mode):
        return LocalFiles(path, overwrite=overwrite)
    if stat.S_ISDIR(found.st_mode):
        raise ExportError(f"can't write {path}: it is a directory")
    return _device(path)


class _Stream:
    """
    Gets the bytes as they come.
    """

    def __init__(self, name: str, write: Write) -> None:
        self._name = name
        self._write = write

    def begin(self, number: int | None) -> tuple[str, Write]:
        assert number is None
        return self._name, self._write

    def end(self) -> None:
        pass


@contextlib.contextmanager
def _device(path: Path) -> Iterator[Store]:
    with told(path):
        file = path.open("wb", buffering=0)
    with file:
        yield _Stream(str(path), writer(file, path))


@contextlib.contextmanager
def _stdout() -> Iterator[Store]:
    buffer: Any = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        raise ExportError(
            "can't export to '-': standard output takes no bytes here, as in "
            "a notebook; use print(exporter.dumps(events))"
        )
    with _unless_closed():
        sys.stdout.flush()
    # Unbuffered, or what a closed pipe didn't take comes up again at exit.
    write_all = all_of(getattr(buffer, "raw", buffer).write)

    def write(data: bytes) -> None:
        with _unless_closed():
            write_all(data)

    yield _Stream("-", write)


@contextlib.contextmanager
def _unless_closed() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as exc:
        raise StdoutClosedError from exc


@contextlib.contextmanager
def _file_object(target: Any) -> Iterator[Store]:
    if not callable(getattr(target, "write", None)):
        raise ExportError(
            f"can't export to a {type(target).__name__}; give a path, a "
            "binary file object or '-'"
        )
    try:
        target.write(b"")
    except TypeError as exc:
        raise ExportError(
            f"can't export to {name_of(target)!r}: it takes text, not bytes; "
            "open it with mode 'wb'"
        ) from exc
    yield _Stream(name_of(target), all_of(target.write))


def _not_numbered(name: str) -> ExportError:
    return ExportError(
        f"can't export to {name!r} in parts: it has no name to number; give "
        "a path, or leave out max_file_bytes"
    )

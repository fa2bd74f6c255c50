"""
Where an export goes: a path, standard output or a binary file object.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from auditlog.errors import ExportError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Write = Callable[[bytes], None]


class StdoutClosedError(Exception):
    """
    Nobody reads standard output any more, as after ``| head``.
    """


def opened(
    target: object, *, overwrite: bool
) -> AbstractContextManager[Write]:
    """
    Open *target*; the context gives a function that writes all of its bytes.

    Leaving the context completes a path, leaving it by an exception
    restores it.

    Args:
        target: A path, ``"-"`` for standard output, or a binary file object.

        overwrite: Whether a file that exists may be replaced.

    Raises:
        ExportError: If *target* can't be written to.
    """
    if target == "-" and isinstance(target, str):
        return _stdout()
    if isinstance(target, str | os.PathLike):
        return _path(_local(os.fspath(target)), overwrite)
    return _file_object(target)


def name_of(target: object) -> str:
    """
    What people call *target*.
    """
    if isinstance(target, str | os.PathLike):
        return os.fsdecode(target)

    name = getattr(target, "name", None)
    return name if isinstance(name, str) else type(target).__name__


def _local(path: str | bytes) -> Path:
    name = os.fsdecode(path)
    if "://" in name:
        raise ExportError(
            f"can't export to {name!r}: URLs are not supported; give a path, "
            "a binary file object or '-'"
        )
    return Path(name)


def _path(path: Path, overwrite: bool) -> AbstractContextManager[Write]:
    found = _stat(path)
    if found is None or stat.S_ISREG(found.st_mode):
        if found is not None and not overwrite:
            raise _exists(path)
        # What stands behind a link is replaced, not the link.
        return _replaced(Path(os.path.realpath(path)), found, overwrite)
    if stat.S_ISDIR(found.st_mode):
        raise ExportError(f"can't write {path}: it is a directory")
    return _device(path)


def _stat(path: Path) -> os.stat_result | None:
    with _told(path):
        try:
            return path.stat()
        except FileNotFoundError:
            return None


@contextlib.contextmanager
def _replaced(
    path: Path, found: os.stat_result | None, overwrite: bool
) -> Iterator[Write]:
    # Short enough for a file system's limit of 255 bytes whatever the name;
    # random, because all containers on one volume have the process id 1.
    token = f"{os.getpid()}.{secrets.token_hex(4)}"
    temporary = path.with_name(f".{path.name[:50]}.{token}.tmp")
    try:
        with _created(temporary, path, found) as file:
            yield _writer(file, path)
            with _told(path):
                os.fsync(file.fileno())
        with _told(path):
            _moved(temporary, path, overwrite)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise

    _sync(path.parent)


def _created(
    temporary: Path, path: Path, found: os.stat_result | None
) -> BinaryIO:
    with _told(path):
        file = temporary.open("xb", buffering=0)
        if found is not None:
            os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
        return file


def _moved(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return

    # A link, unlike a rename, doesn't replace what came into being meanwhile.
    try:
        path.hardlink_to(temporary)
    except FileExistsError as exc:
        raise _exists(path) from exc
    temporary.unlink()


def _sync(directory: Path) -> None:
    # The file is in place; not every file system syncs directories.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _device(path: Path) -> Iterator[Write]:
    with _told(path):
        file = path.open("wb", buffering=0)
    with file:
        yield _writer(file, path)


@contextlib.contextmanager
def _stdout() -> Iterator[Write]:
    buffer: Any = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        raise ExportError(
            "can't export to '-': standard output takes no bytes here, as in "
            "a notebook; use print(exporter.dumps(events))"
        )
    with _unless_closed():
        sys.stdout.flush()
    # Unbuffered, or what a closed pipe didn't take comes up again at exit.
    write_all = _all_of(getattr(buffer, "raw", buffer).write)

    def write(data: bytes) -> None:
        with _unless_closed():
            write_all(data)

    yield write


@contextlib.contextmanager
def _unless_closed() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as exc:
        raise StdoutClosedError from exc


@contextlib.contextmanager
def _file_object(target: Any) -> Iterator[Write]:
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
    yield _all_of(target.write)


def _writer(file: BinaryIO, path: Path) -> Write:
    write_all = _all_of(file.write)

    def write(data: bytes) -> None:
        with _told(path):
            write_all(data)

    return write


def _all_of(write: Callable[[Any], int | None]) -> Write:
    """
    Unbuffered files may take less than they were given.
    """

    def write_all(data: bytes) -> None:
        taken = write(data)
        while taken is not None and taken < len(data):
            data = data[taken:]
            taken = write(data)

    return write_all


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ExportError(f"can't write {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ExportError(f"can't write {str(path)!r}: {exc}") from exc


def _exists(path: Path) -> ExportError:
    return ExportError(
        f"can't write {path}: it exists; pass overwrite=True to replace it"
    )

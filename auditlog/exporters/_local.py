"""
Files of a local disk that appear whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from auditlog.errors import ExportError

from ._names import numbered


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    Write = Callable[[bytes], None]


class LocalFiles:
    """
    Hidden files that take their names when all of them are complete.

    A context manager: leaving it completes the files, leaving it by an
    exception restores what was there.

    Args:
        path: What the file is called, or its name without a number.

        overwrite: Whether files that exist may be replaced.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self._made: list[tuple[Path, Path]] = []
        self._file: BinaryIO | None = None
        self._last: int | None = None

    def begin(self, number: int | None) -> tuple[str, Write]:
        """
        Create the next file: its name, and what writes all of its bytes.

        Raises:
            ExportError: If it can't be written.
        """
        path = Path(numbered(str(self._path), number))
        found = found_at(path)
        if found is not None and not self._overwrite:
            raise exists(path)
        # What stands behind a link is replaced, not the link.
        real = Path(os.path.realpath(path))
        temporary = _hidden(real)
        self._file = created(temporary, path, found)
        self._made.append((temporary, real))
        self._last = number
        return str(path), writer(self._file, path)

    def end(self) -> None:
        """
        The file is complete, and safe from a loss of power.
        """
        assert self._file is not None
        with told(self._path):
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._complete()
        finally:
            self._discard()

    def _complete(self) -> None:
        """
        The first one comes last: where it is new, it shows that all are there.
        """
        for temporary, path in reversed(self._made):
            with told(path):
                moved(temporary, path, overwrite=self._overwrite)
        if self._last is not None:
            remove_beyond(self._path, self._last)
        for folder in {path.parent for _, path in self._made}:
            sync(folder)

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
        for temporary, _ in self._made:
            with contextlib.suppress(OSError):
                temporary.unlink()


def remove_beyond(path: Path, number: int) -> None:
    """
    Delete the parts of a former export that had more than *number*.
    """
    while (stale := Path(numbered(str(path), number := number + 1))).is_file():
        with told(stale):
            stale.unlink()


def _hidden(path: Path) -> Path:
    # Short enough for a file system's limit of 255 bytes whatever the name;
    # random, because all containers on one volume have the process id 1.
    token = f"{os.getpid()}.{secrets.token_hex(4)}"
    return path.with_name(f".{path.name[:50]}.{token}.tmp")


def status(path: Path) -> os.stat_result | None:
    """
    What is at *path*, if anything.
    """
    with told(path):
        try:
            return path.stat()
        except FileNotFoundError:
            return None


def found_at(path: Path) -> os.stat_result | None:
    """
    The regular file at *path*, if there is one.

    Raises:
        ExportError: If something else is there.
    """
    found = status(path)
    if found is not None and not stat.S_ISREG(found.st_mode):
        kind = "a directory" if stat.S_ISDIR(found.st_mode) else "no file"
        raise ExportError(f"can't write {path}: it is {kind}")
    return found


def created(
    temporary: Path, path: Path, found: os.stat_result | None
) -> BinaryIO:
    """
    A new file that becomes *path*, with the permissions of that which it
    replaces.
    """
    with told(path):
        file = temporary.open("xb", buffering=0)
        if found is not None:
            os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
        return file


def moved(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """
    Give the file its name.

    Raises:
        ExportError: If one is there that may not be replaced.
    """
    if overwrite:
        temporary.replace(path)
        return

    # A link, unlike a rename, doesn't replace what came into being meanwhile.
    try:
        path.hardlink_to(temporary)
    except FileExistsError as exc:
        raise exists(path) from exc
    temporary.unlink()


def sync(directory: Path) -> None:
    """
    Let names outlive a loss of power.
    """
    # The file is in place; not every file system syncs directories.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def writer(file: BinaryIO, path: Path) -> Write:
    """
    What writes all of its bytes, or says why not.
    """
    write_all = all_of(file.write)

    def write(data: bytes) -> None:
        with told(path):
            write_all(data)

    return write


def all_of(write: Callable[[bytes], int | None]) -> Write:
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
def told(path: Path) -> Iterator[None]:
    """
    Errors of the system as `ExportError` that names *path*.
    """
    try:
        yield
    except OSError as exc:
        raise ExportError(f"can't write {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ExportError(f"can't write {str(path)!r}: {exc}") from exc


def exists(path: Path) -> ExportError:
    """
    What says that *path* is there already.
    """
    return ExportError(
        f"can't write {path}: it exists; pass overwrite=True to replace it"
    )

"""
Hidden files that outlive their process, so that another one goes on.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from auditlog.errors import ExportError

from ._local import (
    exists,
    found_at,
    moved,
    remove_beyond,
    status,
    sync,
    told,
    writer,
)
from ._names import numbered


if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import _Hash as HASH

    from ._local import Write
    from ._report import ExportedPart


_CHUNK = 1024 * 1024


class KeptFiles:
    """
    Files of an export that can be resumed.

    Args:
        path: What the file is called, or its name without a number.

        digits: How many digits a number has.

        overwrite: Whether files that exist may be replaced.
    """

    def __init__(self, path: Path, digits: int, *, overwrite: bool) -> None:
        self._path = path
        self._digits = digits
        self._overwrite = overwrite
        self._file: BinaryIO | None = None

    def begin(self, number: int | None) -> tuple[str, Write]:
        """
        Create the next file, or again what a killed process left of it.

        Raises:
            ExportError: If it can't be written.
        """
        path = self._named(number)
        found = found_at(path)
        if found is not None and not self._overwrite:
            raise exists(path)
        with told(path):
            self._file = hidden(path).open("wb", buffering=0)
            mode = found.st_mode if found else None
            if mode is not None:
                os.fchmod(self._file.fileno(), mode & 0o7777)
        return str(path), writer(self._file, path)

    def go_on(self, part: ExportedPart) -> tuple[str, Write]:
        """
        Open a file behind what of it was noted.
        """
        path = self._at(part)
        with told(path):
            self._file = hidden(path).open("r+b", buffering=0)
            self._file.truncate(part.bytes)
            self._file.seek(part.bytes)
        return str(path), writer(self._file, path)

    def sync(self) -> None:
        """
        What is written is safe from a loss of power.
        """
        if self._file is not None:
            with told(self._path):
                os.fsync(self._file.fileno())

    def end(self) -> None:
        """
        The file is complete.
        """
        self.sync()
        self.close()

    def close(self) -> None:
        """
        Leave the file as it is.
        """
        if self._file is not None:
            self._file.close()
            self._file = None

    def complete(self, parts: tuple[ExportedPart, ...]) -> None:
        """
        Give the files their names, unless they have them.
        """
        for part in reversed(parts):
            path = self._at(part)
            if status(hidden(path)) is not None:
                with told(path):
                    moved(hidden(path), path, overwrite=self._overwrite)
        sync(self._path.parent)

    def remove_beyond(self, number: int | None) -> None:
        """
        Delete the parts of a former export that had more than *number*.
        """
        if number is not None:
            remove_beyond(self._path, number)

    def verified(self, part: ExportedPart, *hashes: HASH) -> HASH:
        """
        The hash of *part* as far as it was noted; *hashes* take it in, too.

        Raises:
            ExportError: If the hidden file isn't what was written.
        """
        path = hidden(self._at(part))
        found = hashlib.sha256()
        left = part.bytes
        try:
            with path.open("rb") as file:
                while left and (data := file.read(min(left, _CHUNK))):
                    left -= len(data)
                    for each in (found, *hashes):
                        each.update(data)
        except OSError as exc:
            raise _changed(path, str(exc.strerror)) from exc
        if left:
            missing = f"{left:,} of {part.bytes:,} bytes are missing"
            raise _changed(path, missing)
        if found.hexdigest() != part.sha256:
            raise _changed(path, "it is not what was written")
        return found

    def _at(self, part: ExportedPart) -> Path:
        # The folder may have been moved.
        return self._path.with_name(Path(part.target).name)

    def _named(self, number: int | None) -> Path:
        return Path(numbered(str(self._path), number, self._digits))


def hidden(path: Path) -> Path:
    """
    Where *path* is written until it is complete.
    """
    return path.with_name(f".{path.name}.resume")


def _changed(path: Path, reason: str) -> ExportError:
    return ExportError(
        f"can't go on with {path}: {reason}; delete the files beside it that "
        "end in .json to begin anew"
    )


@contextlib.contextmanager
def alone(target: Path, sidecar: Path) -> Iterator[None]:
    """
    Keep other processes from the same export; ends with the process.

    Raises:
        ExportError: If another one is at it.
    """
    path = sidecar.with_suffix(".lock")
    with told(target):
        file = path.open("ab")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
            raise ExportError(
                f"can't write {target}: another process exports to it"
            ) from exc
        if not _is_at(path, file):
            # Its holder finished in this moment, and took it away.
            raise ExportError(
                f"can't write {target}: another process exported to it; "
                "try again"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _is_at(path: Path, file: BinaryIO) -> bool:
    found = status(path)
    own = os.fstat(file.fileno())
    return found is not None and os.path.samestat(found, own)

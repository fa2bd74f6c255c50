"""
Objects of stores that fsspec reaches, such as those of S3.
"""

from __future__ import annotations

import contextlib

from typing import TYPE_CHECKING, Any

from auditlog.errors import ExportError, MissingExtraError

from ._local import all_of
from ._names import numbered, without_secrets


if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ._local import Write


def remote_files(
    url: str, *, overwrite: bool
) -> AbstractContextManager[RemoteFiles]:
    """
    Objects at *url* that appear when all of them are complete, as far as the
    store can.

    Raises:
        MissingExtraError: If fsspec is missing.

        ExportError: If the store can't be used.
    """
    try:
        import fsspec.core  # noqa: PLC0415
    except ImportError as exc:
        what = f"exporting to {url.partition('://')[0]}://"
        raise MissingExtraError(what, "remote") from exc

    with _told(url):
        # An object of our own, because a transaction is the whole object's.
        system, path = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    return _completed(RemoteFiles(system, path, url, overwrite=overwrite))


class RemoteFiles:
    """
    Objects within one transaction of a store.

    Args:
        system: The file system, which nobody else uses.

        path: The object's path in it, or its path without a number.

        url: The same as a URL.

        overwrite: Whether objects that exist may be replaced.
    """

    def __init__(
        self, system: Any, path: str, url: str, *, overwrite: bool
    ) -> None:
        self._system = system
        self._path = path
        self._url = url
        self._overwrite = overwrite
        self._open: Any = None

    def begin(self, number: int | None) -> tuple[str, Write]:
        """
        Create the next object: its name, and what writes all of its bytes.

        Raises:
            ExportError: If it can't be written.
        """
        name = without_secrets(numbered(self._url, number))
        path = numbered(self._path, number)
        with _told(self._url):
            if not self._overwrite and self._system.exists(path):
                raise ExportError(
                    f"can't write {name}: it exists; pass overwrite=True to "
                    "replace it"
                )
            self._open = self._system.open(path, "wb")
        write_all = all_of(self._open.write)

        def write(data: bytes) -> None:
            with _told(self._url):
                write_all(data)

        return name, write

    def end(self) -> None:
        """
        The object is complete.
        """
        with _told(self._url):
            self._open.close()
        self._open = None

    def start(self) -> None:
        """
        From now on nothing appears.
        """
        self._system.start_transaction()

    def complete(self) -> None:
        """
        Let all objects appear.

        Raises:
            ExportError: If the store doesn't take them.
        """
        with _told(self._url):
            self._system.transaction.complete(commit=True)

    def discard(self) -> None:
        """
        Give back what was uploaded.
        """
        with contextlib.suppress(Exception):
            if self._open is not None:
                self._open.close()
        with contextlib.suppress(Exception):
            self._system.transaction.complete(commit=False)


@contextlib.contextmanager
def _completed(files: RemoteFiles) -> Iterator[RemoteFiles]:
    files.start()
    try:
        yield files
        files.complete()
    except BaseException:
        files.discard()
        raise


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """
    What the store, or its package, says, without the secrets in *url*.
    """
    try:
        yield
    except ExportError:
        raise
    except Exception as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        if not reason or _repeats(url, f"{exc} {exc!r} {reason}"):
            # Nor in what stands above this error in a traceback.
            raise _error(url, type(exc).__name__) from None
        raise _error(url, reason) from exc


def _error(url: str, reason: str) -> ExportError:
    return ExportError(f"can't write {without_secrets(url)}: {reason}")


def _repeats(url: str, text: str) -> bool:
    shown = without_secrets(url)
    if shown == url:
        return False
    # Any part that isn't shown may be the secret.
    words = {*_words(url)} - {*_words(shown)}
    return any(word in text for word in words)


def _words(url: str) -> list[str]:
    for mark in ":/@?&=":
        url = url.replace(mark, " ")
    return url.split()

"""
Compression of files in members, each of which can be read without the others.
"""

from __future__ import annotations

import contextlib
import zlib

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from auditlog.errors import MissingExtraError


if TYPE_CHECKING:
    from types import ModuleType

    Kind = Literal["gzip", "zstd"]


SUFFIXES: dict[str, Kind] = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
UNSUPPORTED = {".bz2", ".xz", ".lz4", ".br", ".zip"}

# Of zlib and of zstd; 0 is no compression of the one, the other's default.
LEVELS = {"gzip": range(10), "zstd": range(23)}


class Encoder(Protocol):
    """
    Makes what stands in a file of what stands in its rows.
    """

    def add(self, data: bytes, /) -> bytes:
        """
        What comes out when *data* goes in; may be nothing yet.
        """

    def flush(self) -> bytes:
        """
        What is still inside; the member goes on.
        """

    def end(self) -> bytes:
        """
        The end of the member; what is added next begins another.
        """

    def most(self, size: int, /) -> int:
        """
        How many bytes *size* bytes, and the end behind them, may become.
        """


class Plain:
    """
    No compression.
    """

    def add(self, data: bytes, /) -> bytes:
        """
        The same.
        """
        return data

    def flush(self) -> bytes:
        """
        Nothing.
        """
        return b""

    end = flush

    def most(self, size: int, /) -> int:
        """
        The same.
        """
        return size


class Gzip:
    """
    Members of gzip with neither a time nor a name in their headers, unlike
    those of `gzip.open`, so that equal events give equal files.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._begin()

    def _begin(self) -> None:
        self._zlib = zlib.compressobj(self._level, zlib.DEFLATED, 31)
        self.add = self._zlib.compress

    def flush(self) -> bytes:
        """
        See `Encoder.flush()`.
        """
        return self._zlib.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """
        See `Encoder.end()`.
        """
        rest = self._zlib.flush()
        self._begin()
        return rest

    def most(self, size: int, /) -> int:
        """
        What can't be made shorter is stored, 5 bytes for each 16 KiB.
        """
        return size + size // 1024 + 64


class Zstd:
    """
    Frames of zstd with checksums.
    """

    def __init__(self, level: int) -> None:
        zstd: Any = load_zstd("compression with zstd")
        parameter = zstd.CompressionParameter
        self._zstd = zstd.ZstdCompressor(
            options={
                parameter.compression_level: level,
                parameter.checksum_flag: 1,
            }
        )
        self.add = self._zstd.compress

    def flush(self) -> bytes:
        """
        See `Encoder.flush()`.
        """
        data: bytes = self._zstd.flush(self._zstd.FLUSH_BLOCK)
        return data

    def end(self) -> bytes:
        """
        See `Encoder.end()`.
        """
        data: bytes = self._zstd.flush(self._zstd.FLUSH_FRAME)
        return data

    def most(self, size: int, /) -> int:
        """
        What can't be made shorter is stored, 3 bytes for each 128 KiB.
        """
        return size + size // 1024 + 64


def encoder_of(kind: Kind | None, level: int | None) -> Encoder:
    """
    What compresses so; None for *level* is the fastest that is worth it.

    Raises:
        MissingExtraError: If the package for zstd is missing.
    """
    if kind is None:
        return Plain()
    made = Gzip if kind == "gzip" else Zstd
    return made(1 if level is None else level)


def load_zstd(what: str) -> ModuleType:
    """
    The module for zstd: of the standard library from Python 3.14 on.

    Raises:
        MissingExtraError: If it is missing; *what* needs it.
    """
    # Not by an import statement, of which one is unknown to each version.
    for name in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            return import_module(name)
    raise MissingExtraError(what, "zstd")

"""
How far an export has come, shown where a person watches.
"""

from __future__ import annotations

import contextlib
import sys
import time
import warnings

from typing import TYPE_CHECKING, Any, Protocol


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SHOWN_AFTER = 1.0
TOLD_EVERY = 0.1


class Progress(Protocol):
    """
    Is told how far an export has come.

    Any function of these arguments is one. It is called from the thread that
    exports, at most ten times a second and once at the end; an exception that
    it raises ends the export and leaves the target as it was.

    .. versionadded:: 0.1.0
    """

    def __call__(self, done: int, total: int | None, unit: str, /) -> object:
        """
        Take note that *done* of *total* things are exported.

        Args:
            done: How many are exported.

            total: How many there are, or None if nobody knows yet.

            unit: What is counted, such as ``events``.
        """


@contextlib.contextmanager
def watched(
    progress: bool | Progress | None, total: int | None
) -> Iterator[Callable[[int], None]]:
    """
    Give a function that is cheap to call often with what is done.

    Args:
        progress:
            Who is told; None shows a bar where a person watches, True shows
            one always, False never.

        total: How many there are, if it is known.
    """
    if progress is None:
        progress = _is_watched()
    if progress is False:
        yield _ignore
        return

    bar = _Bar() if progress is True else None
    told = _Throttled(bar or progress, total, SHOWN_AFTER if bar else 0.0)
    try:
        yield told
        told.finish()
    finally:
        if bar is not None:
            bar.close()


def _ignore(done: int, /) -> None:
    pass


def _is_watched() -> bool:
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _in_notebook() -> bool:
    ipython: Any = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


class _Throttled:
    """
    Tells *progress* first after *delay* seconds, then not too often.
    """

    def __init__(self, progress: Any, total: int | None, delay: float) -> None:
        self._progress = progress
        self._total = total
        self._delay = delay
        self._next = time.monotonic() + delay
        self._done = 0
        self._told: int | None = None

    def __call__(self, done: int, /) -> None:
        self._done = done
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TOLD_EVERY
            self._tell()

    def finish(self) -> None:
        """
        Tell the end, unless the export was over before anything was told.
        """
        was_quick = self._told is None and self._delay
        if self._told != self._done and not was_quick:
            self._tell()

    def _tell(self) -> None:
        self._told = self._done
        self._progress(self._done, self._total, "events")


class _Bar:
    """
    tqdm's bar where it is installed, otherwise one line that is overwritten.
    """

    _bar: Any = None
    _line = False

    def __call__(self, done: int, total: int | None, unit: str, /) -> None:
        if self._bar is None and not self._line:
            self._bar = _tqdm(total, unit)
            self._line = self._bar is None
        if self._line:
            sys.stderr.write(f"\r{done:,} {unit}")
            sys.stderr.flush()
        else:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """
        Leave the last state on a line of its own.
        """
        if self._line:
            sys.stderr.write("\n")
        elif self._bar is not None:
            self._bar.close()


def _tqdm(total: int | None, unit: str) -> Any:
    try:
        with warnings.catch_warnings():
            # Loads only when there is something to show. In notebooks
            # without widgets it warns, and works.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm  # noqa: PLC0415
    except ImportError:
        return None
    return tqdm(total=total, unit=f" {unit}", unit_scale=False)

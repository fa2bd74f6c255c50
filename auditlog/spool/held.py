"""
Holds the folders that have dead letters, to send these again.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from auditlog.errors import SinkSetupError

from . import lock
from .deliveries import Deliveries
from .files import told
from .versions import check_versions
from .view import look


if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from .view import View


@contextmanager
def holding(path: Path, relays: Collection[str]) -> Iterator[list[Deliveries]]:
    """
    The dead letters of *relays* below *path*, by folder, to oneself.

    Raises:
        SinkSetupError:
            If another process has one of these folders, or a newer version
            has written it.
    """
    with ExitStack() as stack:
        yield [
            stack.enter_context(_held(view.folder))
            for view in look(path)
            if _has_letters(view, relays)
        ]


def _has_letters(view: View, relays: Collection[str]) -> bool:
    view.check_version()
    return any(each.note.relay in relays for each in view.letters())


@contextmanager
def _held(folder: Path) -> Iterator[Deliveries]:
    held = lock.acquire(folder)
    if held is None:
        raise SinkSetupError(
            f"dead letters in spool {str(folder)!r} can't be sent again, "
            f"because it is in use by process {lock.holder(folder)}; stop "
            "that process, or call auditlog.redrive.redrive() in it"
        )
    try:
        with told("open", folder):
            check_versions(folder)  # it may be another's since the look
            held.sign()
            yield Deliveries(folder)
    finally:
        held.release()

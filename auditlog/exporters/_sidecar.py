"""
What is noted of an export beside its hidden files, for who goes on with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import attrs

from auditlog.abc import Origin, Skipped
from auditlog.errors import ExportError

from ._local import sync, told
from ._report import ExportedPart


if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ._tally import Position, Tally


FORMAT = 1


@attrs.frozen(kw_only=True)
class State:
    """
    How an export stands.

    Attributes:
        status:
            ``running``; ``complete`` while its files get their names; or
            ``idle``, when the next run of one that follows begins.

        settings: What must be the same: exporter, query and options.

        source: What is read.

        place: Where the reader stands.

        tally: What was counted.

        parts: The files that are complete.

        part: The file that is open, as far as it is written; or None.

        inner: What has to be known of the open file beside its bytes.

        number:
            The number of the open file or the next one, if they have
            numbers.

        sha256: The hash of all files, once they are complete.
    """

    status: Literal["running", "complete", "idle"]
    settings: Mapping[str, Any]
    source: Mapping[str, str]
    place: Mapping[str, Any]
    tally: Mapping[str, Any]
    parts: tuple[ExportedPart, ...] = ()
    part: ExportedPart | None = None
    inner: tuple[str, ...] = ()
    number: int | None = None
    sha256: str = ""


def save(path: Path, state: State) -> None:
    """
    Note *state*, in one step, safe from a loss of power.

    Raises:
        ExportError: If it can't be written.
    """
    content = attrs.asdict(state)
    note = {"format": FORMAT, **content, "checksum": _digest(content)}
    temporary = path.with_name(f"{path.name}.tmp")
    with told(path):
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(note, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    sync(path.parent)


def load(path: Path) -> State | None:
    """
    The state that was noted, or None if there is none.

    Raises:
        ExportError: If it is damaged, or of a newer version.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ExportError(f"can't read {path}: {exc.strerror}") from exc
    try:
        note = json.loads(text)
        version, digest = note.pop("format"), note.pop("checksum")
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise _damaged(path, "it is no note of an export") from exc
    if version != FORMAT:
        raise _damaged(path, f"its format is {version!r}, not {FORMAT}")
    if digest != _digest(note):
        raise _damaged(path, "it is not what was written")
    return _state(note)


def remove(path: Path) -> None:
    """
    Forget what was noted.
    """
    with told(path), contextlib.suppress(FileNotFoundError):
        path.unlink()
    sync(path.parent)


def _state(note: dict[str, Any]) -> State:
    parts = tuple(ExportedPart(**part) for part in note.pop("parts"))
    part = note.pop("part")
    inner = tuple(note.pop("inner"))
    return State(
        **note,
        parts=parts,
        part=part and ExportedPart(**part),
        inner=inner,
    )


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _damaged(path: Path, reason: str) -> ExportError:
    return ExportError(
        f"can't go on with what {path} tells of: {reason}; delete it to "
        "begin anew"
    )


def tally_note(tally: Tally) -> dict[str, Any]:
    """
    What *tally* has counted, as JSON.
    """
    return {
        "rows": tally.rows,
        "cut": tally.cut,
        "first": _at(tally.first),
        "last": _at(tally.last),
        "skipped": dict(tally.skipped),
        "skipped_first": [
            [each.place, each.reason, _at(each.origin)]
            for each in tally.skipped_first
        ],
        "notes": {name: int(n) for name, n in tally.notes.items()},
    }


def restore_tally(tally: Tally, note: Mapping[str, Any]) -> None:
    """
    Let *tally* count on.
    """
    tally.rows = note["rows"]
    tally.cut = note["cut"]
    tally.first = position_in(note["first"])
    tally.last = position_in(note["last"])
    tally.skipped = Counter(note["skipped"])
    tally.skipped_first = [
        Skipped(place=place, reason=reason, origin=position_in(at))
        for place, reason, at in note["skipped_first"]
    ]
    tally.notes = Counter(note["notes"])


def _at(position: Position | None) -> Any:
    if isinstance(position, Origin):
        return [position.topic, position.partition, position.offset]
    return str(position) if isinstance(position, UUID) else position


def position_in(at: Any) -> Any:
    """
    The position that was noted as *at*.
    """
    if isinstance(at, list):
        topic, partition, offset = at
        return Origin(topic=topic, partition=partition, offset=offset)
    return UUID(at) if isinstance(at, str) else at

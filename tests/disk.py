"""
What a disk may hold after a loss of power, from what was asked of it.
"""

from __future__ import annotations

import functools
import itertools
import os

from contextlib import contextmanager
from pathlib import Path

import attrs


# More names than these changed at once are sampled, not enumerated.
_ALL_SUBSETS = 3
_SAMPLE = 8
# Places in a write at which it may end.
_TEARS = 4


@attrs.define(eq=False)
class File:
    """
    What was written to one file: what is durable, and the writes since.
    """

    durable: bytes = b""
    writes: list[tuple[int, bytes | None]] = attrs.field(factory=list)

    def sync(self):
        self.durable = self.content(len(self.writes))
        self.writes = []

    def content(self, count, torn=None):
        """
        With the first *count* writes, of which the last is *torn* there.
        """
        data = bytearray(self.durable)
        for number, (at, part) in enumerate(self.writes[:count]):
            if part is None:  # made so long
                data[:] = data[:at].ljust(at, b"\0")
                continue
            if torn is not None and number == count - 1:
                part = part[:torn]  # noqa: PLW2901 - it is what got there
            data[:] = data.ljust(at, b"\0")
            data[at : at + len(part)] = part
        return bytes(data)

    def states(self, draw):
        """
        Each prefix of its writes, from none, and the last one torn anywhere.
        """
        for count in range(len(self.writes) + 1):
            last = self.writes[count - 1][1] if count else None
            for _ in range(_TEARS if last else 0):
                yield self.content(count, draw.randrange(len(last)))
            yield self.content(count)


@attrs.define(eq=False)
class Folder:
    """
    The names in one folder: those that are durable, and the changes since.
    """

    durable: dict[str, File | Folder] = attrs.field(factory=dict)
    changes: list[dict[str, File | Folder | None]] = attrs.field(factory=list)

    def sync(self):
        self.durable = self.names(self.changes)
        self.changes = []

    def names(self, changes):
        found = dict(self.durable)
        for change in changes:
            found.update(change)
        return {name: node for name, node in found.items() if node is not None}

    def states(self, draw):
        """
        The names with some of the changes, which reach the disk in any order.
        """
        count = len(self.changes)
        choices = [*itertools.product((True, False), repeat=count)]
        if count > _ALL_SUBSETS:
            ends = [choices[-1], choices[0]]
            choices = [*ends, *draw.sample(choices, _SAMPLE)]
        for choice in choices:
            yield self.names(itertools.compress(self.changes, choice))


class Disk:
    """
    Follows what this process asks of the files below *root*.
    """

    def __init__(self, root, *, unsynced=()):
        self.root = Path(root)
        self.top = Folder()
        self._open = {}
        self._unsynced = unsynced

    # What was asked

    def node(self, path):
        """
        What is there now, or None.
        """
        node = self.top
        for name in Path(path).relative_to(self.root).parts:
            if not isinstance(node, Folder):
                return None
            node = node.names(node.changes).get(name)
        return node

    def holds(self, path):
        return Path(os.fspath(path)).is_relative_to(self.root)

    def change(self, path, node):
        path = Path(path)
        self.node(path.parent).changes.append({path.name: node})

    def opened(self, fd, path, flags, *_):
        if not self.holds(path):
            return
        node = self.node(path)
        if node is None:
            node = File()
            self.change(path, node)
        elif flags & os.O_TRUNC:
            node.writes.append((0, None))
        self._open[fd] = node

    def closed(self, fd):
        self._open.pop(fd, None)

    def written(self, done, fd, data, at):
        if fd in self._open:
            self._open[fd].writes.append((at, bytes(data[:done])))

    def sized(self, fd, length):
        if fd in self._open:
            self._open[fd].writes.append((length, None))

    def synced(self, fd, what):
        if fd in self._open and what not in self._unsynced:
            self._open[fd].sync()

    def renamed(self, old, new):
        """
        One change for both names in one folder; it is atomic.
        """
        old, new = Path(old), Path(new)
        node = self.node(old)
        if old.parent == new.parent:
            both = {old.name: None, new.name: node}
            self.node(old.parent).changes.append(both)
        else:
            self.change(new, node)
            self.change(old, None)

    # What may be left

    def states(self, draw):
        """
        Folders as mappings of names to bytes or such folders.

        The files in one are those as they were last, or as they are durable,
        or one of them in any other state, or each in one that is drawn.
        """
        return self._states(self.top, draw)

    def _states(self, folder, draw):
        for names in folder.states(draw):
            found = {
                name: [
                    *(
                        node.states(draw)
                        if isinstance(node, File)
                        else self._states(node, draw)
                    )
                ]
                for name, node in names.items()
            }
            last = {name: states[-1] for name, states in found.items()}
            yield {name: states[0] for name, states in found.items()}
            for name, states in found.items():
                for each in states:
                    yield last | {name: each}
            yield {name: draw.choice(each) for name, each in found.items()}
            yield last


def lay_out(state, folder):
    """
    Write a state down.
    """
    folder.mkdir()
    for name, content in state.items():
        if isinstance(content, dict):
            lay_out(content, folder / name)
        else:
            (folder / name).write_bytes(content)


@contextmanager
def followed(disk, monkeypatch, after=lambda: None):
    """
    Tell *disk* of all that is asked for, and call *after* each time.
    """

    def follow(name, tell):
        original = getattr(os, name)

        @functools.wraps(original)
        def call(*args, **kwargs):
            result = original(*args, **kwargs)
            tell(result, *args)
            after()
            return result

        patch.setattr(os, name, call)

    with monkeypatch.context() as patch:
        follow("open", disk.opened)
        follow("close", lambda _, fd: disk.closed(fd))
        follow("pwrite", disk.written)
        follow("ftruncate", lambda _, fd, length: disk.sized(fd, length))
        follow("fsync", lambda _, fd: disk.synced(fd, "fsync"))
        follow("fdatasync", lambda _, fd: disk.synced(fd, "fdatasync"))
        follow("rename", lambda _, old, new: disk.renamed(old, new))
        follow("unlink", lambda _, path: disk.change(path, None))
        follow("rmdir", lambda _, path: disk.change(path, None))
        follow("mkdir", lambda _, path, *__: disk.change(path, Folder()))
        yield disk

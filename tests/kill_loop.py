"""
Exports that are killed again and again, in children of one small process.

Run by `tests/unit/test_exporters_kills.py`; prints what became of them.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from functools import partial
from pathlib import Path

from auditlog.exporters import (
    CSVExporter,
    JSONExporter,
    JSONLinesReader,
    ParquetExporter,
    ParquetReader,
    _groups,
    _kept,
    _output,
    _resumed,
)
from auditlog.testing.contracts import make_record


# Many small members, each noted.
_output.MEMBER = 6_000
_resumed.SAVED_EVERY = 0.0
# A kill loses nothing that was written; it takes most of the time.
os.fsync = lambda descriptor: None

VARIANTS = {
    "lines.jsonl.gz": JSONExporter(),
    "parts.json.gz": JSONExporter(framing="array", max_file_bytes=2_000),
    "array.json": JSONExporter(framing="array"),
    "table.csv": CSVExporter(max_file_bytes=9_000),
    "parts.parquet": ParquetExporter(row_group_rows=60, max_file_bytes=22_000),
}
FOLLOWING = {
    "f.jsonl.gz": (JSONExporter(max_file_bytes=20_000), JSONLinesReader),
    "f.parquet": (
        ParquetExporter(row_group_rows=15, max_file_bytes=12_000),
        ParquetReader,
    ),
}
CALLS = [(os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "open")]


class Growing(JSONLinesReader):
    """
    A file to which whole lines are appended, so that it can be followed.
    """

    def follow_scan(self, query, place):
        size = self._path.stat().st_size
        return self._placed(
            query, {"left": None, **(place or {}), "size": size}
        )


def lines(count):
    records = [make_record(metadata={"n": n}) for n in range(count)]
    return [record.body + b"\n" for record in records]


def killed(export, prepare=lambda: None, after=None):
    """
    Whether a child that exports was killed before it was done.
    """
    child = os.fork()
    if not child:
        prepare()
        export()
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}, status
    return status != 0


def found(folder):
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.startswith(".")
    }


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name[0] == "."]


def expected_files(folder, name, exporter, source):
    folder.mkdir()
    exporter.export(JSONLinesReader(source), folder / name)
    return found(folder)


def check(folder, expected, *, done):
    """
    Only whole files are there, and all of them at the end.
    """
    have = found(folder)
    assert have.items() <= expected.items(), [*have]
    if done:
        assert have == expected, [*have]
        assert hidden(folder) == [], hidden(folder)
        for path in folder.iterdir():
            path.unlink()


def at_random(folder, source, dice, wanted):
    """
    Kill at any moment, until it was done *wanted* times; how often there was
    something to go on with.
    """
    kills = resumed = 0
    while kills < wanted:
        for name, exporter in VARIANTS.items():
            target = folder / name / name
            before = expected_files(
                folder / f"{name}-expected-{kills}", name, exporter, source
            )
            target.parent.mkdir(exist_ok=True)

            def export(exporter=exporter, target=target):
                events = JSONLinesReader(source)
                exporter.export(events, target, resume=True)

            # As long as it takes here and now, and longer each time, so that
            # it comes to an end on a machine that has become slower, too.
            started = time.monotonic()
            assert not killed(export)
            usual = time.monotonic() - started
            check(target.parent, before, done=True)

            while killed(export, after=dice.expovariate(2.5 / usual)):
                kills += 1
                usual *= 1.1
                resumed += len(hidden(target.parent)) > 0
                check(target.parent, before, done=False)
            check(target.parent, before, done=True)
    return kills, resumed


def countdown(calls):
    """
    Let this process be killed before the call of that number.
    """
    left = [calls]

    def dying(call):
        def wrapped(*args, **options):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*args, **options)

        return wrapped

    for owner, name in CALLS:
        setattr(owner, name, dying(getattr(owner, name)))


def before_each_call(folder, source, name):
    """
    Kill before each call that changes something, and go on once; how many
    there are.
    """
    exporter = VARIANTS[name]
    expected = folder / f"{name}-expected"
    before = expected_files(expected, name, exporter, source)
    target = folder / f"{name}-each" / name
    target.parent.mkdir()

    def export():
        exporter.export(JSONLinesReader(source), target, resume=True)

    calls = 0
    while killed(export, partial(countdown, calls)):
        check(target.parent, before, done=False)
        # Where all files had their names, this one finds nothing to do.
        assert not killed(export)
        check(target.parent, before, done=True)
        calls += 1
    return calls


def followed(folder, dice, wanted, name):
    """
    Kill runs that follow a file that grows; each line is in one file.
    """
    exporter, reader = FOLLOWING[name]
    source, target = folder / f"{name}.grows", folder / f"{name}-out" / name
    target.parent.mkdir()
    # Longer than what tells it from another one.
    source.write_bytes(b"".join(lines(20)))
    kills = calls = 0

    def export():
        exporter.export(Growing(source), target, follow=True)

    while kills < wanted:
        with source.open("ab") as file:
            file.writelines(lines(dice.randrange(60)))
        calls = (calls + 1) % 60
        kills += killed(export, partial(countdown, calls))
        kills += killed(export, after=dice.expovariate(100))
    export()  # what a kill left
    export()  # and what is new

    files = [
        path for path in sorted(target.parent.iterdir()) if path.stem[0] != "."
    ]
    read = [r.body + b"\n" for path in files for r in reader(path)]
    assert source.read_bytes() == b"".join(read)
    numbers = [int(path.name[2:10]) for path in files]
    assert numbers == [*range(1, len(files) + 1)], numbers
    return kills, len(files)


def names_without_a_note():
    """
    Give files their names before it is noted that they are complete.
    """
    save = _resumed.ResumedExport._save

    def forgetful(self):
        if self._unsaved is None or self._unsaved.status != "complete":
            save(self)

    _resumed.ResumedExport._save = forgetful


def keeps_what_was_not_noted():
    """
    Go on behind all that is in the hidden file.
    """

    def go_on(self, part):
        path = self._at(part)
        self._file = _kept.hidden(path).open("ab", buffering=0)
        return str(path), self._file.write

    _kept.KeptFiles.go_on = go_on


def forgets_row_groups():
    """
    Go on as if the hidden file had no row groups yet.
    """
    go_on = _groups.GroupOutput.go_on

    def forgetful(self, parts, part, _):
        go_on(self, parts, part, ())

    _groups.GroupOutput.go_on = forgetful


def moves_on_before_names():
    """
    Note where the next run begins before this one's files are there.
    """
    complete = _kept.KeptFiles.complete
    finish = _resumed.ResumedExport._finish

    def hasty(self, state):
        _kept.KeptFiles.complete = lambda *_: None
        idle = finish(self, state)
        _kept.KeptFiles.complete = complete
        self._files.complete(state.parts)
        return idle

    _resumed.ResumedExport._finish = hasty


def main(folder, seed, broken=None):
    if broken is not None:
        globals()[broken]()
    folder, dice = Path(folder), random.Random(seed)
    source = folder / "source.jsonl"
    source.write_bytes(b"".join(lines(500)))
    for name, kills in (("f.jsonl.gz", 30), ("f.parquet", 10)):
        print("followed", *followed(folder, dice, kills, name))
    print("random", *at_random(folder, source, dice, 40))
    for name in ("parts.json.gz", "parts.parquet"):
        print("calls", before_each_call(folder, source, name))


if __name__ == "__main__":
    main(*sys.argv[1:])

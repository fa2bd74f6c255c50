"""
Exports that go on: what they refuse, and what they say when they stop.
"""

from __future__ import annotations

import io
import json
import os

from pathlib import Path

import attrs
import pytest

from auditlog.abc import EventQuery, Reader
from auditlog.errors import ExportError, ReadError
from auditlog.exporters import (
    CSVExporter,
    JSONExporter,
    JSONLinesReader,
    ParquetExporter,
    ParquetReader,
    _kept,
    _output,
    _resumed,
)
from auditlog.memory import InMemoryReader, InMemorySink
from auditlog.testing.contracts import make_record


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(_output, "MEMBER", 20_000)
    monkeypatch.setattr(_resumed, "SAVED_EVERY", 0.0)


# Where it stops, a batch waits for its row group.
LINES, TABLE = JSONExporter(), ParquetExporter(row_group_rows=400)


@pytest.fixture(name="sink", scope="module")
def _sink():
    sink = InMemorySink()
    sink.write([make_record(metadata={"n": n}) for n in range(1000)])
    return sink


class Breaking(InMemoryReader):
    """
    Goes away behind so many events.
    """

    after = 600
    error: BaseException = ReadError("the database went away")

    def _placed(self, query, done, end):
        self.begun_at = done
        scan = super()._placed(query, done, end)

        def items():
            for number, item in enumerate(scan.items):
                if number == self.after:
                    raise self.error
                yield item

        return attrs.evolve(scan, items=items())


def stop(sink, path, exporter=None, query=None, error=None, **options):
    """
    Leave an export of *sink* unfinished.
    """
    reader = Breaking(sink)
    reader.error = error or reader.error
    with pytest.raises(type(reader.error)) as caught:
        (exporter or JSONExporter()).export(
            reader.read(query), path, **{"resume": True, **options}
        )
    return caught.value


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("exporter", "suffix", "kept"),
    [(LINES, ".gz", 512), (TABLE, "", 400)],
    ids=["lines", "table"],
)
def test_it_goes_on_where_it_stopped(sink, tmp_path, exporter, suffix, kept):
    """
    The message says from where; the source isn't read again; the report
    tells of the whole file.
    """
    names = [f"a{suffix}", f"b{suffix}"]
    whole = exporter.export(InMemoryReader(sink), tmp_path / names[0])

    error = stop(sink, tmp_path / names[1], exporter)

    assert (
        f"the database went away; {kept} events are kept, resume=True goes "
        in (str(error))
    )
    assert str(error).endswith(f"goes on behind {kept}")
    reader = Breaking(sink)
    report = exporter.export(reader, tmp_path / names[1], resume=True)
    assert kept == reader.begun_at
    changed = {"target": whole.target, "elapsed": whole.elapsed}
    assert whole == attrs.evolve(report, **changed)
    assert names == sorted(everything(tmp_path))
    assert 1 == len({*everything(tmp_path).values()})


def test_what_is_passed_over_moves_no_row_group(sink, tmp_path):
    """
    Wherever it stops among what is no event, each event is there once, and
    what was passed over is counted once.
    """
    table = attrs.evolve(TABLE, row_group_rows=150)
    mixed = InMemorySink()
    mixed.write(
        [
            attrs.evolve(record, body=b"{}") if at % 7 == 3 else record
            for at, record in enumerate(sink.records)
        ]
    )
    whole = table.export(InMemoryReader(mixed), tmp_path / "a")
    stopped = range(150, 951, 200)

    for after in stopped:
        reader = Breaking(mixed)
        reader.after = after
        with pytest.raises(ReadError):
            table.export(reader, tmp_path / f"b-{after}", resume=True)

    for after in stopped:
        reader, target = Breaking(mixed), tmp_path / f"b-{after}"
        reader.after = None
        report = table.export(reader, target, resume=True)
        assert reader.begun_at in {0, 175, 350, 525, 700, 875}
        assert whole.skipped == report.skipped
        assert 143 == report.skipped.total()
    assert 1 == len({*everything(tmp_path).values()})


def test_what_comes_later_is_not_in_it(tmp_path):
    """
    An export ends where its source ended when it was begun.
    """
    sink = InMemorySink()
    sink.write([make_record() for _ in range(1000)])
    before = [record.body for record in sink.records]
    stop(sink, tmp_path / "a")

    sink.write([make_record()])
    JSONExporter().export(InMemoryReader(sink), tmp_path / "a", resume=True)

    assert before == (tmp_path / "a").read_bytes().splitlines()


@pytest.mark.parametrize("limit", [700, 530, 5])
@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("exporter", [LINES, TABLE], ids=["lines", "table"])
def test_limit_and_order_hold_over_a_break(
    sink, tmp_path, exporter, limit, order
):
    """
    A limit counts what was exported before the break.
    """
    query = EventQuery(limit=limit, order=order)
    exporter.export(InMemoryReader(sink).read(query), tmp_path / "a")
    if limit > 600:
        stop(sink, tmp_path / "b", exporter, query)

    events = InMemoryReader(sink).read(query)
    exporter.export(events, tmp_path / "b", resume=True)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_ctrl_c_keeps_what_is_written(sink, tmp_path):
    """
    The exception is the same, with a note.
    """
    error = stop(sink, tmp_path / "a", error=KeyboardInterrupt())

    assert ["512 events are kept, resume=True goes on behind 512"] == (
        error.__notes__
    )


def test_an_old_file_stays_until_the_end(sink, tmp_path):
    """
    And has its permissions afterwards.
    """
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o600)

    stop(sink, path)

    assert b"old" == path.read_bytes()
    JSONExporter().export(InMemoryReader(sink), path, resume=True)
    assert 1000 == path.read_bytes().count(b"\n")
    assert 0o600 == path.stat().st_mode & 0o777


def other_source(sink):
    class Other(InMemoryReader):
        def _placed(self, query, done, end):
            scan = super()._placed(query, done, end)
            return attrs.evolve(scan, source={"sink": "other"})

    return Other(sink).read()


@pytest.mark.parametrize(
    ("exporter", "events", "options", "differs"),
    [
        (
            JSONExporter(framing="array"),
            InMemoryReader,
            {},
            "exporter.framing was 'lines' and is 'array'",
        ),
        (
            CSVExporter(),
            InMemoryReader,
            {},
            "exporter.class was 'JSONExporter' and is 'CSVExporter'",
        ),
        (
            TABLE,
            InMemoryReader,
            {},
            "exporter.class was 'JSONExporter' and is 'ParquetExporter'",
        ),
        (
            JSONExporter(),
            lambda sink: InMemoryReader(sink).read(EventQuery(actors=["x"])),
            {},
            r"query.actors was None and is \['x'\]",
        ),
        (
            JSONExporter(),
            InMemoryReader,
            {"errors": "raise"},
            "errors was 'report' and is 'raise'",
        ),
        (JSONExporter(), other_source, {}, "sink was 'memory' and is 'other'"),
    ],
)
def test_another_export_is_refused(
    sink, tmp_path, exporter, events, options, differs
):
    """
    What differs is said, and nothing is touched.
    """
    stop(sink, tmp_path / "a")
    before = everything(tmp_path)

    with pytest.raises(ExportError, match=differs):
        exporter.export(events(sink), tmp_path / "a", resume=True, **options)

    assert before == everything(tmp_path)


@pytest.mark.parametrize(
    ("setting", "differs"),
    [
        ("row_group_rows", "exporter.row_group_rows was 400 and is 9"),
        ("max_file_bytes", "exporter.max_file_bytes was None and is 9"),
    ],
)
def test_another_table_is_refused(sink, tmp_path, setting, differs):
    """
    Row groups of one file have one length, and parts one limit.
    """
    stop(sink, tmp_path / "a", TABLE)
    before = everything(tmp_path)

    other = attrs.evolve(TABLE, **{setting: 9})
    with pytest.raises(ExportError, match=differs):
        other.export(InMemoryReader(sink), tmp_path / "a", resume=True)

    assert before == everything(tmp_path)


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def newer(path):
    note = json.loads(path.read_text()) | {"format": 2}
    path.write_text(json.dumps(note))


NOTE, DATA = ".a.resume.json", ".a.resume"


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        (NOTE, cut, "it is no note of an export; delete it"),
        (NOTE, lambda path: path.write_text("[]"), "it is no note of an exp"),
        (NOTE, newer, "its format is 2, not 1; delete it"),
        (NOTE, flip, "it is no"),
        (DATA, cut, "30 of .* bytes are missing"),
        (DATA, flip, "it is not what was written"),
        (DATA, os.unlink, "No such file or directory"),
    ],
)
@pytest.mark.parametrize("exporter", [LINES, TABLE], ids=["lines", "table"])
def test_damage_is_refused(sink, tmp_path, exporter, name, damage, said):
    """
    What is wrong is said, and nothing is touched; then it begins anew.
    """
    reader = InMemoryReader(sink)
    stop(sink, tmp_path / "a", exporter)
    damage(tmp_path / name)
    before = everything(tmp_path)

    with pytest.raises(ExportError, match=said):
        exporter.export(reader, tmp_path / "a", resume=True)

    assert before == everything(tmp_path)
    (tmp_path / NOTE).unlink()
    report = exporter.export(reader, tmp_path / "a", resume=True)
    assert 1000 == report.rows
    assert ["a"] == [*everything(tmp_path)]


class Simple(Reader):
    def scan(self, query):
        return iter(())


@pytest.mark.parametrize(
    ("events", "target", "options", "said"),
    [
        ([], "a", {"resume": True}, "can't resume an export of a list; give"),
        ([], "a", {"follow": True}, "can't follow a list; give a reader"),
        (Simple(), "a", {"resume": True}, "which is no ResumableReader"),
        (JSONLinesReader("b"), "a", {"follow": True}, "no FollowableReader"),
        (None, "-", {"resume": True}, "to '-'; give a path"),
        (None, io.BytesIO(), {"resume": True}, "to 'BytesIO'; give a path"),
        (None, "s3://b/a", {"follow": True}, "to 's3://b/a'; give a path"),
        (None, "/dev/null", {"resume": True}, "it is no file"),
        (None, "none/a", {"resume": True}, "No such file or directory"),
        (EventQuery(last=1), "a", {"resume": True}, "leave out 'last'"),
        (EventQuery(limit=1), "a", {"follow": True}, "leave out 'limit' and"),
    ],
)
def test_what_cannot_be_resumed_is_refused(
    tmp_path, monkeypatch, sink, events, target, options, said
):
    """
    Before anything is written.
    """
    monkeypatch.chdir(tmp_path)
    if events is None:
        events = InMemoryReader(sink)
    if isinstance(events, EventQuery):
        events = InMemoryReader(sink).read(events)

    with pytest.raises(ExportError, match=said):
        JSONExporter().export(events, target, **options)

    assert [] == [*tmp_path.iterdir()]


def test_two_at_once_are_refused(sink, tmp_path):
    """
    The second one is told, and the first one not disturbed.
    """
    target = tmp_path / "a"
    told = []

    def another(done, *_):
        if done == 1000:
            return
        with pytest.raises(ExportError, match="another process exports to it"):
            JSONExporter().export(InMemoryReader(sink), target, resume=True)
        told.append(True)

    JSONExporter().export(
        InMemoryReader(sink), target, resume=True, progress=another
    )

    assert told
    assert ["a"] == [*everything(tmp_path)]


def test_each_event_is_in_one_file(tmp_path):
    """
    Runs that follow number their files; one without news writes none.
    """
    sink = InMemorySink()
    target = tmp_path / "a.jsonl"

    def run():
        report = JSONExporter().export(
            InMemoryReader(sink), target, follow=True
        )
        return report.rows, [Path(p.target).name for p in report.parts]

    assert (0, []) == run()
    sink.write([make_record() for _ in range(3)])
    assert (3, ["a-00000001.jsonl"]) == run()
    assert (0, []) == run()
    sink.write([make_record()])
    (tmp_path / "a-00000001.jsonl").unlink()  # as a shipper may
    assert (1, ["a-00000002.jsonl"]) == run()
    assert {".a.jsonl.follow.json", "a-00000002.jsonl"} == {
        *everything(tmp_path)
    }
    with pytest.raises(ExportError, match=r"exporter\.class was 'JSON"):
        CSVExporter().export(InMemoryReader(sink), target, follow=True)


@pytest.mark.parametrize(
    ("exporter", "reader", "kept"),
    [(LINES, JSONLinesReader, 512), (TABLE, ParquetReader, 400)],
    ids=["lines", "table"],
)
def test_a_run_that_broke_is_finished_by_the_next(
    tmp_path, exporter, reader, kept
):
    """
    Its file has the same number, what came meanwhile is in the one after,
    and without news there is no file.
    """
    sink = InMemorySink()
    sink.write([make_record() for _ in range(1000)])
    target = tmp_path / "a"
    error = stop(sink, target, exporter, resume=False, follow=True)
    assert str(error).endswith(f"kept, the next run goes on behind {kept}")
    sink.write([make_record()])

    reports = [
        exporter.export(InMemoryReader(sink), target, follow=True)
        for _ in range(3)
    ]

    assert [1000, 1, 0] == [report.rows for report in reports]
    files = sorted(tmp_path.glob("a-*"))
    assert ["a-00000001", "a-00000002"] == [path.name for path in files]
    written = [record.body for path in files for record in reader(path)]
    assert [r.body for r in sink.records] == written


def test_hidden_files_are_named_after_the_target(sink, tmp_path):
    """
    Whoever finds them knows what they are.
    """
    stop(sink, tmp_path / "a.jsonl.gz")

    names = [".a.jsonl.gz.resume", ".a.jsonl.gz.resume.json"]
    assert names == sorted(everything(tmp_path))
    assert tmp_path / names[0] == _kept.hidden(tmp_path / "a.jsonl.gz")


def test_what_is_noted_is_on_the_disk_before(sink, tmp_path, monkeypatch):
    """
    A loss of power leaves a note of bytes that are there, and files get
    their names behind a note that they are complete.
    """
    calls = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor):
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        calls.append(f"sync {name}")
        fsync(descriptor)

    def watched_replace(path, target):
        calls.append(f"rename {Path(target).name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)

    JSONExporter().export(InMemoryReader(sink), tmp_path / "a", resume=True)

    folder = f"sync {tmp_path.name}"
    note = [f"sync {NOTE}.tmp", f"rename {NOTE}", folder]
    step = [f"sync {DATA}", *note]
    notes = calls.count(f"rename {NOTE}")
    assert notes > 5
    assert calls == [*step * notes, "rename a", folder, folder]

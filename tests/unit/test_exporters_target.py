"""
Where exports go: whole files or none, pipes, progress and reports.
"""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

from pathlib import Path

import attrs
import pytest

from auditlog import _progress
from auditlog.abc import Skipped
from auditlog.errors import ExportError
from auditlog.exporters import (
    CSVExporter,
    ExportReport,
    JSONExporter,
    JSONLinesReader,
    _target,
)
from auditlog.testing.reader_contract import sample_records


RECORDS = sample_records()
LINES = b"".join(record.body + b"\n" for record in RECORDS)


def failing(error, after=RECORDS * 40):
    yield from after
    raise error


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), OSError("x")]
)
def test_after_an_exception_the_target_is_as_before(tmp_path, old, error):
    """
    Whatever goes wrong while reading, nothing is left behind or changed, and
    the exception is the reader's own.
    """
    path = tmp_path / "a.jsonl"
    if old is not None:
        path.write_bytes(old)

    with pytest.raises(type(error)):
        JSONExporter().export(failing(error), path)

    assert ([] if old is None else [path]) == list(tmp_path.iterdir())
    assert old is None or old == path.read_bytes()


def test_target_appears_whole(tmp_path):
    """
    While an export runs the old file is there; the new bytes stand beside it.
    """
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"old")
    seen = []

    def watching():
        for record in RECORDS * 40:
            seen.append((path.read_bytes(), len(list(tmp_path.iterdir()))))
            yield record

    JSONExporter().export(watching(), path)

    assert {(b"old", 2)} == set(seen)
    assert path.read_bytes() == LINES * 40


def test_temporary_file_says_whose_it_is(tmp_path):
    """
    It is hidden and names the target and the process, whatever the length.
    """
    path = tmp_path / ("é" * 120)
    names = []

    def watching():
        names.extend(entry.name for entry in tmp_path.iterdir())
        yield RECORDS[0]

    JSONExporter().export(watching(), path)

    (name,) = names
    assert name.startswith(f".{'é' * 50}.{os.getpid()}.")
    assert name.endswith(".tmp")
    assert [path] == list(tmp_path.iterdir())


def test_file_is_synced_before_it_is_renamed(tmp_path, monkeypatch):
    """
    A crash of the machine leaves the old file or the whole new one.
    """
    calls = []
    fsync, replace = os.fsync, Path.replace

    def kind(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        return "sync folder" if is_folder else "sync file"

    def record_sync(descriptor):
        calls.append(kind(descriptor))
        fsync(descriptor)

    def record_replace(*args):
        calls.append("rename")
        return replace(*args)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_replace)

    JSONExporter().export(RECORDS, tmp_path / "a")

    assert calls == ["sync file", "rename", "sync folder"]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    """
    SIGKILL in the middle leaves the target as it was.
    """
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"old")
    code = (
        "import sys, time\n"
        "from auditlog.exporters import JSONExporter\n"
        "from auditlog.testing.reader_contract import sample_records\n"
        "def slow():\n"
        "    yield from sample_records() * 40\n"
        "    print('here', flush=True)\n"
        "    time.sleep(60)\n"
        "JSONExporter().export(slow(), sys.argv[1])\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE
    )

    with child:
        assert child.stdout.readline() == b"here\n"
        child.send_signal(signal.SIGKILL)

    assert path.read_bytes() == b"old"


def test_a_file_may_be_replaced_by_what_is_read_from_it(tmp_path):
    """
    The source is open until the end, so it may be the target.
    """
    path = tmp_path / "a.jsonl"
    JSONExporter().export(RECORDS * 100, path)

    JSONExporter(framing="lines").export(JSONLinesReader(path), path)

    assert path.read_bytes() == LINES * 100


def test_overwriting_can_be_forbidden(tmp_path):
    """
    A file that is there, or comes meanwhile, is kept.
    """
    path = tmp_path / "a.jsonl"

    def meanwhile():
        yield from RECORDS
        path.write_bytes(b"other")

    with pytest.raises(ExportError, match="it exists; pass overwrite=True"):
        JSONExporter().export(meanwhile(), path, overwrite=False)
    with pytest.raises(ExportError, match="it exists; pass overwrite=True"):
        JSONExporter().export(failing(ValueError()), path, overwrite=False)

    assert path.read_bytes() == b"other"
    assert [path] == list(tmp_path.iterdir())
    JSONExporter().export(RECORDS, tmp_path / "b", overwrite=False)
    assert (tmp_path / "b").read_bytes() == LINES
    assert (tmp_path / "b").stat().st_nlink == 1


def test_permissions_of_a_file_that_is_replaced_stay(tmp_path):
    """
    Who was not allowed to read the old file can't read the new one.
    """
    path = tmp_path / "a"
    path.touch(0o600)
    path.chmod(0o600)

    JSONExporter().export(RECORDS, path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path):
    """
    What a link leads to is replaced, not the link.
    """
    (tmp_path / "folder").mkdir()
    path, link = tmp_path / "folder" / "a", tmp_path / "link"
    link.symlink_to(path)

    for _ in range(2):
        JSONExporter().export(RECORDS, link)

    assert link.is_symlink()
    assert path.read_bytes() == LINES
    assert [path] == list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none/a.jsonl", "No such file or directory"),
        ("", "it is a directory"),
        ("a\0b", "null"),
        ("x" * 300, "File name too long"),
        ("file/a", "Not a directory"),
    ],
)
def test_targets_that_cannot_be_written_are_told(tmp_path, name, reason):
    """
    The error names the path and the reason, and nothing was read.
    """
    (tmp_path / "file").touch()

    with pytest.raises(ExportError, match=f"can't write .*{reason}"):
        JSONExporter().export(failing(ValueError(), ()), f"{tmp_path}/{name}")


def test_a_full_disk_is_told():
    """
    What the disk doesn't take is an error that says so.
    """
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")

    with pytest.raises(ExportError, match="/dev/full: No space left"):
        JSONExporter().export(RECORDS, "/dev/full")


def test_other_things_are_no_targets(tmp_path, monkeypatch):
    """
    What can't be a target is refused, and no odd file comes into being.
    """
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ExportError, match="can't export to a int; give"):
        JSONExporter().export(RECORDS, 1)
    with pytest.raises(ExportError, match="can't export to a bytes; give"):
        JSONExporter().export(RECORDS, b"a.jsonl")

    assert list(tmp_path.iterdir()) == []


def test_devices_and_pipes_are_written_to(tmp_path):
    """
    A pipe gets the bytes and stays a pipe.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    JSONExporter().export(RECORDS * 400, pipe)
    reader.join(10)

    assert read == [LINES * 400]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert JSONExporter().export(RECORDS, os.devnull).rows == 12
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_file_objects_are_left_open(tmp_path):
    """
    A binary file object gets the bytes where it stands, and is not closed.
    """
    with (tmp_path / "a").open("wb") as file:
        file.write(b"before\n")
        report = JSONExporter().export(RECORDS, file)
        assert not file.closed

    assert (tmp_path / "a").read_bytes() == b"before\n" + LINES
    assert str(tmp_path / "a") == report.target
    assert len(LINES) == report.bytes


class Slow(io.RawIOBase):
    """
    Takes a few bytes at a time, as sockets do.
    """

    def __init__(self):
        self.taken = b""

    def writable(self):
        return True

    def write(self, data, /):
        self.taken += bytes(data[:1000])
        return len(data[:1000])


def test_files_that_take_little_get_all():
    """
    A short write is gone on with.
    """
    target = Slow()

    JSONExporter().export(RECORDS, target)

    assert target.taken == LINES


@pytest.mark.parametrize("mode", ["string", "file", "temporary"])
def test_text_files_are_refused_by_name(tmp_path, mode):
    """
    A file in text mode is told so, before anything is read.
    """
    target = {
        "string": io.StringIO,
        "file": (tmp_path / "a.csv").open,
        "temporary": tempfile.NamedTemporaryFile,
    }[mode](**{} if mode == "string" else {"mode": "w"})
    named = "StringIO" if mode == "string" else str(tmp_path)[:5]

    with (
        target,
        pytest.raises(ExportError, match=f"'{named}.* not bytes; open it"),
    ):
        CSVExporter().export(failing(ValueError(), ()), target)


def run(code):
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from auditlog.exporters import *\n"
            "from auditlog.testing.reader_contract import sample_records\n"
            "from itertools import repeat\n"
            "record = sample_records()[0]\n" + code,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=buffered,
    )


def test_standard_output_comes_in_order():
    """
    ``"-"`` writes behind what was printed before, and before what comes.
    """
    child = run(
        "print('before')\n"
        "JSONExporter().export([record] * 3, '-')\n"
        "print('after')\n"
    )

    output, errors = child.communicate()

    lines = output.splitlines()
    assert (lines[0], lines[-1], errors) == (b"before", b"after", b"")
    assert output.count(b'"specversion"') == 3


@pytest.mark.parametrize("events", ["repeat(record)", "[record]"])
def test_a_reader_of_standard_output_may_leave(events):
    """
    As with ``| head``: the export ends without an error, now and at the exit
    of the interpreter, and its report says so.
    """
    child = run(
        "import select, sys\n"
        "closed = select.poll()\n"
        "closed.register(sys.stdout, 0)\n"
        "closed.poll()\n"
        f"report = CSVExporter().export({events}, '-')\n"
        "print(report.warnings, file=sys.stderr)\n"
    )

    child.stdout.close()
    errors = child.stderr.read()
    child.stderr.close()

    assert 0 == child.wait(30)
    assert b"('standard output was closed early',)\n" == errors


def test_a_reader_may_leave_in_the_middle():
    """
    What was read before it left is whole.
    """
    child = run("JSONExporter().export(repeat(record), '-')\n")

    line = child.stdout.readline()
    child.stdout.close()
    errors = child.stderr.read()
    child.stderr.close()

    assert 0 == child.wait(30)
    assert b"" == errors
    assert line.endswith(b"}\n")


def test_standard_output_without_bytes_is_refused(monkeypatch):
    """
    A notebook's standard output takes text only.
    """
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    with pytest.raises(ExportError, match=r"print\(exporter.dumps\(events\)"):
        JSONExporter().export(RECORDS, "-")


def test_a_broken_pipe_of_the_reader_is_an_error(tmp_path, capsys):
    """
    Only standard output may go away quietly.
    """
    with pytest.raises(BrokenPipeError):
        JSONExporter().export(failing(BrokenPipeError()), "-")


@pytest.mark.parametrize(
    ("exporter", "count"),
    [("JSONExporter()", 20_000), ("CSVExporter()", 3_000)],
)
def test_memory_is_flat(exporter, count):
    """
    Ten times the events take no more memory.
    """
    child = run(
        "import resource\n"
        "def peak(count):\n"
        "    records = (type(record)(event_id=record.event_id,\n"
        "               body=bytes(bytearray(record.body)))\n"
        "               for _ in range(count))\n"
        f"    report = {exporter}.export(records, '/dev/null')\n"
        "    assert report.rows == count\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"print(peak({count}), peak({10 * count}))\n"
    )

    output, errors = child.communicate()

    few, many = map(int, output.split())
    assert b"" == errors
    assert (many - few) * 1024 < 2_000_000


class Watcher:
    def __init__(self):
        self.told = []

    def __call__(self, *progress):
        self.told.append(progress)


def test_progress_is_told(monkeypatch):
    """
    A callable hears what is done, the total where it is known, and the end.
    """
    monkeypatch.setattr(_progress, "TOLD_EVERY", 0.0)
    of_list, of_iterator = Watcher(), Watcher()
    many = RECORDS * 40

    JSONExporter().export(many, os.devnull, progress=of_list)
    JSONExporter().export(iter(many), os.devnull, progress=of_iterator)

    done = [done for done, *_ in of_list.told]
    assert of_list.told[-1] == (480, 480, "events")
    assert sorted(done) == done
    assert done[0] == 128
    assert of_iterator.told[-1] == (480, None, "events")


def test_progress_is_not_told_too_often():
    """
    Hearing of each batch would cost more than the export.
    """
    watcher = Watcher()

    JSONExporter().export(RECORDS * 1000, os.devnull, progress=watcher)

    assert len(watcher.told) < 30


def test_progress_can_end_the_export(tmp_path):
    """
    An exception of the callable leaves the target as it was.
    """

    def cancel(*_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        JSONExporter().export(RECORDS, tmp_path / "a", progress=cancel)

    assert list(tmp_path.iterdir()) == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("tqdm", [True, False])
def test_progress_is_shown_on_a_terminal_after_a_while(monkeypatch, tqdm):
    """
    A quick export shows nothing, a longer one a line, with tqdm or without.
    """
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())

    JSONExporter().export(RECORDS * 40, os.devnull)
    assert terminal.getvalue() == ""

    monkeypatch.setattr(_progress, "SHOWN_AFTER", 1e-9)
    JSONExporter().export(RECORDS * 40, os.devnull)

    assert "480" in terminal.getvalue()
    assert "events" in terminal.getvalue()
    assert tqdm == ("events/s" in terminal.getvalue())


def test_progress_is_never_shown_in_pipes(monkeypatch):
    """
    Where nobody watches, standard error stays empty; unless asked for.
    """
    monkeypatch.setattr(_progress, "SHOWN_AFTER", 1e-9)
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())

    JSONExporter().export(RECORDS * 40, os.devnull)
    JSONExporter().export(RECORDS * 40, os.devnull, progress=False)
    assert pipe.getvalue() == ""

    JSONExporter().export(RECORDS * 40, os.devnull, progress=True)
    assert "480" in pipe.getvalue()


def test_tqdm_loads_only_to_be_shown():
    """
    Neither importing nor exporting loads it.
    """
    child = run(
        "import sys\n"
        "JSONExporter().export([record], '/dev/null')\n"
        "print([m for m in ('tqdm', 'psycopg', 'kafka', 'yaml', 'click',\n"
        "       'rich', 'csv', 'pandas') if m in sys.modules])\n"
    )

    output, errors = child.communicate()

    assert (output, errors) == (b"[]\n", b"")


def test_report_is_one_line_and_one_table():
    """
    A notebook shows what was written; nothing in it is taken for markup.
    """
    skipped = Skipped(place="<b>", reason="<script>")
    target = io.BytesIO()
    target.name = "<i>"

    report = JSONExporter().export([*RECORDS, skipped], target)

    assert repr(report).startswith(
        f"<ExportReport '<i>' rows=12 bytes={len(LINES)} skipped=1 warnings=0"
    )
    assert "\n" not in repr(report)
    page = report._repr_html_()
    assert "<td>&lt;i&gt;</td>" in page
    assert "<th>skipped: &lt;script&gt;</th><td>1</td>" in page
    assert report.sha256 in page
    assert "<script>" not in page
    assert "<i>" not in page


def test_report_cannot_be_changed():
    """
    What was written is a fact.
    """
    report = JSONExporter().export(RECORDS, io.BytesIO())

    assert isinstance(report, ExportReport)
    assert 0 <= report.elapsed < 60
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        report.rows = 1


def test_exporters_can_be_shared(tmp_path):
    """
    Several threads export with one object, to one target: the last one wins,
    whole.
    """
    exporter = JSONExporter()
    path = tmp_path / "a"
    threads = [
        threading.Thread(target=exporter.export, args=(RECORDS * 50, path))
        for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert path.read_bytes() == LINES * 50
    assert [path] == list(tmp_path.iterdir())


def test_folders_that_cannot_be_synced_do_no_harm(tmp_path, monkeypatch):
    """
    The file is in its place; some file systems sync no folders.
    """

    def refuse(*_):
        raise OSError("not here")

    monkeypatch.setattr(_target.os, "open", refuse)

    JSONExporter().export(RECORDS, tmp_path / "a")

    assert (tmp_path / "a").read_bytes() == LINES


def test_elapsed_time_is_that_of_the_export(monkeypatch):
    """
    A report says how long it took, in seconds.
    """

    def slow():
        time.sleep(0.05)
        yield RECORDS[0]

    assert 0.05 <= JSONExporter().export(slow(), io.BytesIO()).elapsed < 30

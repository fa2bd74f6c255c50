"""
The spool as a sink and a journal, beyond what the contract holds.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import subprocess
import sys
import threading

from datetime import UTC, datetime
from uuid import UUID

import attrs
import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import (
    ConfigError,
    JournalError,
    LeaseLostError,
    PartialWriteError,
    SinkError,
    SinkSetupError,
    SinkUnavailableError,
)
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from auditlog.spool import SpoolSink, files, log, positions
from auditlog.testing.contracts import make_conflict
from tests.spool_tools import all_of, bodies, make_records, segments


AT = datetime(2026, 5, 4, 9, 12, 1, tzinfo=UTC)
SMALL = {"max_bytes": 128 * 1024, "segment_bytes": 16 * 1024}


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**options):
        sink = SpoolSink(tmp_path / "spool", **options)
        made.append(sink)
        return sink

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def sink(make):
    return make()


def fill(sink):
    """
    Write until there is no room; what was stored.
    """
    stored, count = [], 10
    while count == 10:
        batch = make_records(10)
        count = stored_of(sink, batch)
        stored += batch[:count]
    with pytest.raises(
        SinkUnavailableError,
        match=r"is full \(\d+ of 131072 bytes\); it goes on once relays have "
        "delivered, or raise 'max_bytes'$",
    ):
        sink.write(make_records(1))
    return stored


def stored_of(sink, batch):
    """
    How many of *batch* were stored: the first ones.
    """
    try:
        sink.write(batch)
    except PartialWriteError as exc:
        ids_stored = [*exc.stored]
    except SinkUnavailableError:
        ids_stored = []
    else:
        return len(batch)
    expected = [record.event_id for record in batch[: len(ids_stored)]]
    return len(ids_stored) if expected == ids_stored else None


class TestWriting:
    def test_constructor_touches_nothing(self, make, tmp_path):
        """
        The folder is made by the first call.
        """
        sink = make()
        assert not (tmp_path / "spool").exists()

        sink.size()

        assert (tmp_path / "spool").is_dir()

    @pytest.mark.parametrize(
        ("options", "mistake"),
        [
            ({"max_bytes": 1000}, "'max_bytes' must be at least 131072"),
            ({"segment_bytes": 0}, "'segment_bytes' must be at least 4096"),
            ({"name": "a/b"}, "'name' must be letters"),
            ({"name": ".."}, "'name' must be letters"),
            ({"name": "12-0123abcd"}, "'name' must be letters"),
        ],
    )
    def test_wrong_options_are_refused(self, tmp_path, options, mistake):
        """
        At once, and before anything is made.
        """
        with pytest.raises(ConfigError, match=mistake):
            SpoolSink(tmp_path, **options)

    @pytest.mark.parametrize("path", ["", "a\0b"])
    def test_wrong_path_is_refused(self, path):
        """
        What can be no path is a mistake in the config.
        """
        with pytest.raises(ConfigError, match="'path'"):
            SpoolSink(path)

    def test_only_this_user_can_read(self, make):
        """
        Files are 0600, folders 0700, whatever the umask says.
        """
        old = os.umask(0)
        try:
            sink = make(segment_bytes=4096)
            for _ in range(3):
                sink.write(make_records(20))
            lease = sink.lease("topic")
            (first, *_) = sink.read(0, 1)
            lease.advance(1, [DeadLetter(record=first, reason="no")])
            found = [*sink.folder.parent.rglob("*"), sink.folder.parent]
        finally:
            os.umask(old)

        modes = {p.is_dir(): set() for p in found}
        for path in found:
            modes[path.is_dir()].add(stat.S_IMODE(path.stat().st_mode))
        assert {True: {0o700}, False: {0o600}} == modes

    def test_one_sync_between_the_last_write_and_the_return(
        self, sink, monkeypatch
    ):
        """
        A batch costs one sync, and no byte is written behind it.
        """
        sink.write(make_records(1))
        calls = []
        for name in ("pwrite", "fdatasync", "ftruncate"):
            real = getattr(os, name)

            def call(*args, name=name, real=real):
                calls.append(name)
                return real(*args)

            monkeypatch.setattr(os, name, call)

        sink.write(make_records(500))

        assert ["pwrite", "fdatasync"] == calls

    def test_new_file_has_a_durable_name(self, make, monkeypatch):
        """
        The folder is synced after the file got its name and before the first
        event in it is acknowledged.
        """
        sink = make(segment_bytes=4096)
        sink.write(make_records(30))
        calls = []
        real_fsync, real_rename = os.fsync, os.rename

        def fsync(fd):
            kind = os.fstat(fd).st_mode
            calls.append("folder" if stat.S_ISDIR(kind) else "file")
            real_fsync(fd)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(
            os, "rename", lambda *a: [calls.append("name"), real_rename(*a)]
        )
        sink.write(make_records(1))

        assert ["file", "name", "folder"] == calls
        assert 2 == len(segments(sink))

    def test_short_writes_are_finished(self, sink, monkeypatch):
        """
        A system that takes seven bytes at a time gets them all.
        """
        real = os.pwrite
        monkeypatch.setattr(
            os, "pwrite", lambda fd, data, at: real(fd, data[:7], at)
        )
        records = make_records(3)

        sink.write(records)

        assert bodies(records) == bodies(all_of(sink))

    def test_known_events_are_found_in_old_files(self, make):
        """
        Across files and after a new start, an event is stored once and
        another with its id is refused alone.
        """
        sink = make(segment_bytes=4096)
        records = make_records(100)
        for start in range(0, 100, 10):
            sink.write(records[start : start + 10])
        sink.close()

        for _ in range(2):
            again = make(segment_bytes=4096)
            again.write(records[::-1])
            for record in records[::7]:
                with pytest.raises(PartialWriteError) as caught:
                    again.write([make_conflict(record)])
                assert [record.event_id] == list(caught.value.failed)
            assert bodies(records) == bodies(all_of(again))
            again.close()

    def test_order_of_ids_does_not_matter(self, make):
        """
        Ids that don't grow, as those of another maker, are found as well.
        """
        sink = make(segment_bytes=4096)
        records = [
            attrs.evolve(each, event_id=UUID(int=(7919 * n) % 997 << 64))
            for n, each in enumerate(make_records(90), 1)
        ]
        for start in range(0, 90, 10):
            sink.write(records[start : start + 10])

        sink.write(records)

        assert bodies(records) == bodies(all_of(sink))


class TestRoom:
    def test_warns_at_half_and_at_four_fifths(self, make, caplog):
        """
        Once for each step, with who is behind; full is an error that the
        publisher tells.
        """
        sink = make(**SMALL)
        sink.lease("topic")

        stored = fill(sink)

        assert 2 == len(caplog.messages)
        for step, line in zip((5, 8), caplog.messages, strict=True):
            assert re.search(
                rf" is {step}\d % full \(\d+ of 131072 bytes\); "
                "relay 'topic' is at 0; what all relays have delivered is "
                "deleted$",
                line,
            )
        assert sink.stored_bytes <= SMALL["max_bytes"]
        assert bodies(stored) == bodies(all_of(sink))

    def test_goes_on_once_relays_have_delivered(self, make, caplog):
        """
        Again and again, and each time it warns again.
        """
        sink = make(**SMALL)
        lease = sink.lease("topic")
        for _ in range(3):
            caplog.clear()
            stored = fill(sink)
            assert stored
            assert caplog.records
            lease.advance(sink.size())

        sink.write(late := make_records(5))

        assert bodies(late) == bodies(sink.read(lease.position, 99))

    def test_nothing_is_deleted_without_a_relay(self, make):
        """
        A spool alone keeps everything, also over a new start.
        """
        sink = make(segment_bytes=4096)
        records = make_records(60)
        for start in range(0, 60, 10):
            sink.write(records[start : start + 10])
        sink.close()

        assert bodies(records) == bodies(all_of(make(segment_bytes=4096)))

    def test_files_go_once_all_relays_have_passed(self, make):
        """
        The slower of two relays keeps them, until it is forgotten.
        """
        sink = make(segment_bytes=4096)
        slow, fast = sink.lease("slow"), sink.lease("fast")
        for _ in range(8):
            sink.write(make_records(10))
        count = len(segments(sink))

        fast.advance(80)
        assert count == len(segments(sink))
        slow.advance(40)
        assert 1 < len(segments(sink)) < count
        assert 41 == sink.read(40, 1)[0].index
        sink.forget("slow")

        assert 1 == len(segments(sink))
        assert 80 == sink.size()
        with pytest.raises(LeaseLostError):
            slow.advance(41)

    def test_index_goes_on_after_everything_was_delivered(self, make):
        """
        No index is given twice over new starts, so no relay skips an event.
        """
        for n in range(4):
            sink = make(segment_bytes=4096)
            assert n * 40 == sink.size()
            sink.write(make_records(40))
            lease = sink.lease("topic")
            assert n * 40 == lease.position
            found = sink.read(lease.position, 100)
            assert [*range(n * 40 + 1, n * 40 + 41)] == [
                r.index for r in found
            ]
            lease.advance(found[-1].index)
            sink.close()

    @pytest.mark.parametrize("number", sorted(files.FULL))
    def test_full_disk_tears_nothing(self, sink, monkeypatch, number):
        """
        Half of a batch is taken back; it goes on when there is room.
        """
        sink.write(first := make_records(3))
        size = segments(sink)[0].stat().st_size
        batch = make_records(3)
        real = os.pwrite

        def pwrite(fd, data, at):
            if len(data) < 100:
                raise OSError(number, os.strerror(number))
            return real(fd, data[: len(data) - 50], at)

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", pwrite)
            with pytest.raises(SinkUnavailableError, match="disk is full"):
                sink.write(batch)
        assert size == segments(sink)[0].stat().st_size

        sink.write(batch)

        assert bodies(first + batch) == bodies(all_of(sink))


class TestFailures:
    @pytest.mark.parametrize("truncates", [True, False])
    def test_failed_sync_acknowledges_nothing(
        self, make, monkeypatch, truncates
    ):
        """
        The batch goes to a new file when it comes again, and what a new
        process finds of the old one counts for nothing.
        """
        sink = make()
        sink.write(first := make_records(3))
        batch = make_records(3)
        synced = []
        real = os.fdatasync

        def fail(fd, *_):
            raise OSError(errno.EIO, "broken")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            if not truncates:
                patch.setattr(os, "ftruncate", fail)
            with pytest.raises(SinkUnavailableError, match="EIO"):
                sink.write(batch)
        assert bodies(first) == bodies(all_of(sink))
        assert 3 == sink.size()
        monkeypatch.setattr(
            os, "fdatasync", lambda fd: [synced.append(fd), real(fd)]
        )
        sink.write(batch)

        assert synced
        assert 2 == len(segments(sink))
        for again in (sink, make()):
            found = all_of(again)
            assert bodies(first + batch) == bodies(found)
            assert [*range(1, 7)] == [r.index for r in found]
            assert 0 == again.lost
            sink.close()

    def test_failed_sync_of_the_first_batch(self, sink, monkeypatch):
        """
        A file in which nothing was acknowledged gives way to a new one.
        """
        batch = make_records(3)

        def fail(fd):
            raise OSError(errno.EIO, "broken")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            with pytest.raises(SinkUnavailableError, match="EIO"):
                sink.write(batch)
        sink.write(batch)

        assert bodies(batch) == bodies(all_of(sink))

    def test_new_process_writes_again_what_was_not_synced(
        self, make, monkeypatch
    ):
        """
        Frames that may be in memory only are made durable before they count.
        """
        sink = make()
        sink.write(records := make_records(3))
        (path,) = segments(sink)
        sink.close()
        calls = []
        real_write, real_sync = os.pwrite, os.fdatasync

        def same(fd):
            return os.path.samestat(os.fstat(fd), path.stat())

        def pwrite(fd, data, at):
            if same(fd):
                calls.append((at, len(data)))
            return real_write(fd, data, at)

        monkeypatch.setattr(os, "pwrite", pwrite)
        monkeypatch.setattr(
            os,
            "fdatasync",
            lambda fd: [
                calls.append("sync") if same(fd) else 0,
                real_sync(fd),
            ],
        )
        again = make()
        assert bodies(records) == bodies(all_of(again))

        size = path.stat().st_size
        assert [(24, size - 24), "sync"] == calls

    def test_unreadable_disk_is_a_typed_error(self, sink, monkeypatch):
        """
        EIO on reading is told, and passes if it passes.
        """
        sink.write(records := make_records(3))

        def fail(*_):
            raise OSError(errno.EIO, "broken")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pread", fail)
            with pytest.raises(SinkUnavailableError, match=r"can't read.*EIO"):
                sink.read(0, 9)

        assert bodies(records) == bodies(sink.read(0, 9))

    @pytest.mark.parametrize("number", sorted(errno.errorcode))
    def test_each_system_error_is_ours(self, tmp_path, number):
        """
        None is forgotten, and the cause is kept.
        """
        with (
            pytest.raises(SinkError, match="store events in") as caught,
            files.told("store events in", tmp_path),
        ):
            raise OSError(number, "so it is")

        assert number == caught.value.__cause__.errno
        assert isinstance(caught.value, (SinkSetupError, SinkUnavailableError))

    def test_no_folder_is_said(self, tmp_path):
        """
        A file, a name that is too long, a folder that can't be.
        """
        (tmp_path / "file").write_text("x")
        wrong = ["file", "file/below", "x" * 300]
        for name in wrong:
            sink = SpoolSink(tmp_path / name)
            with pytest.raises(SinkSetupError, match="must be a folder"):
                sink.write(make_records(1))

    def test_deleted_folder_is_said_and_made_anew(self, make):
        """
        No event is acknowledged that has no file.
        """
        sink = make()
        sink.write(make_records(3))
        shutil.rmtree(sink.folder.parent)
        batch = make_records(3)

        with pytest.raises(SinkSetupError, match="was deleted while it was"):
            sink.write(batch)
        sink.write(batch)

        assert bodies(batch) == bodies(all_of(sink))
        sink.close()
        assert bodies(batch) == bodies(all_of(sink))

    def test_too_many_relays_are_refused(self, sink):
        """
        The file of positions has its size for ever.
        """
        long = "x" * 5000
        for n in range(3):
            sink.lease(f"{n}-{long}")

        with pytest.raises(JournalError, match=r"too many.*forget"):
            sink.lease(f"3-{long}")

        sink.forget(f"0-{long}")
        assert sink.lease(f"3-{long}")


class TestDelivery:
    def test_dead_letters_survive(self, make):
        """
        With their relay, reason and bytes, over a new start.
        """
        sink = make()
        sink.write(make_records(3))
        lease = sink.lease("topic")
        first, second, _ = sink.read(0, 3)
        letters = [
            DeadLetter(record=first, reason="too\nlarge", attempts=2, at=AT),
            DeadLetter(record=second, reason="so", at=AT),
        ]
        lease.advance(1, letters[:1])
        lease.advance(2, letters[1:])
        sink.close()

        again = make()

        assert letters == again.dead_letters("topic")
        assert [] == again.dead_letters("other")
        assert 2 == again.position("topic")

    def test_letter_without_its_position_does_not_count(
        self, make, monkeypatch
    ):
        """
        Both are kept or neither, so that there is one letter for an event.
        """
        sink = make()
        sink.write(make_records(3))
        lease = sink.lease("topic")
        letter = DeadLetter(record=sink.read(0, 1)[0], reason="no", at=AT)

        def fail(*_):
            raise OSError(errno.EIO, "broken")

        with monkeypatch.context() as patch:
            patch.setattr(positions.Positions, "_write", fail)
            with pytest.raises(SinkUnavailableError):
                lease.advance(1, [letter])
        assert 0 == sink.position("topic")
        assert [] == sink.dead_letters("topic")
        lease.advance(1, [letter])
        sink.close()

        assert [letter] == make().dead_letters("topic")

    def test_file_that_cannot_be_deleted_repeats_nothing(
        self, make, monkeypatch
    ):
        """
        The position and its letter are kept once; the file goes later.
        """
        sink = make(segment_bytes=4096)
        for _ in range(6):
            sink.write(make_records(10))
        lease = sink.lease("topic")
        letter = DeadLetter(record=sink.read(0, 1)[0], reason="no", at=AT)
        count = len(segments(sink))

        def fail(*_, **__):
            raise OSError(errno.EIO, "broken")

        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", fail)
            lease.advance(50, [letter])
        assert count == len(segments(sink))
        lease.advance(60)

        assert [letter] == sink.dead_letters("topic")
        assert 1 == len(segments(sink))

    def test_closed_spool_voids_its_leases(self, sink):
        """
        Who holds one can't move what another process may have now.
        """
        sink.write(make_records(3))
        lease = sink.lease("topic")
        sink.close()

        with pytest.raises(LeaseLostError):
            lease.advance(3)
        assert 0 == sink.position("topic")

    def test_relay_gets_everything_without_indexes(self, sink):
        """
        In order, with the same bytes; an index counts in one folder only.
        """
        target = InMemorySink()
        seen = []
        target_write = target.write
        target.write = lambda records: [
            seen.extend(records),
            target_write(records),
        ]
        records = make_records(50)
        with AuditLogPublisher(sink, relays={"copy": target}) as publisher:
            for record in records:
                publisher.publish(record.event)
            publisher.wait_delivered(30)

        assert bodies(records) == bodies(target.records)
        assert {None} == {r.index for r in seen}

    def test_pages_are_bounded_in_bytes(self, sink, monkeypatch):
        """
        A reader that asks for more gets less, and the rest next.
        """
        monkeypatch.setattr(log, "PAGE", 2000)
        sink.write(records := make_records(50))

        assert 1 <= len(sink.read(0, 50)) < 10
        assert bodies(records) == bodies(all_of(sink))


class TestClosing:
    def test_write_under_way_ends_before_others_have_the_folder(
        self, make, monkeypatch
    ):
        """
        A batch is acknowledged in a folder that is still this process's.
        """
        sink = make(name="one")
        sink.write(records := make_records(2))
        reached, go_on, order = threading.Event(), threading.Event(), []
        real = os.fdatasync

        def slow(fd):
            reached.set()
            go_on.wait(30)
            order.append("synced")
            real(fd)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", slow)
            late = make_records(2)
            writer = threading.Thread(target=sink.write, args=(late,))
            writer.start()
            assert reached.wait(30)
            closer = threading.Thread(
                target=lambda: [sink.close(), order.append("closed")]
            )
            closer.start()
            with pytest.raises(SinkSetupError, match="in use"):
                make(name="one").size()
            go_on.set()
            writer.join()
            closer.join()

        assert ["synced", "closed"] == order
        assert bodies(records + late) == bodies(all_of(make(name="one")))

    def test_disk_that_hangs_keeps_the_folder(self, make, monkeypatch):
        """
        Closing ends in bounded time, and nobody else gets what may still be
        written to.
        """
        monkeypatch.setattr("auditlog.spool.spool.PATIENCE", 0.05)
        sink = make(name="one")
        sink.write(make_records(1))
        reached, go_on = threading.Event(), threading.Event()
        real = os.fdatasync

        def slow(fd):
            reached.set()
            go_on.wait(30)
            real(fd)

        monkeypatch.setattr(os, "fdatasync", slow)
        writer = threading.Thread(target=sink.write, args=(make_records(1),))
        writer.start()
        assert reached.wait(30)
        spool = sink._spool
        sink.close()

        with pytest.raises(SinkSetupError, match="in use"):
            make(name="one").size()
        go_on.set()
        writer.join()
        spool.close()
        assert 2 == make(name="one").size()

    def test_closed_spool_is_not_written_to(self, sink):
        """
        Who still holds it gets an error, and not another's folder.
        """
        sink.write(make_records(1))
        lease = sink.lease("late")
        spool = sink._spool
        before = segments(sink)
        sink.close()

        said = (
            f"spool {str(spool.folder)!r} was closed meanwhile; the next call "
            "opens it again"
        )
        with pytest.raises(SinkUnavailableError, match=re.escape(said)):
            spool.log.append(make_records(1))
        with pytest.raises(LeaseLostError, match="closed"):
            spool.deliveries.lease("topic", 1.0)
        with pytest.raises(
            LeaseLostError,
            match="^another holder has the lease of relay 'late', or the "
            r"spool was closed$",
        ):
            lease.renew()

        assert before == segments(sink)


@pytest.mark.parametrize(
    ("call", "args", "doing"),
    [
        ("write", [make_records(1)], "store events in"),
        ("read", [0, 9], "read"),
        ("size", [], "read"),
        ("position", ["x"], "read a position in"),
        ("lease", ["x"], "keep a position in"),
        ("forget", ["x"], "keep a position in"),
        ("status", [], "look into"),
        ("dead_letters", ["x"], "read dead letters in"),
        ("redriven", ["x", 1], "keep a dead letter in"),
        ("refused_again", ["x", 1, "no"], "keep a dead letter in"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_error_says_what_could_not_be_done(tmp_path, call, args, doing):
    """
    And in which spool; here a file is in the place of its folder.
    """
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(SinkSetupError) as caught:
        getattr(SpoolSink(path), call)(*args)

    assert str(caught.value) == (
        f"can't {doing} spool {str(path)!r}: EEXIST, File exists; it must be "
        "a folder on a local disk that this user can write to"
    )


HOLD = """
import os, sys
from auditlog.spool import SpoolSink
from tests.spool_tools import make_records
sink = SpoolSink(sys.argv[1], name=sys.argv[2] or None)
records = make_records(3)
sink.write(records)
print(*[r.event_id for r in records], flush=True)
sys.stdin.read()
"""


def start(path, name=""):
    """
    A process that has stored three events and holds its folder.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return process, process.stdout.readline().split()


def kill(process):
    process.kill()
    process.communicate()


def ids(records):
    return [str(record.event_id) for record in records]


class TestProcesses:
    def test_each_process_has_a_folder(self, make, tmp_path):
        """
        Several write below one path at the same time.
        """
        others = [start(tmp_path / "spool") for _ in range(2)]
        try:
            sink = make()
            sink.write(records := make_records(3))
            assert bodies(records) == bodies(all_of(sink))
            assert 3 == len([*(tmp_path / "spool").iterdir()])
        finally:
            for process, _ in others:
                kill(process)

    def test_named_folder_has_one_process(self, make, tmp_path):
        """
        The second is told which process has it, and nothing is touched.
        """
        process, _ = start(tmp_path / "spool", "one")
        sink = make(name="one")
        try:
            with pytest.raises(
                SinkSetupError, match=f"in use by process {process.pid}; "
            ):
                sink.write(make_records(1))
        finally:
            kill(process)

        assert 3 == sink.size()

    def test_holder_that_does_not_tell_its_number(self, make):
        """
        Its folder is in use all the same.
        """
        sink = make(name="one")
        os.truncate(sink.folder / "lock", 0)

        with pytest.raises(SinkSetupError, match="by process unknown; leave"):
            make(name="one").size()

    def test_next_process_goes_on(self, make, tmp_path):
        """
        A new start takes over the folder, with its order and positions.
        """
        process, first = start(tmp_path / "spool")
        kill(process)
        sink = make()
        sink.write(make_records(2))

        assert first == ids(all_of(sink))[:3]
        assert [1, 2, 3, 4, 5] == [r.index for r in all_of(sink)]
        assert 1 == len([*(tmp_path / "spool").iterdir()])

    def test_living_process_takes_over(self, make, tmp_path, monkeypatch):
        """
        What dead processes left is delivered once, in the order of each, and
        their folders go.
        """
        monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
        sink = make()
        sink.write(own := make_records(3))
        left = [start(tmp_path / "spool") for _ in range(2)]
        assert ids(own) == ids(all_of(sink))
        for process, _ in left:
            kill(process)

        found = ids(all_of(sink))

        assert ids(own) == found[:3]
        assert sorted([left[0][1], left[1][1]]) == sorted(
            [found[3:6], found[6:]]
        )
        assert [sink.folder] == [*(tmp_path / "spool").iterdir()]
        sink.close()
        assert found == ids(all_of(sink))

    def test_takeover_that_was_cut_short_repeats_nothing(
        self, make, tmp_path, monkeypatch
    ):
        """
        Events that were moved, from a folder that was not removed yet, are
        not stored again.
        """
        monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
        sink = make()
        sink.write(own := make_records(1))
        process, first = start(tmp_path / "spool")
        kill(process)
        with monkeypatch.context() as patch:
            patch.setattr(
                "auditlog.spool.adoption._remove",
                lambda folder: (_ for _ in ()).throw(OSError(5, "cut")),
            )
            assert ids(own) + first == ids(all_of(sink))

        assert ids(own) + first == ids(all_of(sink))
        assert [sink.folder] == [*(tmp_path / "spool").iterdir()]

    def test_takeover_keeps_what_is_dead_and_passed(
        self, make, tmp_path, monkeypatch
    ):
        """
        Events that all relays had passed don't come again, dead letters are
        kept, and times are those of storing.
        """
        monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
        other = make()
        other.write(records := make_records(4))
        lease = other.lease("topic")
        before = other.read(0, 9)
        letter = DeadLetter(record=before[0], reason="no", at=AT)
        lease.advance(2, [letter])
        sink = make()
        sink.lease("topic")
        assert sink.folder != other.folder
        other.close()

        found = all_of(sink)

        assert bodies(records[2:]) == bodies(found)
        assert [r.recorded_at for r in before[2:]] == [
            r.recorded_at for r in found
        ]
        (kept,) = sink.dead_letters("topic")
        assert kept.record.index > 10**15
        assert letter == attrs.evolve(kept, record=before[0])
        assert before[0].body == kept.record.body

    def test_takeover_that_was_cut_short_buries_nothing_twice(
        self, make, monkeypatch
    ):
        """
        Dead letters of a folder that was not removed yet are kept once.
        """
        monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
        other = make()
        other.write(make_records(2))
        letter = DeadLetter(record=other.read(0, 1)[0], reason="no")
        other.lease("topic").advance(1, [letter])
        sink = make()
        sink.lease("topic")
        other.close()
        with monkeypatch.context() as patch:
            patch.setattr("auditlog.spool.adoption._remove", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                all_of(sink)

        all_of(sink)

        (kept,) = sink.dead_letters("topic")
        assert letter.record.event_id == kept.record.event_id
        assert 1 == kept.attempts
        assert [sink.folder] == [*sink.folder.parent.iterdir()]

    def test_takeover_keeps_an_event_whose_id_is_taken(
        self, make, monkeypatch, caplog
    ):
        """
        It is set aside with its bytes and counted as lost, and what came
        with it is taken over.
        """
        monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
        other, sink = make(), make()
        other.write(records := make_records(2))
        sink.write([own := make_conflict(records[0])])
        other.close()

        found = all_of(sink)

        assert bodies([own, records[1]]) == bodies(found)
        assert 1 == sink.lost
        (kept,) = (sink.folder / "quarantine").iterdir()
        assert records[0].body in kept.read_bytes()
        assert (
            "1 audit events that were taken over have the ids of others"
            in (caplog.text)
        )

    def test_full_spool_takes_over_later(self, make, monkeypatch, caplog):
        """
        What has no room stays where it is, and that is said once.
        """
        monkeypatch.setattr("auditlog.spool.sink.ADOPT", 0.0)
        other = make(**SMALL)
        others = fill(other)
        sink = make(**SMALL)
        own = fill(sink)
        lease = sink.lease("topic")
        other.close()
        for _ in range(2):
            assert bodies(own) == bodies(all_of(sink))
        assert 1 == caplog.text.count("can't take over")

        got, position = [], 0
        while page := sink.read(position, 100):
            got += page
            position = page[-1].index
            lease.advance(position)

        assert bodies(own + others) == bodies(got)
        assert [sink.folder] == [*sink.folder.parent.iterdir()]

    def test_child_takes_a_folder_of_its_own(self, make):
        """
        Parent and child go on side by side; what the child leaves is taken
        over, and the parent's folder stays locked by it alone.
        """
        sink = make()
        sink.write(first := make_records(2))
        folder = sink.folder
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                batch = make_records(2)
                sink.write(batch)
                text = f"{sink.folder} {' '.join(ids(batch))}"
                os.write(writer, text.encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        theirs, *written = os.read(reader, 4096).decode().split()
        os.close(reader)
        os.close(writer)
        sink.write(second := make_records(2))

        assert str(folder) != theirs
        assert ids(first + second) + written == ids(all_of(sink))
        sink.close()
        assert folder == make().folder

    def test_orphan_does_not_hold_its_parents_folder(self, tmp_path):
        """
        A child that lives on, and never used the spool, locks nothing.
        """
        code = HOLD.replace(
            "sys.stdin.read()",
            "if os.fork(): os._exit(0)\n"
            "print('orphan', flush=True)\nsys.stdin.read()",
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path, "one"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            first = process.stdout.readline().split()
            process.wait(30)
            assert "orphan\n" == process.stdout.readline()
            sink = SpoolSink(tmp_path, name="one")
            assert first == ids(all_of(sink))
            sink.close()
        finally:
            process.stdin.close()
            process.stdout.close()

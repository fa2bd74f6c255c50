"""
Spools that are wrong on purpose, to see that the tests of ours notice.
"""

from __future__ import annotations

import errno
import os
import types

import pytest

from auditlog.spool import files
from auditlog.spool.log import Log
from tests.seen_failing import against, check
from tests.unit import test_spool_calls as calls
from tests.unit import test_spool_recovery as recovery
from tests.unit import test_spool_sink as spool
from tests.unit.test_spool_recovery import copied  # noqa: F401 - a fixture
from tests.unit.test_spool_sink import make, sink  # noqa: F401 - fixtures


def takes_a_part_for_all(patch):
    """
    The system took some of the bytes, and that is taken for all.
    """

    def write_once(fd, data, at):
        os.pwrite(fd, data, at)

    patch.setattr(files, "write_all", write_once)
    patch.setattr("auditlog.spool.log.write_all", write_once)


def leaves_what_is_torn(patch):
    """
    Half of a batch that found no room stays in the file.
    """
    patch.setattr(Log, "_take_back", lambda self, end: None)


def acknowledges_without_a_sync(patch):
    """
    A sync that failed is no reason to refuse.
    """

    def write(log, end, data):
        files.write_all(log._fd, data, end.size)

    patch.setattr(Log, "_write", write)


def syncs_the_same_file_again(patch):
    """
    After a failed sync the next one of that file is believed.
    """

    def write(log, end, data):
        files.write_all(log._fd, data, end.size)
        os.fdatasync(log._fd)

    patch.setattr(Log, "_write", write)


def checks_no_sum(patch):
    """
    Any bytes are taken for those that were written.
    """
    blind = types.SimpleNamespace(crc32=lambda data: 0)
    patch.setattr("auditlog.spool.frame.zlib", blind)


def knows_every_version(patch):
    """
    Whatever version wrote it, it is opened.
    """
    patch.setattr("auditlog.spool.versions._versions", lambda folder: ())


def locks_nothing(patch):
    """
    Two processes may have one folder.
    """
    patch.setattr("fcntl.flock", lambda fd, how: None)


@pytest.mark.parametrize(
    ("test", "variant", "given"),
    [
        against(
            calls.test_each_call_does_a_part,
            takes_a_part_for_all,
            call="pwrite",
        ),
        against(
            spool.TestRoom().test_full_disk_tears_nothing,
            leaves_what_is_torn,
            number=errno.ENOSPC,
        ),
        against(
            spool.TestFailures().test_failed_sync_acknowledges_nothing,
            acknowledges_without_a_sync,
            truncates=True,
        ),
        against(
            spool.TestFailures().test_failed_sync_acknowledges_nothing,
            syncs_the_same_file_again,
            truncates=True,
        ),
        against(recovery.test_each_flipped_bit_is_detected, checks_no_sum),
        against(
            recovery.test_newer_version_is_refused_and_left_alone,
            knows_every_version,
            name="one",
            pattern="dead-letters",
            start=0,
        ),
        against(
            spool.TestProcesses().test_named_folder_has_one_process,
            locks_nothing,
        ),
    ],
)
def test_variant_is_noticed(request, test, variant, given):
    """
    What is promised of ours does not hold there, and its test says so.
    """
    check(request, test, variant, given)

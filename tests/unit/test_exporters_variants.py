"""
Parquet exports that are wrong on purpose, to see that the tests notice.
"""

from __future__ import annotations

import pytest

from auditlog.exporters import _footer, _groups
from tests.seen_failing import against, check
from tests.unit import test_exporters_parquet as parquet
from tests.unit import test_exporters_resume as resume
from tests.unit.test_exporters_resume import (  # noqa: F401 - fixtures
    _often,
    _sink,
)


def leaves_row_groups_where_they_were(patch):
    """
    The end of a file tells of each row group as if it stood first.
    """
    patch.setattr(_footer, "_moved", lambda fields, *_: dict(fields))


def notes_before_rows_are_written(patch):
    """
    A place is noted while the events before it wait in memory.
    """
    patch.setattr(_groups.GroupOutput, "is_due", True)


def measures_without_the_end(patch):
    """
    A part is as long as allowed before it ends.
    """

    def fits(self, group):
        at, _ = self._end_of_groups()
        return at + len(group.data) <= self._max_bytes

    patch.setattr(_groups.GroupOutput, "_fits", fits)


def cuts_where_a_batch_ended(patch):
    """
    What was passed over decides where a row group ends.
    """
    patch.setattr(_groups._Waiting, "_is_even", True)


@pytest.mark.parametrize(
    ("test", "variant", "given"),
    [
        against(
            parquet.test_files_are_what_pyarrow_writes,
            leaves_row_groups_where_they_were,
            layout="records",
            compression=None,
            level=None,
        ),
        against(
            resume.test_it_goes_on_where_it_stopped,
            notes_before_rows_are_written,
            exporter=resume.TABLE,
            suffix="",
            kept=400,
        ),
        against(
            parquet.test_parts_are_as_long_as_allowed,
            measures_without_the_end,
            rows=50,
            most=25_000,
        ),
        against(
            parquet.test_equal_events_give_equal_files,
            cuts_where_a_batch_ended,
            rows=50_000,
            size=20_000,
        ),
    ],
)
def test_variant_is_noticed(request, test, variant, given):
    """
    What is promised of Parquet does not hold there, and its test says so.
    """
    check(request, test, variant, given)

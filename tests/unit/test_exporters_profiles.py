"""
Files in the shapes of SIEMs.
"""

from __future__ import annotations

import gzip
import io
import json

import attrs
import pytest

from auditlog.abc import Record
from auditlog.errors import ConfigError, ExportError
from auditlog.exporters import JSONExporter, LinesExporter
from auditlog.memory import InMemoryReader, InMemorySink
from auditlog.profiles import CEF, OCSF, PROFILES, Line, Profile
from auditlog.testing.reader_contract import sample_records
from tests.siem_tools import DENIED, FULL, MINIMAL, long_event


RECORDS = sample_records()
FOREIGN = Record(event_id=MINIMAL.event_id, body=b"hello")


def exporter_of(profile):
    kind = JSONExporter if PROFILES[profile].is_json else LinesExporter
    return kind(profile=profile)


@pytest.mark.parametrize("name", PROFILES)
def test_files_hold_the_lines(tmp_path, name):
    """
    A file is the profile's lines, each with a line break, by any way.
    """
    exporter = exporter_of(name)
    lines = b"".join(PROFILES[name]().line(r) + b"\n" for r in RECORDS)

    report = exporter.export(RECORDS, tmp_path / "a")
    exporter.export(RECORDS, tmp_path / "a.gz")

    assert lines == (tmp_path / "a").read_bytes()
    assert lines == gzip.decompress((tmp_path / "a.gz").read_bytes())
    assert lines == b"".join(exporter.iter_bytes(RECORDS))
    assert lines.decode() == exporter.dumps(RECORDS)
    assert (12, 0, 0) == (report.rows, report.cut, report.skipped.total())


@pytest.mark.parametrize("name", [n for n in PROFILES if n != "cloudevents"])
def test_what_is_no_event_is_counted(tmp_path, name):
    """
    Another program's record is passed over with its place, or ends it all.
    """
    exporter = exporter_of(name)
    mixed = [MINIMAL, FOREIGN, FULL]

    report = exporter.export(mixed, tmp_path / "a")

    assert 2 == report.rows == (tmp_path / "a").read_bytes().count(b"\n")
    assert {"no audit event: no JSON": 1} == report.skipped
    assert str(FOREIGN.event_id) == report.skipped_first[0].place
    with pytest.raises(ExportError, match=r"can't export 0192.*: no audit"):
        exporter.export(mixed, tmp_path / "b", errors="raise")
    assert not (tmp_path / "b").exists()


def test_cut_events_are_counted():
    """
    The report says how many events are not whole, and warns.
    """
    exporter = LinesExporter(profile="leef")

    report = exporter.export(
        [MINIMAL, long_event(), long_event()], io.BytesIO()
    )
    whole = exporter.export([MINIMAL], io.BytesIO())

    assert (3, 2) == (report.rows, report.cut)
    assert ["2 events were cut to what leef@2.0 can hold"] == [
        warning.partition(";")[0] for warning in report.warnings
    ]
    assert "<th>cut</th><td>2</td>" in report._repr_html_()
    assert (0, ()) == (whole.cut, whole.warnings)
    assert "<th>cut</th>" not in whole._repr_html_()


def test_array_of_a_profile_is_one_document(tmp_path):
    """
    Sentinel takes an array.
    """
    exporter = JSONExporter(profile="asim", framing="array")

    exporter.export([FULL, FOREIGN, DENIED], tmp_path / "a.json")
    exporter.export([FOREIGN], tmp_path / "none.json")

    found = json.loads((tmp_path / "a.json").read_bytes())
    assert [PROFILES["asim"]().convert(e) for e in (FULL, DENIED)] == found
    assert [] == json.loads((tmp_path / "none.json").read_bytes())


def test_profiles_have_settings():
    """
    An object is used as it is.
    """
    ours = CEF(vendor="ACME", product="billing")

    text = LinesExporter(profile=ours).dumps([MINIMAL])
    ocsf = JSONExporter(profile=OCSF(product="billing")).dumps([MINIMAL])

    assert text.startswith("CEF:0|ACME|billing|1|")
    product = json.loads(ocsf)["metadata"]["product"]
    assert "billing" == product["name"]


def test_profiles_of_ones_own():
    """
    A subclass that renders records is a profile.
    """

    @attrs.frozen(kw_only=True)
    class Names(Profile):
        name = "names"
        schema = "1"
        is_json = False

        def render(self, source, /):
            return Line(source.event.event_type.encode(), is_cut=False)

    text = LinesExporter(profile=Names()).dumps([MINIMAL, DENIED])

    assert "Kafka.Topic.Create\nIam.User.Login\n" == text


@pytest.mark.parametrize(
    ("kind", "profile", "message"),
    [
        (JSONExporter, "ocfs", r"no profile is called 'ocfs'; did you mean"),
        (JSONExporter, "cef", r"'cef' writes no JSON; use LinesExporter\(pro"),
        (LinesExporter, "ecs", r"'ecs' writes JSON; use JSONExporter\(profi"),
        (JSONExporter, 5, r"must be a name or a Profile \(got int\)"),
        (LinesExporter, None, r"must be a name or a Profile \(got NoneType"),
    ],
)
def test_wrong_profiles_are_refused(kind, profile, message):
    """
    The exporter isn't built, and the message says what to use.
    """
    with pytest.raises(ConfigError, match=f"'profile'.*{message}"):
        kind(profile=profile)


def test_readers_are_read_again(tmp_path):
    """
    Equal events give equal files, also of a reader.
    """
    sink = InMemorySink()
    sink.write(RECORDS)
    reader = InMemoryReader(sink)
    exporter = JSONExporter(profile="ecs")

    first = exporter.export(reader, tmp_path / "a")
    second = exporter.export(reader, tmp_path / "b")

    assert first.sha256 == second.sha256
    assert (1, 12) == (first.first, first.last)
    assert b'"sequence":12' in (tmp_path / "a").read_bytes()

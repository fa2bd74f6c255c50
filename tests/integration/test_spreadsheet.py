"""
A real spreadsheet opens the CSV files, and runs nothing in them.
"""

from __future__ import annotations

import re
import shutil
import subprocess

from xml.etree import ElementTree as ET

import pytest

from auditlog.event import Actor, AuditEvent, Resource
from auditlog.exporters import CSVExporter


OFFICE = shutil.which("soffice") or shutil.which("localc")

# Opens the file with the box "Evaluate formulas" ticked; UTF-8, comma.
FILTER = "Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,,,,0,true"

TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"

FORMULAS = [
    f"{before}{sign}1+1"
    for sign in "=+-@\uff1d"
    for before in ("", " ", "\t", "\n", "\r\n", "\xa0", "\u200b", "'", "''")
] + ['=HYPERLINK("http://x","y")', "=cmd|' /C calc'!A0", "@SUM(1,1)"]


def make_event(text):
    return AuditEvent(
        event_type="Kafka.Topic.Create",
        actor=Actor(id=text, name=text),
        resource=Resource(type=text, id=text),
        reason=text,
        metadata={text: text, "note": "x\n=1+1"},
    )


def opened(folder, **files):
    """
    Open *files* and save them as what the spreadsheet made of them.
    """
    for name, content in files.items():
        (folder / f"{name}.csv").write_bytes(content)
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    settings = [profile, "--headless", f"--infilter={FILTER}"]
    names = [f"{name}.csv" for name in files]
    subprocess.run(
        [OFFICE, *settings, "--convert-to", "fods", *names],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return [ET.parse(folder / f"{name}.fods").getroot() for name in files]


def formulas(sheet):
    cells = sheet.iter(f"{TABLE}table-cell")
    return [each.get(f"{TABLE}formula") for each in cells if each.attrib]


def texts(sheet):
    """
    What the cells show; a spreadsheet folds blanks into elements.
    """
    for cell in sheet.iter(f"{TABLE}table-cell"):
        lines = ["".join(p.itertext()) for p in cell.iter(f"{TEXT}p")]
        yield re.sub(r"\s", "", "".join(lines))


@pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed")
def test_no_cell_of_a_guarded_file_is_evaluated(tmp_path):
    """
    With all formulas asked for, guarded cells are text, and shown whole.
    """
    events = [make_event(text) for text in FORMULAS]
    guarded, plain = opened(
        tmp_path,
        guarded=CSVExporter().dumps(events).encode(),
        plain=CSVExporter(guard=None).dumps(events).encode(),
    )

    assert {None} == set(formulas(guarded))
    shown = set(texts(guarded))
    for text in FORMULAS:
        assert re.sub(r"\s", "", f"'{text}") in shown
    # Some of the same texts do run without the guard.
    assert {None} < set(formulas(plain))

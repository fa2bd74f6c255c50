"""
Exports to stores that fsspec reaches.
"""

from __future__ import annotations

import itertools
import sys
import traceback

import fsspec
import pytest

from fsspec.implementations.memory import MemoryFileSystem

from auditlog.errors import ExportError, MissingExtraError
from auditlog.exporters import CSVExporter, JSONExporter
from auditlog.testing.reader_contract import sample_records


RECORDS = sample_records()
LINES = b"".join(record.body + b"\n" for record in RECORDS)
_NUMBERS = itertools.count()


@pytest.fixture(name="url")
def _url():
    """
    A folder of its own in fsspec's memory.
    """
    return f"memory://bucket-{next(_NUMBERS)}"


def listed(url):
    system = fsspec.filesystem("memory")
    return {
        path.rpartition("/")[2]: system.cat(path) for path in system.find(url)
    }


def test_an_object_appears_whole(url):
    """
    It isn't there while the export runs.
    """
    seen = []

    def watching():
        for record in RECORDS * 40:
            seen.append(listed(url))
            yield record

    report = JSONExporter().export(watching(), f"{url}/a.jsonl")

    assert [{}] * 480 == seen
    assert {"a.jsonl": LINES * 40} == listed(url)
    assert (f"{url}/a.jsonl", 480) == (report.target, report.rows)
    assert () == report.parts


def test_suffix_and_parts_are_those_of_paths(url):
    """
    A URL compresses by its suffix, and its name is numbered.
    """
    JSONExporter().export(RECORDS, f"{url}/a.jsonl.gz")
    exporter = CSVExporter(max_file_bytes=2000)

    report = exporter.export(RECORDS, f"{url}/b.csv")

    found = listed(url)
    assert found.pop("a.jsonl.gz")[:2] == b"\x1f\x8b"
    assert [f"b-{n:05}.csv" for n in range(1, len(found) + 1)] == [*found]
    assert [f"{url}/{name}" for name in found] == [
        part.target for part in report.parts
    ]
    assert len(found) > 1


def test_after_an_exception_the_store_is_as_before(url):
    """
    The old object is there, and nothing else; the exception is the reader's.
    """
    JSONExporter().export(RECORDS, f"{url}/a.jsonl")

    def failing():
        yield from RECORDS * 40
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        JSONExporter(max_file_bytes=5000).export(failing(), f"{url}/a.jsonl")
    with pytest.raises(KeyboardInterrupt):
        JSONExporter().export(failing(), f"{url}/a.jsonl")

    assert {"a.jsonl": LINES} == listed(url)


def test_overwriting_can_be_forbidden(url):
    """
    An object that is there is kept.
    """
    JSONExporter().export(RECORDS, f"{url}/a", overwrite=False)

    with pytest.raises(ExportError, match="it exists; pass overwrite=True"):
        JSONExporter().export(RECORDS[:1], f"{url}/a", overwrite=False)

    assert {"a": LINES} == listed(url)


def test_a_file_url_is_a_path(tmp_path, monkeypatch):
    """
    It needs no package, and is as safe as a path.
    """
    monkeypatch.setitem(sys.modules, "fsspec", None)

    JSONExporter().export(RECORDS, f"file://{tmp_path}/a.jsonl")

    assert LINES == (tmp_path / "a.jsonl").read_bytes()


def test_missing_packages_are_told(monkeypatch):
    """
    Ours by its extra, that of a protocol by what fsspec says; an unknown
    protocol isn't taken for a path.
    """
    never = iter(lambda: 1 / 0, None)

    with pytest.raises(ExportError, match=r"s3://b/a: Install s3fs to"):
        JSONExporter().export(never, "s3://b/a")
    with pytest.raises(ExportError, match="Protocol not known: nowhere"):
        JSONExporter().export(never, "nowhere://b/a")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"publisher\[remote\]"):
        JSONExporter().export(never, "s3://b/a")


class Refusing(MemoryFileSystem):
    """
    Says all that it knows in its errors, as some packages do.
    """

    protocol = "refusing"
    cachable = False

    def _open(self, path, mode="rb", **options):
        raise PermissionError(f"no: {path} for hunter2")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://alice:hunter2@localhost:1/a.jsonl",
        "ftp://alice:hunt/er2@localhost:1/a.jsonl",
        "http://localhost:1/a.jsonl?token=hunter2",
        "nowhere://alice:hunter2@localhost/a",
        "refusing://alice:hunter2@localhost/a",
        "refusing://hunter2@localhost/a",
    ],
)
def test_secrets_of_a_url_are_never_shown(url):
    """
    Neither in the error nor in its traceback, wherever it comes from.
    """
    fsspec.register_implementation("refusing", Refusing, clobber=True)

    with pytest.raises(ExportError) as caught:
        JSONExporter().export(RECORDS, url)

    text = "".join(traceback.format_exception(caught.value))
    shown = text.replace(f'"{url}"', "")
    assert "hunter2" not in shown
    assert "er2@" not in shown
    assert f"can't write {url.partition('://')[0]}://" in str(caught.value)
    assert "***" in str(caught.value)


def test_what_a_store_refuses_is_told():
    """
    The reason is the store's own, if it holds no secret.
    """
    fsspec.register_implementation("refusing", Refusing, clobber=True)

    with pytest.raises(ExportError, match=r"can't write refusing://b/a: no:"):
        JSONExporter().export(RECORDS, "refusing://b/a")

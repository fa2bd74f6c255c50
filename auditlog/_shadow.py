"""
Warns when django-auditlog is installed over this package, or under it.
"""

from __future__ import annotations

import os
import warnings


def warn_if_shared(folder: str) -> None:
    """
    Warn if *folder* holds django-auditlog's modules beside ours.

    Both distributions install a package named ``auditlog``; whichever came
    last has overwritten files of the other, and uninstalling one breaks both.
    """
    theirs = ("apps.py", "registry.py")
    if any(os.path.exists(os.path.join(folder, name)) for name in theirs):  # noqa: PTH110, PTH118 - pathlib takes longer than all else here
        warnings.warn(
            "django-auditlog is installed in this environment too, and both "
            "are the package 'auditlog': neither works reliably; keep "
            "auditlog-publisher and django-auditlog in separate environments",
            RuntimeWarning,
            stacklevel=2,
        )


warn_if_shared(os.path.dirname(__file__))  # noqa: PTH120 - as above

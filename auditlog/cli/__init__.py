"""
The command line ``auditlog``.
"""

from __future__ import annotations

import sys


def main() -> None:
    """
    Run the command that the arguments name.
    """
    try:
        _run()
    except KeyboardInterrupt:  # before there is a command
        sys.exit(130)


def _run() -> None:
    try:
        from auditlog.cli.commands import auditlog  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        if exc.name not in {"click", "rich"}:
            raise
        sys.exit(
            "the command line needs an extra: "
            'pip install "auditlog-publisher[cli]"'
        )

    auditlog(prog_name="auditlog")

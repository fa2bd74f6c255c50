"""
``python -m auditlog`` is the command line.
"""

from __future__ import annotations

from auditlog.cli import main


main()

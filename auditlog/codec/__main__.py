"""
Print the JSON Schema of a body: ``python -m auditlog.codec``.
"""

from __future__ import annotations

import json
import sys

from . import json_schema


if __name__ == "__main__":
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")

"""
What docs/how-to/run-with-compose.md says, taken out of the page.
"""

from __future__ import annotations

import re
import subprocess

from pathlib import Path

import yaml


PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "run-with-compose.md"

MOUNTED = "/run/secrets/"


def block(language, beginning=""):
    """
    The first block of code in *language* with that *beginning*.
    """
    found = re.search(
        rf"^```{re.escape(language)}\n({re.escape(beginning)}.*?)^```$",
        PAGE.read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    return found[1]


def compose():
    """
    The Compose file.
    """
    return yaml.safe_load(block("yaml", "# compose.yaml"))


def make_secrets(folder):
    """
    Run what the page says into *folder*, and return what is there.
    """
    subprocess.run(["sh", "-euc", block("sh")], cwd=folder, check=True)
    return folder / "secrets"


def environment(service, folder):
    """
    The variables of a *service*, with its secrets in files of *folder*.

    Only those secrets that it is given.
    """
    described = compose()
    given = described["services"][service]
    files = {
        f"{MOUNTED}{name}": str(folder / described["secrets"][name]["file"])
        for name in given.get("secrets", ())
    }
    return {
        name: files.get(str(value), str(value))
        for name, value in given["environment"].items()
    }

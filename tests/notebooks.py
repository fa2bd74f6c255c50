"""
The notebooks of ``examples/``: pairs of a script and what it showed.

``make notebooks`` runs the scripts anew and keeps what they show, so that a
reader of the ``.ipynb`` sees it without running anything.
"""

from __future__ import annotations

import os
import shutil
import sys

from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbclient
import nbformat


EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = (
    "first_steps",
    "explore_and_plot",
    "export_for_a_siem",
    "custom_sink",
    "outbox_with_sqlalchemy",
    "investigate_an_incident",
)
KERNEL = {
    "display_name": "Python 3",
    "language": "python",
    "name": "python3",
}


def notebook_of(name):
    """
    The notebook that the script of that *name* is, without outputs.
    """
    notebook = jupytext.read(EXAMPLES / f"{name}.py")
    notebook.metadata["kernelspec"] = KERNEL
    return notebook


def run(notebook, folder):
    """
    Run every cell of *notebook* in *folder*, beside the sample events.
    """
    shutil.copy(EXAMPLES / "sample_events.py", folder)
    nbclient.NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return notebook


def texts(notebook):
    """
    What each cell of *notebook* has printed.
    """
    return [
        "".join(
            output.text
            for output in cell.get("outputs", ())
            if output.output_type == "stream" and output.name == "stdout"
        )
        for cell in notebook.cells
    ]


def kinds(notebook):
    """
    Whether each cell of *notebook* shows a table, a picture or a value.
    """
    return [
        [
            sorted({"text/html", "image/png"} & {*output.get("data", ())})
            for output in cell.get("outputs", ())
            if output.output_type != "stream"
        ]
        for cell in notebook.cells
    ]


def save(name):
    """
    Run the script of that *name* and keep its notebook.
    """
    notebook = notebook_of(name)
    with TemporaryDirectory() as folder:
        run(notebook, folder)
    for number, cell in enumerate(notebook.cells):
        # What differs from run to run would be a difference for each commit.
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            if len(output.get("data", ())) > 1:
                del output["data"]["text/plain"]
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, EXAMPLES / f"{name}.ipynb")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(EXAMPLES.parent))
    for each in sys.argv[1:] or NAMES:
        save(each)

from __future__ import annotations

import importlib.metadata
import inspect
import re
import subprocess
import sys

from pathlib import Path

import pytest

import auditlog

from auditlog import errors


ERRORS_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"

# What `import auditlog` must not cost: drivers, extras, and the heavy parts
# of the standard library that only some callers need.
LAZY = {
    "asyncio",
    "click",
    "kafka",
    "matplotlib",
    "pandas",
    "psycopg",
    "rich",
    "tenacity",
    "tqdm",
    "yaml",
}


def run(code):
    """
    What *code* prints in a process of its own.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def loaded_by(code):
    """
    The top-level modules that *code* leaves behind in a new process.
    """
    tops = "*sorted({m.partition('.')[0] for m in sys.modules})"
    return set(run(f"import sys\n{code}\nprint({tops})").split())


def test_all_is_sorted_and_has_no_duplicates():
    """
    The list of public names can be read by people.
    """
    assert sorted(set(auditlog.__all__)) == auditlog.__all__


@pytest.mark.parametrize("name", auditlog.__all__)
def test_each_member_exists_and_has_a_docstring(name):
    """
    What is promised is there and says what it is.
    """
    assert inspect.getdoc(getattr(auditlog, name))


def test_nothing_public_is_left_out():
    """
    What can be seen without an underscore is listed, or a submodule.
    """
    seen = {
        name
        for name, value in vars(auditlog).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    tools = {"Any", "TYPE_CHECKING", "annotations", "import_module"}
    assert tools == seen - set(auditlog.__all__)


def test_names_are_loaded_when_asked_for():
    """
    ``import auditlog`` loads neither the event model nor what it needs.
    """
    loaded = loaded_by("import auditlog")

    assert set() == {"attrs", "cattrs", "msgspec"} & loaded
    assert set(auditlog.__all__) == {*auditlog._HOME, "context"}


def test_import_loads_no_driver():
    """
    Who uses one backend doesn't pay for the others.
    """
    assert set() == LAZY & loaded_by("import auditlog")


def test_star_import_loads_no_driver():
    """
    Each name can be had without the package behind it.
    """
    assert set() == LAZY & loaded_by("from auditlog import *")


def test_star_import_brings_everything():
    """
    ``from auditlog import *`` is what ``__all__`` says.
    """
    names = run(
        "from auditlog import *\n"
        "print(*(n for n in dir() if not n.startswith('_')))"
    )

    assert set(auditlog.__all__) == set(names.split())


def test_version_is_looked_up_when_asked_for():
    """
    The version is that of the distribution, and the import doesn't read it.
    """
    assert importlib.metadata.version("auditlog-publisher") == (
        auditlog.__version__
    )
    assert "__version__" not in vars(auditlog)


def test_unknown_name_is_an_attribute_error():
    """
    A misspelt name fails as in any module.
    """
    with pytest.raises(AttributeError, match="no attribute 'PostgreSink'"):
        _ = auditlog.PostgreSink


def all_below(kind):
    for each in kind.__subclasses__():
        yield each
        yield from all_below(each)


def test_reference_names_each_error():
    """
    The page and the docstring know every error, and no other.
    """
    classes = {
        kind.__name__
        for kind in all_below(errors.AuditLogError)
        if kind.__module__ == "auditlog.errors"
    }
    rows = re.findall(r"^\| `(\w+)` \|", ERRORS_PAGE.read_text(), re.MULTILINE)
    drawn = re.findall(r"── (\w+)", errors.__doc__)

    assert sorted(classes) == sorted(rows)
    assert sorted(classes) == sorted(drawn)

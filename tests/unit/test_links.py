from __future__ import annotations

import re

from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]

# What links to a file or to a heading, and no address elsewhere.
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")


def dead_links(page):
    """
    The links of *page* that lead to no file, or to no heading of one.

    Sphinx looks after the pages below ``docs``, and never sees these.
    """
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [
        f"{path}#{heading}" if heading else path
        for path, heading in LINK.findall(text)
        if not is_there(page.parent / path if path else page, heading)
    ]


def is_there(path, heading):
    if not heading:
        return path.exists()
    return path.is_file() and heading in headings(path.read_text("utf-8"))


def headings(text):
    """
    The anchors of all headings, as GitHub and MyST make them.
    """
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    }


@pytest.mark.parametrize("name", ["README", "CONTRIBUTING", "CHANGELOG"])
def test_no_link_leads_nowhere(name):
    """
    Whoever follows a link of the front pages arrives.
    """
    assert dead_links(ROOT / f"{name}.md") == []


def test_dead_links_are_noticed(tmp_path):
    """
    A file that is gone and a heading that was renamed are both found.
    """
    page = tmp_path / "page.md"
    page.write_text(
        "# It's here\n[a](page.md#its-here) [b](gone.md) [c](#renamed)\n"
        "[d](page.md) [e](https://example.com/gone.md#gone)\n"
    )

    assert dead_links(page) == ["gone.md", "#renamed"]

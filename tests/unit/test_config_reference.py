"""
The reference says what the classes say.
"""

from __future__ import annotations

import re

from pathlib import Path

import attrs
import pytest

from auditlog import config
from auditlog.config import AuditLogConfig
from auditlog.config.reference import BEGIN, describe, main, renew
from auditlog.config.settings import fold, table


PAGE = Path(__file__).parents[2] / "docs/reference/configuration.md"


def test_page_is_up_to_date():
    """
    The tables in the page are those that the classes make.

    If this fails: python -m auditlog.config.reference <the page>
    """
    page = PAGE.read_text("utf-8")

    assert page == renew(page)
    assert "`CDK_CLUSTERS_0_BOOTSTRAPSERVERS`" in page
    assert page.index(BEGIN) < page.index("`AUDITLOG_RELAY_RUN`")


def test_written_in_place(tmp_path):
    """
    Renewing a page that is out of date mends its tables and nothing else.
    """
    page = PAGE.read_text("utf-8")
    stale = tmp_path / "page.md"
    stale.write_text(page.replace("Longest wait", "Shortest wait"), "utf-8")

    main(str(stale))

    assert page == stale.read_text("utf-8")


@pytest.mark.parametrize("name", config.__all__)
def test_public_classes_say_since_when(name):
    """
    Every public class has the version that brought it.
    """
    assert ".. versionadded:: " in getattr(config, name).__doc__


@pytest.mark.parametrize(
    "cls",
    [
        each
        for name in config.__all__
        if attrs.has(each := getattr(config, name))
    ],
)
def test_every_attribute_is_described(cls):
    """
    Every attribute is described once, in a sentence.
    """
    described = describe(cls)

    assert [each.name for each in attrs.fields(cls)] == list(described)
    assert all(text.endswith((".", "any.")) for text in described.values())


def test_names_are_one_settings_alone():
    """
    However a name is folded, it is the name of one setting.
    """
    settings = table(AuditLogConfig)

    assert len(settings) == len({each.key for each in settings})
    assert len(settings) == len({each.own_key for each in settings})
    assert not any(each.key.endswith("file") for each in settings)
    assert all(re.fullmatch(r"[a-z]+(\[\][a-z]+)?", e.key) for e in settings)
    assert "topicname" == fold("topic_Name") == fold("TOPIC-NAME")

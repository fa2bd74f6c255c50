"""
A secret shows itself nowhere, and works where it must.
"""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from auditlog.config import Secret
from auditlog.errors import ConfigError


CANARY = "c4n4ry"


@pytest.fixture
def secret():
    return Secret(CANARY)


SHOWN = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "format with repr": "{!r:>20}".format,
    "format with width": "{:>20}".format,
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "inside others": lambda secret: repr([secret, {"x": secret}]),
    "pickle": lambda secret: repr(pickle.dumps(secret)),
    "pickle 0": lambda secret: repr(pickle.dumps(secret, 0)),
    "pickle of others": lambda secret: repr(pickle.dumps([secret], 2)),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_shown_by_nothing(secret, show):
    """
    Whatever prints, formats or pickles a secret leaves its text out.
    """
    assert CANARY not in show(secret)


def test_mask_is_aligned_as_asked(secret):
    """
    A secret fits a table like other text.
    """
    assert f"{secret:>5}" == "  ***"
    assert f"{secret}" == "***"
    assert repr(secret) == "Secret('***')"


def test_revealed_on_request(secret):
    """
    The text is there for who asks for it.
    """
    assert secret.reveal() == CANARY


USED = {
    "added": lambda secret: "x" + secret,
    "joined": ",".join,
    "as JSON": json.dumps,
    "as bytes": bytes,
    "iterated": iter,
    "measured": len,
}


@pytest.mark.parametrize("use", USED.values(), ids=USED)
def test_no_text_by_accident(secret, use):
    """
    A secret is no `str`: using it as one fails instead of leaking.
    """
    with pytest.raises(TypeError) as caught:
        use(secret)

    assert CANARY not in str(caught.value)


def test_equal_by_text():
    """
    Secrets compare and hash by their text, and equal no `str`.
    """
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\udcff") == Secret("\udcff")


def test_copies_reveal(secret):
    """
    A copy within the process is as good as the original.
    """
    assert copy.copy(secret).reveal() == CANARY
    assert copy.deepcopy([secret])[0].reveal() == CANARY


def test_pickle_travels_without_the_text(secret):
    """
    What comes out of a pickle looks the same and says why it is empty.
    """
    travelled = pickle.loads(pickle.dumps(secret))

    assert repr(travelled) == "Secret('***')"
    assert travelled != secret
    assert travelled == pickle.loads(pickle.dumps(travelled))
    with pytest.raises(ConfigError, match="does not travel in a pickle"):
        travelled.reveal()


def test_text_only():
    """
    Bytes and numbers are refused, and not shown.
    """
    with pytest.raises(ConfigError, match=r"must be text \(got bytes\)"):
        Secret(CANARY.encode())

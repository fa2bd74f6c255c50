"""
What kind of action an event type names.
"""

from __future__ import annotations

import functools
import re


_WORDS = {
    "create": (
        "add clone copy create duplicate generate import insert invite issue "
        "new produce register upload"
    ),
    "read": (
        "access browse consume download export get list open query read "
        "search show view"
    ),
    "update": (
        "change configure edit modify move patch rename replace reset "
        "restore rotate set update upsert"
    ),
    "delete": (
        "clear delete destroy drop empty erase purge remove truncate "
        "unregister"
    ),
    "login": "authenticate login logon signin",
    "logout": "logoff logout signout",
    "start": "launch restart resume run start",
    "stop": "cancel pause stop suspend terminate",
    "enable": "activate enable unlock",
    "disable": "block deactivate disable lock",
    "execute": "execute send trigger",
    "grant": "assign grant",
    "revoke": "revoke unassign",
}
_VERBS = {
    word: verb for verb, words in _WORDS.items() for word in words.split()
}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@functools.lru_cache(maxsize=1024)
def verb_of(event_type: str) -> str:
    """
    Return ``create`` for ``Kafka.Topic.Create``, ``other`` if nobody knows.

    The last part counts, and in it the last word that is known, in the past
    tense too: ``TaskRestart`` is ``start``, ``Created`` is ``create``.
    """
    action = action_of(event_type)
    whole = re.sub(r"[\W_]", "", action).lower()
    words = [whole, *reversed([w.lower() for w in _WORD.findall(action)])]
    for word in words:
        for known in (word, word.removesuffix("d"), word.removesuffix("ed")):
            if known in _VERBS:
                return _VERBS[known]
    return "other"


def action_of(event_type: str) -> str:
    """
    Return ``Create`` for ``Kafka.Topic.Create``.
    """
    return event_type.rpartition(".")[2]


def module_of(event_type: str) -> str:
    """
    Return ``kafka`` for ``Kafka.Topic.Create``.
    """
    return event_type.partition(".")[0].lower()

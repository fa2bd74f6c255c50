"""
The oracle notices each kind of loss.
"""

from __future__ import annotations

import attrs
import pytest

from tests.hammer.look import Message, Seen
from tests.hammer.notes import Noted, sha256
from tests.hammer.oracle import violations


IDS = ["a", "b", "c"]
SHAS = {each: sha256(each.encode()) for each in IDS}


def message(index, event_id, *, partition=0, sha=None, placeholder=False):
    return Message(
        partition=partition,
        offset=0,
        index=index,
        event_id=event_id,
        sha=sha or SHAS[event_id],
        is_placeholder=placeholder,
    )


def noted(**changes):
    """
    Three events were acknowledged, one of them with an order; one rolled
    back.
    """
    found = Noted(
        attempted=dict(SHAS),
        ordered={"c"},
        doomed={"z"},
        acknowledged=set(IDS),
        promised={"a"},
    )
    return attrs.evolve(found, **changes)


def seen(**changes):
    """
    They are stored and delivered, one of them twice.
    """
    found = Seen(
        stored=dict(SHAS),
        entries=[(1, "a"), (2, "b"), (3, "c")],
        orders={"c"},
        messages=[
            message(1, "a"),
            message(2, "b"),
            message(1, "a"),
            message(3, "c", partition=1),
        ],
    )
    return attrs.evolve(found, **changes)


def test_resend_is_no_violation():
    """
    At least once is what is promised.
    """
    assert violations(noted(), seen()) == []


def test_attempt_that_is_not_there_is_no_violation():
    """
    Nobody was told that it is stored.
    """
    attempted = {**SHAS, "d": sha256(b"d")}

    assert violations(noted(attempted=attempted), seen()) == []


def test_torn_note_does_not_count():
    """
    What was not noted whole, nobody was told.
    """
    found = Noted()
    found.add(f"? a {SHAS['a']}\n+ a\n+ ")

    assert found.acknowledged == {"a"}


def test_close_makes_a_promise_of_what_was_accepted():
    """
    Without it, what was only accepted may be gone.
    """
    found = Noted()
    found.add("? a 1\n> a\n")
    assert found.promised == set()
    found.add("? b 1\n> b\n=\n")

    assert found.promised == {"b"}


def test_order_of_a_process_is_kept():
    """
    What it enqueued first comes first, whatever lies between.
    """
    assert violations(noted(queues=[["a", "c"], ["b"]]), seen()) == []
    assert violations(noted(queues=[["c", "a"], ["b"]]), seen()) == [
        "1 enqueued before another, indexed behind it: (3, 1)"
    ]


WITHOUT_C = {"a": SHAS["a"], "b": SHAS["b"]}
DELIVERED = seen().messages
AB, C = DELIVERED[:3], DELIVERED[3]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"stored": WITHOUT_C, "entries": [(1, "a"), (2, "b")]},
            "1 acknowledged, not stored: c",
        ),
        (
            {"stored": {k: SHAS[k] for k in "bc"}},
            "1 accepted before a close that returned, not stored: a",
        ),
        (
            {"stored": {**SHAS, "q": "1"}},
            "1 stored, never attempted: q",
        ),
        ({"stored": {**SHAS, "z": "1"}}, "1 rolled back, stored: z"),
        (
            {"stored": {**SHAS, "a": "1"}},
            "1 stored with other bytes: a",
        ),
        (
            {"orders": set()},
            "1 event without its order, or order without its event: c",
        ),
        (
            {"entries": [(1, "a"), (2, "b"), (4, "c")]},
            "2 index missing or beyond the end: 3, 4",
        ),
        (
            {"entries": [(1, "a"), (2, "b"), (2, "c")]},
            "1 index given twice: 2",
        ),
        (
            {"entries": [(1, "a"), (2, "b"), (3, "c"), (4, "a")]},
            "1 event with two indexes: a",
        ),
        (
            {"entries": [(1, "a"), (2, "b")]},
            "1 stored, without index: c",
        ),
        (
            {"entries": [(1, "a"), (2, "b"), (3, "c"), (4, "q")]},
            "1 index of an event that is not stored: q",
        ),
        ({"messages": AB}, "1 acknowledged, not in the topic: c"),
        ({"messages": AB}, "1 index that never appeared in the topic: 3"),
        (
            {"messages": [*DELIVERED, message(4, "q", sha="1")]},
            "1 in the topic, not stored: q",
        ),
        (
            {"messages": [*DELIVERED, message(1, "a", sha="1")]},
            "1 in the topic with other bytes: a",
        ),
        (
            {"messages": [*DELIVERED, message(2, "a")]},
            "1 in the topic under the index of another: 2",
        ),
        (
            {"messages": [message(2, "b"), message(1, "a"), C]},
            "1 first appearance behind a later one: (0, 1)",
        ),
        (
            {"dead": {2}},
            "1 dead letter of an event that is not poisoned: 2",
        ),
        ({"dead": {2}}, "1 dead letter without a placeholder: 2"),
        (
            {"messages": [*DELIVERED, message(2, "b", placeholder=True)]},
            "1 placeholder without a dead letter: 2",
        ),
        (
            {"retreats": [(7, 3)]},
            "1 move of the position backwards: (7, 3)",
        ),
    ],
)
def test_violation_is_named(changes, expected):
    """
    Each with how often and an example.
    """
    assert expected in violations(noted(), seen(**changes))


def test_placeholder_stands_for_a_poisoned_event():
    """
    Under its index, and the event itself may be missing.
    """
    given = seen(
        dead={2},
        messages=[
            message(1, "a"),
            message(2, "b", sha="1", placeholder=True),
            C,
        ],
    )

    assert violations(noted(poisoned={"b"}), given) == []
    assert violations(noted(poisoned={"b"}), seen()) == [
        "1 poisoned, no dead letter: 2"
    ]

"""
Says which promises are broken, by what was noted and what there is.
"""

from __future__ import annotations

import itertools

from collections import defaultdict


# Of each kind of violation, so many are named.
SHOWN = 5


def violations(noted, seen):
    """
    The promises that are broken, a line for each, with examples.

    Args:
        noted: What the writers noted.

        seen: What there is in the end.
    """
    found = {
        **_of_the_table(noted, seen),
        **_of_the_order(noted, seen),
        **_of_the_topic(noted, seen),
        **_of_the_dead(noted, seen),
    }
    return [_line(what, each) for what, each in found.items() if each]


def _line(what, examples):
    examples = sorted(examples, key=str)
    shown = ", ".join(map(str, examples[:SHOWN]))
    more = ", …" if len(examples) > SHOWN else ""
    return f"{len(examples)} {what}: {shown}{more}"


def _of_the_table(noted, seen):
    stored = seen.stored.keys()
    known = {n: sha for n, sha in seen.stored.items() if n in noted.attempted}
    return {
        "acknowledged, not stored": noted.acknowledged - stored,
        "accepted before a close that returned, not stored": (
            noted.promised - stored
        ),
        "stored, never attempted": (
            stored - noted.attempted.keys() - noted.doomed
        ),
        "rolled back, stored": noted.doomed & stored,
        "stored with other bytes": {
            n for n, sha in known.items() if sha != noted.attempted[n]
        },
        "event without its order, or order without its event": (
            (noted.ordered & stored) ^ seen.orders
        ),
    }


def _of_the_order(noted, seen):
    indexes = [index for index, _ in seen.entries]
    ids = [event_id for _, event_id in seen.entries]
    expected = set(range(1, len(indexes) + 1))
    return {
        "index missing or beyond the end": expected ^ set(indexes),
        "index given twice": _repeated(indexes),
        "event with two indexes": _repeated(ids),
        "stored, without index": seen.stored.keys() - set(ids),
        "index of an event that is not stored": set(ids) - seen.stored.keys(),
        "enqueued before another, indexed behind it": _displaced(noted, seen),
    }


def _displaced(noted, seen):
    places = {event_id: index for index, event_id in seen.entries}
    found = set()
    for queue in noted.queues:
        indexes = [places[each] for each in queue if each in places]
        found |= {
            (one, next_)
            for one, next_ in itertools.pairwise(indexes)
            if next_ < one
        }
    return found


def _repeated(values):
    return (
        {each for each in set(values) if values.count(each) > 1}
        if (len(set(values)) < len(values))
        else set()
    )


def _of_the_topic(noted, seen):
    events = [each for each in seen.messages if not each.is_placeholder]
    ids_by_index = dict(seen.entries)
    sent = {each.event_id for each in events}
    return {
        "acknowledged, not in the topic": (
            noted.acknowledged - sent - noted.poisoned
        ),
        "index that never appeared in the topic": (
            ids_by_index.keys() - {each.index for each in seen.messages}
        ),
        "in the topic, not stored": sent - seen.stored.keys(),
        "in the topic with other bytes": {
            each.event_id
            for each in events
            if seen.stored.get(each.event_id, each.sha) != each.sha
        },
        "in the topic under the index of another": {
            each.index
            for each in events
            if ids_by_index.get(each.index) != each.event_id
        },
        "first appearance behind a later one": _overtaken(seen.messages),
        "move of the position backwards": set(seen.retreats),
    }


def _of_the_dead(noted, seen):
    poisoned = {
        index for index, each in seen.entries if each in noted.poisoned
    }
    places = {each.index for each in seen.messages if each.is_placeholder}
    return {
        "dead letter of an event that is not poisoned": seen.dead - poisoned,
        "poisoned, no dead letter": poisoned - seen.dead,
        "dead letter without a placeholder": seen.dead - places,
        "placeholder without a dead letter": places - seen.dead,
    }


def _overtaken(messages):
    """
    Partition and index of what appeared first after something later had.
    """
    highest, known, found = defaultdict(int), defaultdict(set), set()
    for each in messages:
        place = each.partition
        if each.index is None or each.index in known[place]:
            continue
        if each.index < highest[place]:
            found.add((place, each.index))
        known[place].add(each.index)
        highest[place] = max(highest[place], each.index)
    return found

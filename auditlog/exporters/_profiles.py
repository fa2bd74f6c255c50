"""
Events in the shapes of SIEMs, batch by batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.errors import ConfigError, DecodingError
from auditlog.profiles import Profile, profile_named


if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditlog._pages import Page

    from ._tally import Tally


def profile_of(profile: str | Profile) -> Profile:
    """
    The profile that is meant by a name, or by itself.

    Raises:
        ConfigError: If there is none of that name.
    """
    return profile if isinstance(profile, Profile) else profile_named(profile)


def mistakes_of(profile: str | Profile, *, as_json: bool) -> Iterator[str]:
    """
    Why an exporter of JSON, or of lines, can't write *profile*.
    """
    if not isinstance(profile, str | Profile):
        kind = type(profile).__name__
        yield f"'profile' must be a name or a Profile (got {kind})"
        return
    try:
        found = profile_of(profile)
    except ConfigError as exc:
        yield from (f"'profile': {mistake}" for mistake in exc.mistakes)
        return
    if found.is_json != as_json:
        kind = "JSON" if found.is_json else "no JSON"
        exporter = "JSONExporter" if found.is_json else "LinesExporter"
        yield (
            f"'profile': {found.name!r} writes {kind}; "
            f"use {exporter}(profile={found.name!r})"
        )


def rendered(page: Page, profile: Profile, tally: Tally) -> list[bytes]:
    """
    The lines of those records that can be read; all are counted.
    """
    lines = []
    written = []
    for place, record in enumerate(page.records):
        try:
            line = profile.render(record)
        except DecodingError as exc:
            tally.skip_record(record, str(exc))
            continue
        lines.append(line.data)
        written.append(place)
        tally.cut += line.is_cut
    tally.count(page, written)
    return lines


def cut_by(profile: Profile, tally: Tally) -> Iterator[str]:
    """
    What a person should know of events that *profile* has cut.
    """
    if tally.cut:
        yield (
            f"{tally.cut:,} events were cut to what {profile} can hold; "
            "the whole ones are where they were exported from"
        )

"""
Moments as a person names them.
"""

from __future__ import annotations

import re

from datetime import UTC, datetime, timedelta


FORMS = (
    "today, yesterday, now, 15m, 2h, 7d (ago), 2026-01-05, "
    "2026-01-05T11:00, 2026-01-05T11:00+01:00, or milliseconds since 1970"
)

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MILLISECONDS = re.compile(r"\d{10,14}")


def moment(text: str, now: datetime) -> datetime:
    """
    The moment that *text* names, in UTC unless it says otherwise.

    Raises:
        ValueError: If it names none.
    """
    if text in _DAYS:
        return _midnight(now) - _DAYS[text]
    if text == "now":
        return now
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _UNITS[ago[2]]
    if _MILLISECONDS.fullmatch(text):
        return _EPOCH + timedelta(milliseconds=int(text))
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_DAYS = {"today": timedelta(0), "yesterday": timedelta(days=1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )

"""
What a look at a part of the set-up found, whichever part that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from auditlog.errors import MissingExtraError


if TYPE_CHECKING:
    from auditlog.errors import AuditLogError


State: TypeAlias = Literal["ok", "warning", "failed", "skipped"]


@attrs.frozen
class Finding:
    """
    One thing that was looked at, and what is to be done about it.

    Holds neither a secret nor the content of an event.

    Attributes:
        check:
            What was looked at, as a name that stays the same, such as
            ``database.schema``.

        state:
            ``ok``; ``warning`` if it works but should be otherwise;
            ``failed`` if it doesn't work; ``skipped`` if it could not be
            looked at, or isn't needed.

        detail: What was found, in a sentence without a full stop.

        way_out: What to do about it, if there is something to do.

    .. versionadded:: 0.1.0
    """

    check: str
    state: State
    detail: str
    way_out: str | None = None

    @classmethod
    def of_error(
        cls, check: str, error: AuditLogError, way_out: str | None = None
    ) -> Finding:
        """
        The finding that an *error* of ours is.

        Our messages say the way out behind the last semicolon; an extra that
        is missing says what to install.

        Args:
            way_out: What to do if the error doesn't say.
        """
        is_extra = isinstance(error, MissingExtraError)
        mark = ": " if is_extra else "; "
        detail, found, rest = str(error).rpartition(mark)
        if not found:
            return cls(check, "failed", rest, way_out)
        return cls(check, "failed", detail, rest)

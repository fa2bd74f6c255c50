"""
A text that never shows itself.
"""

from __future__ import annotations

import hmac

from typing import final

from auditlog.errors import ConfigError


_MASK = "***"

_LEFT_BEHIND = (
    "a secret does not travel in a pickle; load the config in the process "
    "that uses it"
)


@final
class Secret:
    """
    A password, a URL with a password, or other text to keep out of sight.

    Shows as ``***`` wherever it is printed, formatted or logged. It is no
    `str`, so that joining or encoding it by accident is a `TypeError`.

    A pickle carries no value: what comes out of it shows the same, but cannot
    be revealed. A process that needs the value loads its own config.

    Not promised: that a debugger, or a core dump, cannot find the text.

    Args:
        value: The text to keep.

    .. versionadded:: 0.1.0
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise ConfigError(
                [f"a secret must be text (got {type(value).__name__})"]
            )
        self._value: str | None = value

    def reveal(self) -> str:
        """
        The text itself.

        Raises:
            ConfigError: If this object came out of a pickle.
        """
        if self._value is None:
            raise ConfigError([_LEFT_BEHIND])
        return self._value

    def __eq__(self, other: object) -> bool:
        """
        Compare in a time that does not depend on where the texts differ.
        """
        if not isinstance(other, Secret):
            return NotImplemented
        if self._value is None or other._value is None:
            return self._value is other._value
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        """
        Equal secrets have equal hashes.
        """
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        """
        The same for every secret.
        """
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        """
        The same for every secret.
        """
        return _MASK

    def __format__(self, spec: str) -> str:
        """
        The mask, aligned as asked.
        """
        return format(_MASK, spec)

    def __copy__(self) -> Secret:
        """
        Itself: it never changes.
        """
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        """
        Itself: it never changes.
        """
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """
        Pickle everything but the value.
        """
        return (_without_value, ())


def _without_value() -> Secret:
    secret = Secret("")
    secret._value = None  # noqa: SLF001
    return secret


def _bytes(secret: Secret) -> bytes:
    # An environment may hold bytes that are no UTF-8, as lone surrogates.
    return secret.reveal().encode("utf-8", "surrogatepass")

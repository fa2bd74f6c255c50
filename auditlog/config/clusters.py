"""
The clusters that are known at the moment.
"""

from __future__ import annotations

import logging

from typing import TYPE_CHECKING

from auditlog.errors import ClusterNotFoundError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .model import ClusterConfig


log = logging.getLogger("auditlog.config")


class ClusterRegistry:
    """
    The clusters that are known, and who wants to know of a new one.

    An application may add and remove clusters while it runs. A relay that
    waits for one is woken at once.

    Safe to use from several threads and after a fork.

    Args:
        clusters: The clusters that are known from the beginning.

    .. versionadded:: 0.1.0
    """

    # There is no lock that a fork could leave held: every change is one
    # step of a dict, and what is iterated over is a copy.

    def __init__(self, clusters: Iterable[ClusterConfig] = ()) -> None:
        self._clusters = {each.id: each for each in clusters}
        self._callbacks: dict[object, Callable[[], object]] = {}

    def add(self, cluster: ClusterConfig) -> None:
        """
        Make *cluster* known, in place of another with its ID, if any.

        Then calls all subscribers, in this thread. One that raises is logged
        and keeps no other from being called.
        """
        self._clusters[cluster.id] = cluster
        for callback in self._callbacks.copy().values():
            self._call(callback)

    def remove(self, id: str) -> ClusterConfig:  # noqa: A002
        """
        Forget the cluster with that *id*, and return it.

        Connections that were made to it stay as they are.

        Raises:
            ClusterNotFoundError: If none has it.
        """
        cluster = self._clusters.pop(id, None)
        if cluster is None:
            raise ClusterNotFoundError(id, self.ids())
        return cluster

    def get(self, id: str) -> ClusterConfig:  # noqa: A002
        """
        The cluster with that *id*.

        Raises:
            ClusterNotFoundError: If none has it; says which are known.
        """
        cluster = self._clusters.get(id)
        if cluster is None:
            raise ClusterNotFoundError(id, self.ids())
        return cluster

    def ids(self) -> tuple[str, ...]:
        """
        The IDs that are known, in the order in which they came.
        """
        return tuple(self._clusters.copy())

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """
        Have *callback* called after each :meth:`add`.

        It is kept until it is unsubscribed. It runs in the thread that adds
        and should be quick; `threading.Event.set` is a good one.

        Returns:
            What unsubscribes it again, and does nothing the second time.
        """
        ticket = object()
        self._callbacks[ticket] = callback

        def unsubscribe() -> None:
            self._callbacks.pop(ticket, None)

        return unsubscribe

    def _call(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception:
            log.exception("a subscriber to new clusters failed")

    def __repr__(self) -> str:
        """
        The IDs that are known.
        """
        return f"<ClusterRegistry {' '.join(map(repr, self.ids()))}>"

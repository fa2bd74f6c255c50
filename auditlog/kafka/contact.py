"""
Asks a cluster something, and gives the true reason if it doesn't answer.
"""

from __future__ import annotations

import importlib
import sys
import warnings

from typing import TYPE_CHECKING, TypeVar

from auditlog.errors import AuditLogError, MissingExtraError

from .errors import SETUP, UnreachableError
from .probe import check_reachable


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from auditlog.config import ClusterConfig

    from .driver import Admin

    T = TypeVar("T")


# Seconds for the first contact with a cluster, and for each answer.
CONTACT = 5.0

_DRIVER = "auditlog.kafka.driver"


def load_driver(what: str) -> ModuleType:
    """
    The module `driver`, which loads kafka-python.

    Raises:
        MissingExtraError: If that is not installed; *what* needs it.
    """
    if _DRIVER in sys.modules:
        # Not out of there: another thread may be half way through.
        return importlib.import_module(_DRIVER)
    try:
        with warnings.catch_warnings():
            # kafka-python reads its schemas in a way that is deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            return importlib.import_module(_DRIVER)
    except ImportError as exc:
        raise MissingExtraError(what, "kafka") from exc


def reach(
    cluster: ClusterConfig, servers: Sequence[str] | None = None
) -> None:
    """
    Return if *cluster* answers and takes our login.

    Args:
        servers: Its brokers, by default those to begin with.

    Raises:
        UnreachableError: If it does not answer, with the reason.

        RefusedLoginError: If it refuses the login.

        UntrustedError: If one side refuses the other's certificate.

        ConfigError: If the cluster's properties can't be used.
    """
    login = load_driver("reach()").login
    check_reachable(
        servers or cluster.bootstrap_servers,
        cluster.client(),
        login,
        CONTACT,
    )


def ask(cluster: ClusterConfig, question: Callable[[Admin], T]) -> T:
    """
    What *question* finds out.

    Raises:
        UnreachableError: If the cluster does not answer, with the reason.

        Exception: As :func:`reach`, or what *question* raises.
    """
    driver = load_driver("ask()")
    reach(cluster)
    with driver.Admin(cluster, timeout=CONTACT) as admin:
        try:
            answer: T = question(admin)
        except AuditLogError:
            raise
        except Exception as exc:
            if type(exc).__name__ not in SETUP:
                _check_addresses(cluster, admin)
            raise
    return answer


def _check_addresses(cluster: ClusterConfig, admin: Admin) -> None:
    """
    A client goes on to the addresses that the brokers tell it.
    """
    told = admin.addresses()
    if not told:
        return
    try:
        reach(cluster, told)
    except UnreachableError as exc:
        raise UnreachableError(
            f"{', '.join(cluster.bootstrap_servers)} answers, but says that "
            f"the brokers are at {', '.join(told)}: {exc}; see the brokers' "
            "advertised.listeners"
        ) from None

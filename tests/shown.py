"""
All ways of looking at a config or at the error that came instead.
"""

from __future__ import annotations

import copy
import pickle
import traceback

import attrs

from auditlog.errors import ConfigError


# Stands in for a secret; no message has it by chance.
CANARY = "c4n4ry"


def everything_shown(call):
    """
    What *call* gives or raises, in every way of looking at it.
    """
    try:
        found = call()
    except ConfigError as exc:
        yield from _shown_by_error(exc)
    else:
        yield from _shown_by_config(found)


def _shown_by_error(exc):
    yield str(exc)
    yield repr(exc)
    yield repr(exc.args)
    yield repr(pickle.dumps(exc, 0))
    yield "".join(traceback.format_exception(exc))
    cause = exc
    while cause := cause.__cause__ or cause.__context__:
        yield repr(cause) + repr(vars(cause))


def _shown_by_config(config):
    yield repr(config)
    yield str(config)
    yield f"{config}"
    yield repr(attrs.asdict(config))
    yield repr(attrs.astuple(config))
    yield repr(pickle.dumps(config, 0))
    yield repr(copy.deepcopy(config))

"""
Texts to begin with: the examples that the other tests have anyway.
"""

from __future__ import annotations

import importlib.util

from collections.abc import Mapping
from pathlib import Path

from auditlog.config import AuditLogConfig
from auditlog.config.settings import table
from auditlog.config.topics import _KNOWN
from auditlog.config.translation import _MODULES, _UNDERSTOOD
from tests.shown import CANARY


UNIT = Path(__file__).parents[1] / "unit"

MODULES = {
    "properties": ["test_client_properties", "test_config_leaks"],
    "login": ["test_client_properties"],
    "url": ["test_config_model", "test_config_leaks"],
    "environment": ["test_config_env", "test_config_env_file"],
    "topic": ["test_config_model", "test_client_properties"],
}


def seeds(target):
    """
    The texts of up to 10,000 characters for *target*, each once.
    """
    found = [
        text
        for name in MODULES[target]
        for text in _examples(_module(name))
        if len(text) < 10_000
    ]
    return list(dict.fromkeys(map(_FORMS.get(target, str), found)))


def words():
    """
    Names that mean something, and what stands for a secret.
    """
    variables = (
        _short(name(*[0] * each.dotted.count("[]")))
        for each in table(AuditLogConfig)
        for name in (each.variable, each.own_variable)
    )
    return sorted(
        {CANARY, *_UNDERSTOOD, *_KNOWN, *_MODULES, *variables}
        | {"-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "_FILE"}
        | {*_MODULES.values(), "SASL_SSL", "${", "%2F", "host=", "password="}
    )


def _module(name):
    spec = importlib.util.spec_from_file_location(name, UNIT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _examples(module):
    for name, value in vars(module).items():
        for mark in getattr(value, "pytestmark", ()):
            if mark.name == "parametrize":
                yield from _texts(mark.args[1])
        if name.isupper():
            yield from _texts(value)


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        if all(isinstance(each, str) for each in value.values()):
            yield "\n\n".join(f"{name}={text}" for name, text in value.items())
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _texts(each)


def _short(text):
    # As the target reads them: one letter for a prefix.
    return text.replace("CDK_", "c").replace("AUDITLOG_", "a")


_FORMS = {
    "login": lambda text: text.rpartition("sasl.jaas.config=")[2],
    "environment": _short,
    "url": lambda text: text.rpartition("postgresql://")[2],
}

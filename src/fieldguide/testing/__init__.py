"""For people who extend Fieldguide: contract suites, and toy tasks that need no files and no weights.

    from fieldguide.testing import check_approach
    check_approach(MyApproach())
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_HOMES = {
    "check_approach": "check_approach",
    "check_kind": "check_kind",
    "check_model": "check_model",
    "larger_toy_task": "toys",
    "make_world": "worlds",
    "toy_form_task": "toy_forms",
    "toy_pair_spec": "toys",
    "toy_pair_task": "toys",
    "toy_pairs": "toys",
    "toy_rows": "toys",
    "toy_spec": "toys",
    "toy_task": "toys",
    "toy_tasks": "check_approach",
    "worlds": "worlds",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fieldguide.testing' has no attribute {name!r}; it has {', '.join(_HOMES)}")
    return getattr(importlib.import_module(f"fieldguide.testing.{_HOMES[name]}"), name)


class _Package(ModuleType):
    """A submodule of the same name, once it is imported, does not hide the function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

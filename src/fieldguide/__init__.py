"""Fieldguide measures every way to solve a language task on your own rows and hands over the winner.

The names below load on first use, so that importing the package stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["decide", "evaluate", "load", "predict"]

if TYPE_CHECKING:
    from fieldguide.api import decide, evaluate, load, predict


def __getattr__(name: str) -> Any:
    if name in __all__:
        from fieldguide import api

        return getattr(api, name)
    raise AttributeError(f"module 'fieldguide' has no attribute {name!r}")

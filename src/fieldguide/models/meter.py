"""Metering below the approach: every model call records its usage into whichever meters are open around it.

Approaches never touch this. `Approach.fit` and `Solver.predict` open a meter; the model's public methods record into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from fieldguide.errors import BudgetSpent
from fieldguide.records import Usage


@dataclass
class Meter:
    """Adds up what is recorded while it is open. `calls_limit` and `usd_limit` stop a spender before the call that would pass them."""

    usage: Usage = Usage()
    calls_limit: float = float("inf")
    usd_limit: float = float("inf")


_open: ContextVar[tuple[Meter, ...]] = ContextVar("fieldguide_meters", default=())
_fresh: ContextVar[bool] = ContextVar("fieldguide_fresh", default=False)


@contextmanager
def metering(calls_limit: float = float("inf"), usd_limit: float = float("inf")) -> Iterator[Meter]:
    """Open a meter; meters nest, and a call is recorded in each that is open."""
    meter = Meter(calls_limit=calls_limit, usd_limit=usd_limit)
    token = _open.set((*_open.get(), meter))
    try:
        yield meter
    finally:
        _open.reset(token)


def record(usage: Usage) -> None:
    """Add to every open meter. Called by models, never by approaches."""
    for meter in _open.get():
        meter.usage = meter.usage + usage


def check(calls: int, usd: float = 0.0) -> None:
    """Raise `BudgetSpent` if a call of this size would pass an open meter's limit. Called by models before they spend."""
    for meter in _open.get():
        if meter.usage.calls + calls > meter.calls_limit or meter.usage.cost_usd + usd > meter.usd_limit:
            raise BudgetSpent(f"The next {calls} calls would pass the spend limit ({meter.usage.calls} calls and ${meter.usage.cost_usd:.4f} are spent).")


@contextmanager
def uncached() -> Iterator[None]:
    """Inside this block no model answers from a cache of earlier answers: latency is measured as a new row would see it."""
    token = _fresh.set(True)
    try:
        yield
    finally:
        _fresh.reset(token)


def may_use_cache() -> bool:
    return not _fresh.get()

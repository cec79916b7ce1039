"""Metering below the approach: every model call records its usage into whichever meters are open around it.

Approaches never touch this. `Approach.fit` and `Solver.predict` open a meter; the model's public methods record into it. A
backend that pays for each attempt holds the most it could cost before it sends it and settles it afterwards, so that a limit
is kept by many attempts at once. Meters travel with the context (`contextvars`): a backend that answers in a thread of its own
runs there in a copy of the caller's context.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from fieldguide.errors import BudgetSpent
from fieldguide.records import Usage, plain

ROUNDING = 1e-9
"""The part of a limit by which sums of floats may pass it."""

_lock = threading.RLock()


@dataclass
class Meter:
    """Adds up what is recorded while it is open. The limits stop a spender before the call that would pass them."""

    usage: Usage = Usage()
    calls_limit: float = float("inf")
    usd_limit: float = float("inf")
    tokens_limit: float = float("inf")
    """Prompt and completion tokens together; kept by backends that are billed by the token."""
    held: Usage = Usage()
    """What calls in flight have spent or may yet spend."""

    def check(self, more: Usage) -> None:
        """Raise `BudgetSpent` if this much more would pass a limit."""
        total = self.usage + self.held + more
        for unit, reached, limit in (
            ("calls", total.calls, self.calls_limit),
            ("dollars", total.cost_usd, self.usd_limit),
            ("tokens", total.prompt_tokens + total.completion_tokens, self.tokens_limit),
        ):
            if reached > limit * (1 + ROUNDING):
                raise BudgetSpent(f"The next call could bring the total to {reached:,.6g} {unit}, which would pass the spend limit of {limit:,.6g}.")


_open: ContextVar[tuple[Meter, ...]] = ContextVar("fieldguide_meters", default=())
_fresh: ContextVar[bool] = ContextVar("fieldguide_fresh", default=False)
_calling: ContextVar[Call | None] = ContextVar("fieldguide_call", default=None)


@contextmanager
def metering(calls_limit: float = float("inf"), usd_limit: float = float("inf"), tokens_limit: float = float("inf")) -> Iterator[Meter]:
    """Open a meter; meters nest, and a call is recorded in each that is open."""
    meter = Meter(calls_limit=calls_limit, usd_limit=usd_limit, tokens_limit=tokens_limit)
    token = _open.set((*_open.get(), meter))
    try:
        yield meter
    finally:
        _open.reset(token)


def record(usage: Usage) -> None:
    """Add to every open meter. Called by models, never by approaches."""
    with _lock:
        for meter in _open.get():
            meter.usage = meter.usage + usage


def check(calls: int, usd: float = 0.0) -> None:
    """Raise `BudgetSpent` if a call of this size would pass an open meter's limit. Called by models before they spend."""
    with _lock:
        for meter in _open.get():
            meter.check(Usage(calls=calls, cost_usd=usd))


class Call:
    """One call of a model's public method, from its first check to its record."""

    def __init__(self, calls: int) -> None:
        self._meters, self._held, self._unsettled = _open.get(), Usage(), Usage()
        self._total: Usage | None = None
        self._closed = False
        self.settled = Usage()
        """What attempts have cost so far, for backends that settle attempt by attempt."""
        self._calls, self._began = calls, time.perf_counter()
        with _lock:
            self._take(Usage(calls=calls))

    def done(self, usage: Usage) -> None:
        """The whole usage of a call that was answered; its `calls` are attempts beyond one a prompt."""
        self._total = replace(usage, calls=usage.calls + self._calls)

    def close(self) -> None:
        """Record the call: whole if it was answered, else what was settled before it failed, and what may yet be billed in full."""
        with _lock:
            self._closed = True
            self._change(_negative(self._held))
            usage = replace(self._total or self.settled + self._unsettled, seconds=time.perf_counter() - self._began)
            for meter in self._meters:
                meter.usage = meter.usage + usage

    def hold(self, most: Usage) -> None:
        """Take the most that an attempt may cost from every limit."""
        with _lock:
            if self._closed:
                raise BudgetSpent("The call that this attempt belongs to has ended; nothing more may be spent on it.")
            self._take(most)
            self._unsettled = self._unsettled + replace(most, calls=1)

    def settle(self, most: Usage, usage: Usage) -> None:
        """Put what an attempt cost in the place of the most that it might have; a call that has ended has counted it already."""
        with _lock:
            if not self._closed:
                self._unsettled = self._unsettled + _negative(replace(most, calls=1))
                self._change(_negative(most))
                self._change(replace(usage, calls=0, seconds=0.0, cached_tokens=0))
                self.settled = self.settled + usage

    def _take(self, most: Usage) -> None:
        for meter in self._meters:
            meter.check(most)
        self._change(most)

    def _change(self, by: Usage) -> None:
        self._held = self._held + by
        for meter in self._meters:
            meter.held = meter.held + by


def _negative(usage: Usage) -> Usage:
    return Usage(*(-value for value in plain(usage).values()))


@contextmanager
def call(calls: int) -> Iterator[Call]:
    """Around the work of one public call. Raises `BudgetSpent` if that many calls would pass a limit."""
    own = Call(calls)
    token = _calling.set(own)
    try:
        yield own
    finally:
        _calling.reset(token)
        own.close()


class Hold:
    """What an attempt may cost at most, taken from the limits until it is settled, once."""

    def __init__(self, most: Usage) -> None:
        self._most, self._call = most, _calling.get()
        if self._call:
            self._call.hold(most)

    def settle(self, usage: Usage) -> None:
        """What the attempt did cost, or may have: an attempt whose answer never came is settled at what it could have cost.

        Its `calls` are the attempts made, 1 as a rule; they count if the call as a whole fails.
        """
        call, self._call = self._call, None
        if call:
            call.settle(self._most, usage)


def hold(*, prompt_tokens: int, completion_tokens: int, cost_usd: float) -> Hold:
    """Take the most that an attempt may cost from every limit, before it is sent. Raises `BudgetSpent` if it would pass one."""
    return Hold(Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, cost_usd=cost_usd))


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

"""How fast a server may be asked: how many attempts at once, and how long to wait before the next."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from fieldguide.errors import ModelError


@dataclass(frozen=True)
class Patience:
    """How long, how often and how widely to ask."""

    attempts: int = 8
    """Of one request."""
    timeout_s: float = 120.0
    """From sending an attempt to the last byte of its answer."""
    connect_s: float = 10.0
    first_wait_s: float = 0.5
    """The longest first wait. It doubles with each attempt; the wait itself is drawn evenly from none to it ("full jitter")."""
    longest_wait_s: float = 30.0
    longest_asked_s: float = 300.0
    """A server that asks for a longer wait than this ends the call."""
    start: int = 4
    """Attempts in flight at first."""
    cap: int = 64
    """Attempts in flight at most."""

    def wait_s(self, turn: int) -> float:
        """How long to wait after attempt number `turn` (from 0) has failed."""
        return random.uniform(0, min(self.longest_wait_s, self.first_wait_s * 2**turn))


class Gate:
    """How many attempts may be in flight (Chiu and Jain 1989: additive increase, multiplicative decrease).

    One more after each success until the first setback, then one more a round trip; half after an overload, at most once a round trip.
    A wait that the server asks for holds for all.
    """

    def __init__(self, start: int, cap: int) -> None:
        self.limit, self.cap = float(max(1, min(start, cap))), max(1, cap)
        self.active = 0
        self.widest, self.narrowest = 0, int(self.limit)
        """The most attempts that were ever in flight together, and the least that the limit ever was."""
        self._steep, self._last_cut, self._resume = True, 0.0, 0.0
        self._queue: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """A place in flight; gives the time at which it was taken."""
        if self.active < int(self.limit) and not self._queue:
            self.active += 1
        else:
            await self._queued()
        try:
            while (left := self._resume - time.monotonic()) > 0:
                await asyncio.sleep(left)
            self.widest = max(self.widest, self.active)
            yield time.monotonic()
        finally:
            self._leave()

    def succeeded(self) -> None:
        self.limit = min(self.cap, self.limit + (1 if self._steep else 1 / self.limit))
        self._admit()

    def overloaded(self, began: float) -> None:
        """An attempt that began at this time met an overload."""
        if began >= self._last_cut:
            self._steep, self._last_cut, self.limit = False, time.monotonic(), max(1.0, self.limit / 2)
            self.narrowest = min(self.narrowest, int(self.limit))

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._resume = max(self._resume, time.monotonic() + seconds)

    async def _queued(self) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # admitted and cancelled at once
                self._leave()
            raise

    def _leave(self) -> None:
        self.active -= 1
        self._admit()

    def _admit(self) -> None:
        while self._queue and self.active < int(self.limit):
            place = self._queue.popleft()
            if not place.done():
                self.active += 1
                place.set_result(None)


def asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait: retry-after-ms, or Retry-After as seconds or as a date (RFC 9110, section 10.2.3)."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / scale)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0.0


def from_environment(name: str, otherwise: float) -> float:
    """A number above 0 from an environment variable, or `otherwise` where it is not set. Raises `ModelError` if it is no such number."""
    text = os.environ.get(name, "").strip()
    try:
        number = float(text) if text else otherwise
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ModelError(f"The environment variable {name} must be a number above 0, but it is {text!r}.")
    return number

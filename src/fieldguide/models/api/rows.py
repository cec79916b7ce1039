"""Many rows at once: a coroutine for each, under one budget and one gate, in an event loop of their own."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import httpx2

from fieldguide.errors import BudgetSpent, FieldguideError, ModelError
from fieldguide.models.api.pace import Patience
from fieldguide.models.http import Asker, GaveUp, Judge, Rejected
from fieldguide.records import Usage

Failed = TypeVar("Failed", bound=Exception)

HOPELESS = 8
"""So many rows given up while nothing at all was answered, and the rest are not tried: the server is down."""


@dataclass
class Outcome:
    """What became of each row, and of the money. Rows are numbered as they were given."""

    answers: dict[int, Any] = field(default_factory=dict)
    rejected: dict[int, Rejected] = field(default_factory=dict)
    given_up: dict[int, GaveUp] = field(default_factory=dict)
    stopped: FieldguideError | None = None
    """Why rows were left unasked, if some were: `BudgetSpent`, or a `ModelError` that any row would meet."""
    usage: Usage = Usage()
    """Of all attempts; its calls are the attempts that may have been billed and gave no answer."""
    widest: int = 0
    narrowest: int = 0
    """See `Gate`."""


Row = Callable[[Asker], Awaitable[Any]]


def gather(rows: Sequence[Row], patience: Patience, *, url: str, local: bool, secret: Callable[[], str], judge: Judge = lambda no: None) -> Outcome:
    """Run every row, in a loop of its own in a thread of its own, so that it works inside a running loop too.

    Each attempt has a connection of its own, so that bytes which a server sends too many can never become another row's answer. `secret`
    gives the bearer key (or ""), read when it is needed and kept nowhere. Proxies of the environment are used unless `local`.
    """

    async def main() -> Outcome:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        waits = httpx2.Timeout(patience.timeout_s, connect=patience.connect_s, pool=None)
        tls = _authorities() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with httpx2.AsyncClient(
            auth=_Bearer(secret), verify=tls, limits=limits, timeout=waits, trust_env=not local, headers={"Connection": "close"}
        ) as client:
            return await _run(rows, Asker(client, patience, secret, judge), patience.cap)

    return _in_own_loop(main)


async def _run(rows: Sequence[Row], asker: Asker, width: int) -> Outcome:
    outcome, todo, hopeless, answered = Outcome(), iter(enumerate(rows)), 0, 0.0

    async def work() -> None:
        nonlocal hopeless, answered
        for i, row in todo:
            began = time.monotonic()
            try:
                outcome.answers[i] = await row(asker)
                hopeless, answered = 0, time.monotonic()
            except Rejected as no:
                outcome.rejected[i] = _bare(no)
                hopeless, answered = 0, time.monotonic()
            except GaveUp as up:
                outcome.given_up[i] = _bare(up)
                hopeless += began > answered
                if hopeless == HOPELESS:
                    stop(ModelError(f"{HOPELESS} rows in turn had no answer, so the rest were not asked; of the last: {up}."))
            except BudgetSpent as spent:  # what is in flight may end
                outcome.stopped = outcome.stopped or _bare(spent)
            except ModelError as error:
                stop(error)
            if outcome.stopped:
                return

    def stop(error: ModelError) -> None:
        outcome.stopped = outcome.stopped or _bare(error)
        for worker in workers:
            if worker is not asyncio.current_task():
                worker.cancel()

    workers = [asyncio.ensure_future(work()) for _ in range(min(width, len(rows)))]
    try:
        ended = await asyncio.gather(*workers, return_exceptions=True)
    except BaseException:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        raise
    for failed in ended:
        if isinstance(failed, Exception):
            raise failed
    outcome.usage, outcome.widest, outcome.narrowest = asker.usage, asker.gate.widest, asker.gate.narrowest
    return outcome


def _in_own_loop(main: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
    """The result of `main` from a thread whose context is a copy of this one's; an interrupt here cancels it there, and waits for its end."""
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def begin() -> Outcome:
        running.append((asyncio.get_running_loop(), asyncio.current_task()))
        return await main()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(copy_context().run, lambda: asyncio.run(begin()))
        try:
            return future.result()
        except (KeyboardInterrupt, SystemExit):
            for loop, task in running:
                if task:
                    with suppress(RuntimeError):  # it ended by itself
                        loop.call_soon_threadsafe(task.cancel)
            raise


def _bare(error: Failed) -> Failed:
    """The exception with nothing but its words: no traceback, whose frames hold requests, and no exception before it."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


class _Bearer(httpx2.Auth):
    """Puts the key into a request as it leaves, so that it stands in no variable of ours."""

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret

    def auth_flow(self, request: httpx2.Request) -> Any:
        if self._secret():
            request.headers["Authorization"] = f"Bearer {self._secret()}"
        yield request


@cache
def _authorities() -> ssl.SSLContext:
    """Whom to trust in TLS, read once a process."""
    return httpx2.create_ssl_context()

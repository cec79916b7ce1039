"""Attempts at a paid HTTP server: time-outs, retries, and a hold on the budget before each.

Nothing here knows which API is spoken. An attempt that may have reached the server is paid for, whatever came back: at what the answer
says, or else at the most it could cost.

Exceptions that leave these functions are made of words alone: an HTTP library's exception holds the request, and so the key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from fieldguide.errors import BudgetSpent, ModelError
from fieldguide.models import meter
from fieldguide.models.api.pace import Gate, Patience, asked_wait
from fieldguide.records import Usage

SECRET_LENGTH = 20
"""Keys at least this long are cut out of answers too; shorter ones ("none", "EMPTY") could be words of an answer."""


@dataclass(frozen=True)
class Ask:
    """One request. `body` None is a GET. `read` gives the answer and its usage (None if the server told none), or raises `Unusable`."""

    url: str
    body: Mapping[str, Any] | None
    most: Usage
    """The most that one attempt may cost."""
    read: Callable[[Any], tuple[Any, Usage | None]]


class Unusable(Exception):
    """A well-formed answer without what was asked for. It is asked for again; `usage` is what it cost, where it said."""

    def __init__(self, reason: str, usage: Usage | None = None) -> None:
        super().__init__(reason)
        self.usage = usage


class Rejected(Exception):
    """The server will not take this request, and would not if it came again."""

    def __init__(self, status: int, words: str, data: Any, ask: Ask) -> None:
        super().__init__(words)
        self.status, self.words, self.data, self.ask = status, words, data, ask


class GaveUp(Exception):
    """Every attempt failed; the words are those of the last. `reached` is whether the server ever answered."""

    def __init__(self, words: str, reached: bool) -> None:
        super().__init__(words)
        self.reached = reached


class _Again(Exception):
    """An attempt that failed in a way that another may not."""

    def __init__(self, reason: str, *, billed: Usage | None = None, free: bool = False, slow: bool = False, wait: float = 0.0, reached: bool = True):
        super().__init__(reason)
        self.billed, self.free, self.slow, self.wait, self.reached = billed, free, slow, wait, reached


Make = Callable[[], Ask]
"""Called for each attempt, at the moment at which it may go out: what was learned while it waited counts. What it raises ends the asking."""
Judge = Callable[[Rejected], Exception | None]
"""A refusal → what to raise for it, or None to judge it by its status."""


@dataclass
class _Attempt:
    spent: Usage
    """The most, until it is known to be less."""
    answered: bool = False
    sent: bool = False
    """Whether any of it has left."""

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        self.sent = self.sent or event.endswith("send_request_headers.started")


class Asker:
    """Sends a call's attempts: one budget and one gate for all of them."""

    def __init__(self, client: httpx2.AsyncClient, patience: Patience, secret: Callable[[], str], judge: Judge) -> None:
        self._client, self._patience, self._secret, self._judge = client, patience, secret, judge
        self.gate = Gate(patience.start, patience.cap)
        self.usage = Usage()
        self._holds, self._settled, self._spent = 0, asyncio.Event(), ""

    async def ask(self, make: Make) -> Any:
        """The answer. Raises `Rejected`, `GaveUp`, `BudgetSpent`, or what `judge` made of a refusal."""
        reached = False
        for turn in range(self._patience.attempts):
            failed: _Again | None = None
            try:
                return await self._attempt(make)
            except _Again as again:
                failed = again
            reached = reached or failed.reached
            if turn + 1 < self._patience.attempts:
                await asyncio.sleep(self._patience.wait_s(turn))
        raise GaveUp(str(failed), reached)

    async def _attempt(self, make: Make) -> Any:
        async with self.gate.turn() as began:
            ask = make()
            hold = await self._hold(ask.most)
            attempt = _Attempt(replace(ask.most, calls=1))
            try:
                answer, usage = await self._exchange(ask, attempt)
                attempt.spent, attempt.answered = replace(usage or ask.most, calls=0), True
                self.gate.succeeded()
                return answer
            except _Again as again:
                attempt.spent = Usage() if again.free else replace(again.billed, calls=1) if again.billed else attempt.spent
                if again.slow:
                    self.gate.overloaded(began)
                self._wait_for(again.wait)
                raise
            except Rejected as no:
                attempt.spent = attempt.spent if no.status >= 500 else Usage()
                raise
            except ModelError:
                attempt.spent = Usage()
                raise
            finally:
                spent = attempt.spent if attempt.sent else Usage()
                hold.settle(replace(spent, calls=spent.calls + attempt.answered))
                self.usage = self.usage + spent
                self._holds -= 1
                self._settled.set()

    async def _hold(self, most: Usage) -> meter.Hold:
        """Take it from the budget; where attempts in flight hold too much of that, wait until one has settled for less."""
        while not self._spent:
            self._settled.clear()
            try:
                hold = meter.hold(prompt_tokens=most.prompt_tokens, completion_tokens=most.completion_tokens, cost_usd=most.cost_usd)
            except BudgetSpent as spent:
                words = str(spent)
            else:
                self._holds += 1
                return hold
            if self._holds:
                await self._settled.wait()
            else:
                self._spent = words
        self._settled.set()
        raise BudgetSpent(self._spent)

    def _wait_for(self, seconds: float) -> None:
        if seconds > self._patience.longest_asked_s:
            raise ModelError(f"The server asks to wait {seconds:.0f} s before the next request; ask again later.")
        if seconds > 0:
            self.gate.pause(seconds)

    async def _exchange(self, ask: Ask, attempt: _Attempt) -> tuple[Any, Usage | None]:
        """One request and what came of it. No exception of the HTTP library leaves here, neither as a cause nor as a context."""
        failed: Exception | None = None
        try:
            async with asyncio.timeout(self._patience.timeout_s):
                response = await self._send(ask, attempt)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            failed = _Again(f"no connection could be made ({self._clean(str(error)) or type(error).__name__})", reached=False)
        except (TimeoutError, httpx2.TimeoutException):
            failed = _Again(f"no whole answer came within {self._patience.timeout_s:g} s", slow=True, reached=False)
        except (httpx2.LocalProtocolError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            failed = ModelError(f"The request to {ask.url} cannot be sent ({type(error).__name__}); check the address and the key.")
        except (httpx2.HTTPError, OSError) as error:
            failed = _Again(f"the connection broke before the whole answer had come ({type(error).__name__})")
        if failed:
            raise failed
        attempt.sent = True
        if not 200 <= response.status_code < 300:
            raise self._refusal(response, ask)
        data = self._parsed(response)
        try:
            return ask.read(data)
        except Unusable as unusable:
            failed = _Again(str(unusable), billed=unusable.usage)
        raise failed

    async def _send(self, ask: Ask, attempt: _Attempt) -> httpx2.Response:
        traced = {"trace": attempt.trace}
        if ask.body is None:
            response = await self._client.get(ask.url, extensions=traced)
        else:
            content = json.dumps(ask.body, ensure_ascii=False).encode("utf-8", "replace")
            response = await self._client.post(ask.url, content=content, headers={"Content-Type": "application/json"}, extensions=traced)
        response.request.headers.pop("Authorization", None)  # a traceback may hold the response
        return response

    def _parsed(self, response: httpx2.Response) -> Any:
        try:
            return self._without_key(json.loads(response.content))
        except (ValueError, RecursionError):
            pass
        raise _Again("the answer was not whole JSON")

    def _refusal(self, response: httpx2.Response, ask: Ask) -> Exception:
        status = response.status_code
        try:
            data = self._without_key(json.loads(response.content))
        except (ValueError, RecursionError):
            data = None
        no = Rejected(status, self._clean(_words(data) or response.text[:300].strip() or response.reason_phrase), data, ask)
        if 300 <= status < 400:
            return ModelError(f"The server answered {ask.url} with a redirect ({status}), which is not followed; give the address that it leads to.")
        if judged := self._judge(no):
            return judged
        if status in (408, 409, 425, 429) or status >= 500:
            reason = f"the server answered {status}: {no.words}"
            return _Again(reason, free=status < 500, slow=status in (408, 429, 503, 504, 529), wait=asked_wait(response.headers))
        return no

    def _clean(self, text: str) -> str:
        secret = self._secret()
        return text.replace(secret, "[key]") if secret else text

    def _without_key(self, data: Any) -> Any:
        """The data, with a key that the server echoes cut out of its texts."""
        if len(self._secret()) < SECRET_LENGTH or json.dumps(self._secret())[1:-1] not in json.dumps(data):
            return data
        if isinstance(data, dict):
            return {self._clean(name): self._without_key(value) for name, value in data.items()}
        if isinstance(data, list):
            return [self._without_key(value) for value in data]
        return self._clean(data) if isinstance(data, str) else data


def _words(data: Any) -> str:
    """The server's own words in an error, in the forms that are common: {"error": {"message"}}, {"message"}, {"detail"}."""
    if isinstance(data, dict):
        return next((words for name in ("error", "message", "detail", "msg") if name in data and (words := _words(data[name]))), "")
    if isinstance(data, list):
        return "; ".join(filter(None, map(_words, data)))
    return " ".join(data.split())[:600].rstrip(".") if isinstance(data, str) else ""

"""A server on 127.0.0.1 that speaks OpenAI's HTTP API over real sockets, and misbehaves as it is told. Standard library only.

It answers a prompt with a text derived from that prompt, so that a mixed-up answer shows, and writes down every request, what it did to it,
and what it would have billed for it. `faults` maps the name of a fault to how often it strikes; which request it strikes depends on the
seed, the prompt and the attempt alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


def answer_to(prompt: str, place: int = 0) -> str:
    """What the server says to a prompt: words that no other prompt gets."""
    digest = hashlib.blake2b(f"{prompt}\0{place or ''}".encode("utf-8", "replace"), digest_size=6).hexdigest()
    return f" answer {digest[:6]} {digest[6:]}"


def tokens_of(text: str) -> int:
    return len(text.split()) or 1


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    began: float
    fault: str = ""
    billed: tuple[int, int, int] | None = None
    """(prompt tokens, completion tokens, cached tokens) that the server would have billed, None for nothing."""
    together: int = 0
    """Requests being answered when it came, itself among them."""

    @property
    def prompt(self) -> str:
        if len(self.body.get("messages", ())) > 1:
            return json.dumps(self.body["messages"])
        return self.body["messages"][0]["content"] if "messages" in self.body else self.body.get("prompt", "")


@dataclass
class Reply:
    """What goes back. `length` is the length it claims, `keep` how many bytes of the body it sends, `times` how often it sends the whole."""

    status: int = 200
    data: Any = None
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    keep: int | None = None
    times: int = 1
    delay: float = 0.0

    def bytes(self) -> bytes:
        body = self.raw if self.raw is not None else json.dumps(self.data).encode()
        length = len(body) if self.length is None else self.length
        lines = [f"HTTP/1.1 {self.status} X", "Content-Type: application/json", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body[: self.keep]


Script = Callable[["FaultyServer", Seen], Reply | None]
"""Decides a reply before the server does; None leaves it to the server."""


class FaultyServer:
    """`with FaultyServer(...) as server: … server.url`. The thread that it runs in ends with the block."""

    def __init__(
        self,
        faults: Mapping[str, float] | None = None,
        *,
        seed: int = 0,
        script: Script | None = None,
        models: list[str] | None = None,
        delay: float = 0.0,
    ) -> None:
        self.faults, self.seed, self.script, self.models = dict(faults or {}), seed, script, models
        self.delay = delay
        self.strikes_at_most = 6
        """A prompt is answered well after so many faults."""
        self.seen: list[Seen] = []
        self.active = 0
        self._tries: Counter[str] = Counter()
        self._ready = threading.Event()

    def __enter__(self) -> FaultyServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    @property
    def asked(self) -> list[Seen]:
        """Requests for an answer, in the order in which they came, without the one that asks for a list of models and those that try echo."""
        return [seen for seen in self.seen if seen.method == "POST" and not seen.body.get("echo")]

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, backlog=512)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        await self._end.wait()
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while seen := await self._read(reader):
                self.active += 1
                seen.together = self.active
                self.seen.append(seen)
                try:
                    reply = self._reply(seen)
                    await asyncio.sleep(reply.delay or self.delay)
                    for _ in range(reply.times):
                        writer.write(reply.bytes())
                    await writer.drain()
                finally:
                    self.active -= 1
                if seen.headers.get("connection", "").lower() == "close" or reply.keep is not None or reply.length is not None:
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Seen | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Seen(method, path, headers, json.loads(body) if body else {}, time.monotonic())

    def _reply(self, seen: Seen) -> Reply:
        if self.script and (reply := self.script(self, seen)):
            return reply
        if seen.method == "GET":
            return Reply(200, {"data": [{"id": name} for name in self.models]}) if self.models is not None else Reply(404, {"detail": "Not Found"})
        if seen.body.get("echo"):
            return self.echo(seen)
        self._tries[seen.prompt] += 1
        seen.fault = self._strikes(seen.prompt, self._tries[seen.prompt]) if self._tries[seen.prompt] <= self.strikes_at_most else ""
        return getattr(self, f"_{seen.fault}")(seen) if seen.fault else Reply(data=self.good(seen))

    def echo(self, seen: Seen) -> Reply:
        """What it says to those who try whether it echoes."""
        return Reply(404, {"error": {"message": "This server does not echo."}})

    def _strikes(self, prompt: str, attempt: int) -> str:
        digest = hashlib.blake2b(f"{self.seed}\0{attempt}\0{prompt}".encode("utf-8", "replace"), digest_size=8).digest()
        draw = int.from_bytes(digest, "big") / 2**64
        for fault, share in self.faults.items():
            if draw < share:
                return fault
            draw -= share
        return ""

    def good(self, seen: Seen) -> dict[str, Any]:
        """A whole, right answer in chat or completions form; billed."""
        n, chat = seen.body.get("n", 1), "messages" in seen.body
        texts = [self._say(seen, k) for k in range(n)]
        written = sum(map(tokens_of, texts))
        seen.billed = (tokens_of(seen.prompt), written, 0)
        choices = [self._choice(seen, k, text, chat) for k, text in enumerate(texts)]
        return {"choices": choices, "usage": {"prompt_tokens": seen.billed[0], "completion_tokens": written}}

    def _say(self, seen: Seen, k: int) -> str:
        form = seen.body.get("response_format")
        if form:
            options = form["json_schema"]["schema"]["properties"]["answer"]["enum"]
            return json.dumps({"answer": options[len(seen.prompt) % len(options)]})
        drawn = seen.body.get("seed", 0) * 1000 + k if seen.body.get("temperature") else 0
        return answer_to(seen.prompt, drawn)

    def _choice(self, seen: Seen, k: int, text: str, chat: bool) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": k, "finish_reason": "stop"}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if seen.body.get("logprobs") and chat:
            pieces = [text[i : i + 4] for i in range(0, len(text), 4)]
            choice["logprobs"] = {"content": [{"token": p, "bytes": list(p.encode()), "logprob": -0.25} for p in pieces]}
        return choice

    # The faults. Each gives the reply, and leaves in `seen.billed` what the server would have billed.

    def _busy(self, seen: Seen) -> Reply:
        return Reply(429, {"error": {"message": "Too many requests."}})

    def _busy_says_when(self, seen: Seen) -> Reply:
        return Reply(429, {"error": {"message": "Too many requests."}}, headers={"Retry-After": "0.02"})

    def _broken(self, seen: Seen) -> Reply:
        self.good(seen)
        return Reply(500, {"error": {"message": "Something went wrong."}})

    def _hang(self, seen: Seen) -> Reply:
        return Reply(data=self.good(seen), delay=60.0)

    def _cut(self, seen: Seen) -> Reply:
        return Reply(data=self.good(seen), keep=60)

    def _malformed(self, seen: Seen) -> Reply:
        return Reply(raw=json.dumps(self.good(seen)).encode()[:-9])

    def _not_json(self, seen: Seen) -> Reply:
        self.good(seen)
        return Reply(raw=b"<html>Bad gateway</html>")

    def _no_choices(self, seen: Seen) -> Reply:
        return Reply(data={**self.good(seen), "choices": []})

    def _no_text(self, seen: Seen) -> Reply:
        data = self.good(seen)
        data["choices"][0]["message"] = {"role": "assistant", "content": None}
        return Reply(data=data)

    def _duplicate_choices(self, seen: Seen) -> Reply:
        data = self.good(seen)
        wrong = {"index": 0, "finish_reason": "stop", "message": {"content": "not this one"}}
        data["choices"] = [*data["choices"], wrong, {**wrong, "index": len(data["choices"])}]
        return Reply(data=data)

    def _body_twice(self, seen: Seen) -> Reply:
        return Reply(raw=json.dumps(self.good(seen)).encode() * 2)

    def _reply_twice(self, seen: Seen) -> Reply:
        return Reply(data=self.good(seen), times=2)

    def _length_too_long(self, seen: Seen) -> Reply:
        return Reply(data=self.good(seen), length=10_000)

    def _length_too_short(self, seen: Seen) -> Reply:
        return Reply(data=self.good(seen), length=40)


class ToolServer(FaultyServer):
    """Takes tools as OpenAI's chat completions do: asked in a chat, it calls the first tool with what `asks` makes of the question, and answers with
    what the tool said."""

    asks: Callable[[str], list[str]] = staticmethod(lambda question: [question])
    """A question → the arguments of the calls, each a text, or JSON if it begins with a brace."""

    def _choice(self, seen: Seen, k: int, text: str, chat: bool) -> dict[str, Any]:
        choice = super()._choice(seen, k, text, chat)
        if tools := seen.body.get("tools"):
            last, function = seen.body["messages"][-1], tools[0]["function"]
            (argument,) = function["parameters"]["required"]
            given = [own if own.startswith("{") else json.dumps({argument: own}) for own in self.asks(last["content"])]
            calls = [{"id": f"id{i:07d}", "type": "function", "function": {"name": function["name"], "arguments": own}} for i, own in enumerate(given)]
            if last["role"] == "user" and calls:
                choice |= {"message": {"role": "assistant", "content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}
            else:
                choice["message"] = {"role": "assistant", "content": f"Answer: {last['content']}"}
        return choice


class EchoServer(FaultyServer):
    """Offers /completions with `echo`: a token is a word with the space before it, and its log-probability depends on all before it."""

    shift = 0
    """By how many places it gives the log-probabilities too late; any but 0 is a fault."""
    start = ""
    """A token that it puts before every text."""

    def echo(self, seen: Seen) -> Reply:
        return Reply(data=self._echoed(seen))

    def _echoed(self, seen: Seen) -> dict[str, Any]:
        text = seen.body["prompt"]
        tokens = [self.start] * bool(self.start) + _pieces(text)
        tokens.append(self.next_token(tokens))
        offsets = [sum(map(len, tokens[:k])) for k in range(len(tokens))]
        tables = [self.table(tokens[:k], token) for k, token in enumerate([*tokens, ""])][self.shift :]
        logprobs = [None, *(table.get(token) for token, table in zip(tokens[1:], tables[1:], strict=False))]
        tops = [None, *({max(table, key=table.__getitem__): max(table.values())} for table in tables[1 : len(tokens)])]
        seen.billed = (len(tokens) - 1, 1, 0)
        held = {"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets, "top_logprobs": tops}
        choice = {"index": 0, "text": text + tokens[-1], "finish_reason": "length", "logprobs": held}
        usage = {"prompt_tokens": len(tokens) - 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": (len(tokens) - 1) // 2}}
        return {"choices": [choice], "usage": usage}

    def next_token(self, before: list[str]) -> str:
        return f" {len(before) % 7}"

    def table(self, before: list[str], token: str) -> dict[str, float]:
        """Log-probabilities at a place, of the likeliest token and of `token`."""
        return {token: echo_logprob("".join(before).removeprefix(self.start), token), self.next_token(before): -0.05}


def echo_logprob(before: str, token: str) -> float:
    """What the echo server finds of a token after a text, in nats."""
    digest = hashlib.blake2b(f"{before}\0{token}".encode("utf-8", "replace"), digest_size=4).digest()
    return -0.1 - int.from_bytes(digest, "big") / 2**32 * 9


def _pieces(text: str) -> list[str]:
    """Words, each with the space before it; anything else letter by letter."""
    return re.findall(r" ?[A-Za-z0-9]+|[\s\S]", text)


def nats(text: str, tail: str) -> float:
    """What the echo server's log-probability of `tail` after `text` is, word by word."""
    before, total = text, []
    for piece in _pieces(tail):
        total.append(echo_logprob(before, piece))
        before += piece
    return math.fsum(total)

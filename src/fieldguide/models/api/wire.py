"""What goes over the wire to an OpenAI-compatible server and what comes back: bodies, what a server will not take, choices, usage.

Field names follow OpenAI's reference for /chat/completions and /completions; the deviations handled are those of other servers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fieldguide.models.http import Rejected, Unusable
from fieldguide.models.model import ToolCall
from fieldguide.models.prices import Price
from fieldguide.records import Usage

MESSAGE_TOKENS, TOOL_TOKENS = 128, 512
"""What a server's chat template may add to a message, its default system message included, and to a request with tools."""
STOPS = 4
"""OpenAI takes no more stop strings; all are applied to what comes back."""
_OPTIONAL = ("response_format", "logprobs", "seed", "stop", "n", "temperature")
_UNSUPPORTED = re.compile(
    r"unsupported|unknown|unexpected|unrecogni[sz]ed|\bextra\b|forbidden|only the default|invalid param"
    r"|(?:not|n't|isn't|no)\s+(?:\w+\s+){0,3}(?:support|permit|allow|available|enabled|implemented|accept)",
    re.I,
)


@dataclass(frozen=True)
class Question:
    """What is asked about one prompt, apart from how many samples and their seed."""

    prompt: str
    max_tokens: int
    temperature: float
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    """A JSON schema that the answer is to follow."""
    spare_tokens: int = 0
    """What a model that thinks before it writes may write besides."""
    chat: tuple[Mapping[str, Any], ...] = ()
    """Messages in the place of the prompt."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Functions that the answer may call."""


@dataclass
class Manners:
    """What a server takes, learned from its refusals; shared by all calls of a model. Sets only grow, so that threads need no lock."""

    chat: bool = True
    """Whether it has /chat/completions."""
    proved: bool = False
    """Whether that has answered."""
    renamed: bool = False
    """Whether it wants max_completion_tokens for max_tokens, as OpenAI's models that think before they write do."""
    dropped: set[str] = field(default_factory=set)
    """Parameters that it does not take."""

    @property
    def structured(self) -> bool:
        return self.chat and "response_format" not in self.dropped

    def body(self, model: str, question: Question, want: int, seed: int) -> dict[str, Any]:
        """The request as this server takes it; `want` samples (fewer where it takes no "n")."""
        body: dict[str, Any] = {"model": model, "max_tokens": question.max_tokens, "temperature": question.temperature}
        if self.chat:
            body["messages"] = list(question.chat) or [{"role": "user", "content": question.prompt}]
            body |= {"tools": [{"type": "function", "function": tool} for tool in question.tools]} if question.tools else {"logprobs": True}
        else:
            body |= {"prompt": question.prompt, "logprobs": 1}
        if question.stop:
            body["stop"] = list(question.stop[:STOPS])
        if want > 1:
            body["n"] = want
        if question.temperature > 0:
            body["seed"] = seed
        if question.schema and "json_schema" not in self.dropped:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": question.schema}}
        elif question.schema:
            body["response_format"] = {"type": "json_object", "schema": question.schema}
        if self.renamed:
            body["max_completion_tokens"] = body.pop("max_tokens") + question.spare_tokens
        return {name: value for name, value in body.items() if name not in self.dropped}

    def learn(self, no: Rejected) -> bool:
        """Whether a refusal says how to ask otherwise; if so, that is remembered."""
        sent = no.ask.body or {}
        if no.status in (404, 405) and "messages" in sent:
            if self.proved or names_model(no):
                return False
            self.chat = False
            return True
        named = objection(no)
        if named == "max_tokens":
            self.renamed = True
        elif named == "response_format" and sent[named]["type"] == "json_schema" and "json_object" in no.words:
            self.dropped.add("json_schema")  # llama-cpp-python takes the schema beside "json_object"
        elif named:
            self.dropped.add(named)
        return bool(named)


def objection(no: Rejected) -> str:
    """The parameter that a refusal names as one the server does not take; empty if it names none that can be done without."""
    sent = no.ask.body or {}
    if no.status not in (400, 422, 500, 501):
        return ""
    unsupported = bool(_UNSUPPORTED.search(no.words)) or _code(no) in {"unsupported_parameter", "unsupported_value", "extra_forbidden"}
    pointed = set(_pointed(no.data))
    if "max_tokens" in sent and "max_completion_tokens" in no.words and ("max_tokens" in pointed or unsupported):
        return "max_tokens"
    for name in _OPTIONAL:
        quoted = re.search(rf"['\"`]{name}(?:['\"`]|\.)" if len(name) < 5 else rf"(?<!\w){name}(?!\w)", no.words)
        mentioned = bool(quoted) or name in pointed
        # A temperature that is only too high is the caller's mistake; a schema that a server cannot use can always be done without.
        sure = name == "response_format" or (name in pointed and name != "temperature" and no.status < 500)
        if name in sent and mentioned and (sure or unsupported):
            return name
    return ""


def names_model(no: Rejected) -> bool:
    """Whether a refusal says that there is no such model."""
    return _code(no) == "model_not_found" or bool(re.search(r"\bmodels?\b.*\b(?:not\s+(?:exist|found)|unknown|no\s+such)", no.words, re.I | re.S))


def of_this_row(no: Rejected) -> bool:
    """Whether a refusal certainly concerns one row alone: its content, or its length."""
    code = _code(no)
    return no.status == 413 or code.startswith(("content_", "context_length", "string_above_max"))


def out_of_money(no: Rejected) -> bool:
    return _code(no) == "insufficient_quota"


def _code(no: Rejected) -> str:
    error = no.data.get("error", no.data) if isinstance(no.data, dict) else {}
    return str(error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""


def _pointed(data: Any) -> Iterator[str]:
    """Parameter names that an error points at: OpenAI's `param`, and `loc` of FastAPI's lists."""
    if isinstance(data, dict):
        if isinstance(data.get("param"), str):
            yield data["param"].split(".")[0].split("[")[0]
        for part in data["loc"] if isinstance(data.get("loc"), list) else ():
            yield str(part)
        for value in data.values():
            yield from _pointed(value)
    elif isinstance(data, list):
        for value in data:
            yield from _pointed(value)


@dataclass(frozen=True)
class Choice:
    """One sample as the server gave it. `refused` says why there is no text."""

    text: str
    finish: str
    refused: str = ""
    logprobs: tuple[tuple[bytes, float], ...] = ()
    """Each token's text as UTF-8 and its log-probability in nats; empty where not told."""
    tokens: int = 0
    calls: tuple[ToolCall, ...] = ()


def read_choices(data: Any, want: int, usage: Usage | None, most: Usage) -> list[Choice]:
    """At most `want` choices with distinct places; further and repeated ones are left out. Raises `Unusable` if there is none."""
    entries = data.get("choices") if isinstance(data, dict) else None
    found: dict[int, Choice] = {}
    problems = []
    for place, entry in enumerate(entries if isinstance(entries, list) else ()):
        index = entry.get("index", place) if isinstance(entry, dict) else want
        if isinstance(index, int) and 0 <= index < want and index not in found:
            choice = _choice(entry)
            if isinstance(choice, Choice):
                found[index] = choice
            else:
                problems.append(choice)
    if not found:
        error = data.get("error") if isinstance(data, dict) else None
        told = f"; it says {json.dumps(error)[:300]}" if error else f" ({problems[0]})" if problems else ""
        raise Unusable(f"the answer held no usable choice{told}", usage)
    return _with_tokens([found[i] for i in sorted(found)], (usage or most).completion_tokens)


def _choice(entry: Mapping[str, Any]) -> Choice | str:
    """The choice, or what is wrong with it."""
    finish = entry.get("finish_reason")
    message = entry.get("message")
    holder = message if isinstance(message, dict) else entry
    text = holder.get("content", holder.get("text"))
    if isinstance(text, list):  # in parts
        text = "".join(str(part.get("text", "")) for part in text if isinstance(part, dict))
    if isinstance(refusal := holder.get("refusal"), str) and refusal:
        return Choice("", "refused", refusal)
    if finish == "content_filter":
        return Choice("", "refused", "the provider's content filter")
    calls = read_calls(holder)
    if text is None and (calls or finish in ("tool_calls", "function_call")):
        return Choice("", "refused", "it called a tool and wrote no text", calls=calls)
    if finish == "error":
        return "its finish reason is an error"
    if text is None and finish == "length":  # it thought until its tokens were used up
        text = ""
    if not isinstance(text, str):
        return "it has no text"
    if not text and not isinstance(finish, str):
        return "its text is empty and no reason is given"
    ended = "length" if finish in ("length", "max_tokens") else "stop"
    return Choice(text, ended, logprobs=_logprobs(entry.get("logprobs")), calls=calls)


def read_calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The calls of tools in a message. Some servers give arguments as an object, and no id."""
    entries, found = message.get("tool_calls"), list[ToolCall]()
    for place, entry in enumerate(entries if isinstance(entries, list) else ()):
        called = entry.get("function") if isinstance(entry, dict) else None
        if isinstance(called, dict) and isinstance(name := called.get("name"), str):
            arguments = called.get("arguments")
            told = arguments if isinstance(arguments, str) else json.dumps(arguments)
            found.append(ToolCall(str(entry.get("id") or f"call{place:05d}"), name, told))
    return tuple(found)


def _logprobs(data: Any) -> tuple[tuple[bytes, float], ...]:
    """Both forms: {"content": [{"token", "bytes", "logprob"}]} of chat, and {"tokens", "token_logprobs"} of completions."""
    if not isinstance(data, dict):
        return ()
    pairs: list[tuple[Any, Any]] = []
    if isinstance(data.get("content"), list):
        for entry in data["content"]:
            if not isinstance(entry, dict):
                return ()
            raw: Any = entry.get("bytes")
            exact = isinstance(raw, list) and all(isinstance(b, int) and 0 <= b < 256 for b in raw)
            pairs.append((bytes(raw) if exact else entry.get("token"), entry.get("logprob")))
    elif isinstance(data.get("tokens"), list) and isinstance(data.get("token_logprobs"), list):
        pairs = list(zip(data["tokens"], data["token_logprobs"], strict=False))
    found = []
    for token, logprob in pairs:
        if not isinstance(token, (str, bytes)) or isinstance(logprob, bool) or not isinstance(logprob, (int, float)) or not math.isfinite(logprob):
            return ()
        found.append((token.encode("utf-8", "replace") if isinstance(token, str) else token, min(float(logprob), 0.0)))
    return tuple(found)


def _with_tokens(choices: list[Choice], written: int) -> list[Choice]:
    """The tokens of each choice: as many as it has log-probabilities where these add up, else equal shares of what was billed."""
    told = [len(c.logprobs) for c in choices]
    shares = told if sum(told) == written else [u.completion_tokens for u in Usage(completion_tokens=written).split(len(choices))]
    return [replace(c, tokens=share) for c, share in zip(choices, shares, strict=True)]


def read_usage(data: Any, price: Price) -> Usage | None:
    """What an answer says that it cost; None if it does not say it in whole numbers."""
    usage = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    prompt, written = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    counts = [0 if n is None else n for n in (prompt, written, cached)]
    if prompt is None or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in counts):
        return None
    sent, wrote, found = counts[0], counts[1], min(counts[2], counts[0])
    return Usage(prompt_tokens=sent, completion_tokens=wrote, cached_tokens=found, cost_usd=price.cost(sent, wrote, found))


def path_of(body: Mapping[str, Any]) -> str:
    """Where a body belongs."""
    return "/chat/completions" if "messages" in body else "/completions"


def most_usage(body: Mapping[str, Any], price: Price) -> Usage:
    """The most that a request can cost: a token for each byte of its text, and all the tokens that its samples may hold.

    A tokeniser that falls back to bytes, as those of language models do, makes no more tokens of a text than it has bytes in UTF-8 (a few
    ligatures that a normaliser spells out aside); what the chat template may add is `MESSAGE_TOKENS` a message, and `TOOL_TOKENS` for tools.
    English prose has about four bytes a token, so this holds back more than is then billed.
    """
    messages = body.get("messages", ())
    texts = [message.get("content") or "" for message in messages] or [body.get("prompt", "")]
    beside = [body.get("response_format"), body.get("tools"), *(message.get("tool_calls") for message in messages)]
    texts += [json.dumps(part, ensure_ascii=False) for part in beside if part]
    sent = sum(len(text.encode("utf-8", "replace")) for text in texts) + MESSAGE_TOKENS * max(len(messages), 1) + TOOL_TOKENS * ("tools" in body)
    written = body.get("n", 1) * (body.get("max_tokens") or body["max_completion_tokens"])
    return Usage(prompt_tokens=sent, completion_tokens=written, cost_usd=price.most(sent, written))

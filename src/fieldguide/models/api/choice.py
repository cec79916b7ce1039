"""A choice among options over HTTP: how it is asked, and how a sample is read. The prompt stands at the foot."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from fieldguide.models.api.wire import Choice, Question
from fieldguide.models.model import Generation, Reply
from fieldguide.models.options import option_meant, span_of

THINKING_TOKENS = 2048
"""What a model that thinks first may write beside a choice."""


def continuation(choice: Choice, stop: Sequence[str]) -> Generation:
    """A sample, cut before the first stop string (some servers leave it in, some take none)."""
    if choice.refused:
        return Generation("", choice.tokens, "refused", reason=choice.refused)
    cut = min((at for mark in stop if mark and (at := choice.text.find(mark)) >= 0), default=None)
    if cut is not None:
        return Generation(choice.text[:cut], choice.tokens, "stop")
    return Generation(choice.text, choice.tokens, choice.finish, math.fsum(p for _, p in choice.logprobs) if choice.logprobs else None)


def replied(choice: Choice) -> Reply:
    """A sample as a message that may call tools."""
    if choice.calls:
        return Reply(choice.text, choice.tokens, "calls", calls=choice.calls)
    return Reply(choice.text, choice.tokens, choice.finish, reason=choice.refused)


def shown_options(options: Sequence[str]) -> list[str]:
    """Options as they go over the wire: without spaces around them, unless that makes two alike or one empty."""
    bare = [option.strip() for option in options]
    return bare if all(bare) and len(set(bare)) == len(set(options)) else list(options)


def chosen(choice: Choice, options: Sequence[str], shown: Sequence[str]) -> Generation:
    """The option that a sample means, as it was given; a sample that means none comes back as it was written."""
    place = None if choice.refused else option_meant(choice.text, shown)
    if place is None:
        return continuation(choice, ())
    return Generation(options[place], choice.tokens, "stop", _spelled(choice, shown[place]))


def _spelled(choice: Choice, option: str) -> float | None:
    """The log-probability of the tokens that spell the option in the sample, in nats; a token that it shares with what is around counts."""
    span = span_of(choice.text, option, last=choice.text.lstrip().startswith("{"))
    text = choice.text.encode("utf-8", "replace")
    if span is None or not choice.logprobs or not b"".join(token for token, _ in choice.logprobs).startswith(text):
        return None
    start, end = (len(choice.text[:at].encode("utf-8", "replace")) for at in span)
    total, at = 0.0, 0
    for token, logprob in choice.logprobs:
        if at < end and at + len(token) > start:
            total += logprob
        at += len(token)
    return total


def held_question(prompt: str, shown: Sequence[str], temperature: float) -> Question:
    """Structured output: the server holds the answer to {"answer": one of the options}."""
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(dict.fromkeys(shown))}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    longest = max(len(json.dumps({"answer": option})) for option in shown)
    return Question(prompt, longest + 16, temperature, schema=schema, spare_tokens=THINKING_TOKENS)


def plain_question(prompt: str, shown: Sequence[str], temperature: float) -> Question:
    """For a server that holds no answer to a schema: the prompt says it."""
    asked = CHOOSE.format(prompt=prompt, options="\n".join(f"- {option}" for option in dict.fromkeys(shown)))
    longest = max(len(option.encode("utf-8", "replace")) for option in shown)
    return Question(asked, longest + 32, temperature, spare_tokens=THINKING_TOKENS)


CHOOSE = """{prompt}

Answer with exactly one of these, as it is written here and with nothing else:
{options}"""

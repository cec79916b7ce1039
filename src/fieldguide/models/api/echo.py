"""Scoring over HTTP: a server that echoes a text with its tokens' log-probabilities is asked for prompt and option as one text.

OpenAI's /completions offers this with `echo` and `logprobs`; vLLM and llama-cpp-python follow it. One token is asked for besides the
echo, and left out: none at all is refused by some servers, and taken for "no limit" by others. Whether the prompt that options share
is computed once is the server's affair.

A server is believed only after a trial: the token that it would write next, put behind the text, must be the likeliest there. This finds
llama-cpp-python 0.3.36 out, which gives each token the log-probability of the place after it where a model begins no text with a token
of its own.
"""

from __future__ import annotations

import math
from typing import Any

from fieldguide.models import text as texts
from fieldguide.models.http import Unusable

PROBE = "1 2 3 4 5 6 7"
NOTHING = "\n"
"""What stands for an empty prompt: the first token of a text has no probability, so an option cannot come first."""
FLOOR = -9999.0
"""In the place of minus infinity, in nats."""
SLACK = 0.1
"""By so many nats a likeliest token may lie below the top: two requests need not be computed alike."""


def parted(prompt: str, option: str) -> tuple[str, str]:
    """Prompt and option as they are tokenised: spaces at the prompt's end move to the option (see `engine.requests`)."""
    head, tail = texts.parted(prompt, option)
    return head or NOTHING, tail


def echo_body(model: str, head: str, tail: str) -> dict[str, Any]:
    return {"model": model, "prompt": head + tail, "max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 1}


def option_logprobs(data: Any, head: str, tail: str) -> tuple[float, ...]:
    """The log-probabilities of the option's tokens, in nats: those that begin in `tail`, or else the one that it ends in.

    Raises `Unusable` if the answer does not echo the text with its log-probabilities.
    """
    logprobs, places = _places(data, head, tail)
    found = [logprobs[k] for k in places]
    if not found or any(isinstance(v, bool) or not isinstance(v, (int, float)) or math.isnan(v) for v in found):
        raise Unusable("the answer has no log-probabilities for the option")
    return tuple(min(max(float(v), FLOOR), 0.0) for v in found)


def written(data: Any, text: str) -> str:
    """What the server wrote behind the text that it echoed. Raises `Unusable` if it echoed another, or wrote nothing."""
    option_logprobs(data, text[:-1], text[-1:])
    said = data["choices"][0].get("text")
    if not isinstance(said, str) or not said.startswith(text) or len(said) == len(text):
        raise Unusable("the answer does not continue the text")
    return said[len(text) :]


def likeliest(data: Any, head: str, tail: str) -> bool:
    """Whether the first token of the tail, which the server wrote there itself, is the likeliest at its place, as it must be."""
    (own, *_), (_, places) = option_logprobs(data, head, tail), _places(data, head, tail)
    tops = data["choices"][0]["logprobs"].get("top_logprobs")
    top = tops[places[0]] if isinstance(tops, list) and len(tops) > places[0] else None
    return isinstance(top, dict) and bool(top) and own >= max(top.values()) - SLACK


def _places(data: Any, head: str, tail: str) -> tuple[list[Any], list[int]]:
    """(the log-probabilities of all tokens, the places of the tail's)."""
    tokens, logprobs, offsets = _echoed(data)
    text = head + tail
    first = offsets[0]
    if len(tokens) > 1 and tokens[1] and not text.startswith(tokens[0]) and text.startswith(tokens[1]):
        first = offsets[1]  # a token that begins every text was put before it
    places = [k for k, offset in enumerate(offsets) if len(head) <= offset - first < len(text)]
    if not places:  # prompt and option have merged into one token
        places = [k for k, offset in enumerate(offsets) if offset - first < len(head)][-1:]
    return logprobs, places


def _echoed(data: Any) -> tuple[list[str], list[Any], list[int]]:
    try:
        held = data["choices"][0]["logprobs"]
        tokens, logprobs, offsets = held["tokens"], held["token_logprobs"], held["text_offset"]
        if len(tokens) == len(logprobs) == len(offsets) > 0 and all(isinstance(o, int) for o in offsets) and all(isinstance(t, str) for t in tokens):
            return tokens, logprobs, offsets
    except (LookupError, TypeError):
        pass
    raise Unusable("the answer does not echo the text with its log-probabilities")

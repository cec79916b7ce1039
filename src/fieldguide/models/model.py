"""The seam: what Fieldguide asks of a language model, and no more.

An author of a backend writes the private half (`_score`, `_generate`, `_reply`, `_embed`, `_weights`) for the abilities that its
`facts.can` names; the public half here validates, times, meters and remembers, so that no call can go uncounted.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import Unsupported
from fieldguide.models.answers import PLAIN, VECTORS, answered
from fieldguide.records import Usage

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before it is asked anything."""

    reference: str
    """The string that names it ("minilm-l6", "hf:org/name@revision")."""
    identity: str
    """Changes whenever an answer could: a hash of weights, or provider, name and revision. Part of every cache key."""
    can: frozenset[str]
    """Abilities out of {"score", "generate", "tools", "embed", "weights"}."""
    numerics: str = "float32"
    """The precision it computes in, where that moves an answer's last digits. Part of the key of a remembered answer, not of identity."""
    type: str = ""
    """"encoder", "causal", "encoder-decoder" or "api"."""
    parameters: int | None = None
    compute_parameters: int | None = None
    """Parameters that take part in a matrix product for each token (input embeddings looked up, not multiplied, are left out)."""
    context: int | None = None
    """The longest input, in tokens."""
    dims: int | None = None
    """Length of an embedding."""
    licence: str = "unknown"
    open: bool = True
    local: bool = True
    """Whether texts stay on this machine."""
    usd_per_million_prompt: float = 0.0
    usd_per_million_cached: float = 0.0
    """Prompt tokens that the provider found in its own prompt cache."""
    usd_per_million_completion: float = 0.0
    price_date: str = ""


@dataclass(frozen=True)
class Scores:
    """Log-probabilities of options, in nats: `totals[i][j]` is log p(option j | prompt i), `tokens[i][j]` its per-token parts."""

    totals: tuple[tuple[float, ...], ...]
    tokens: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True)
class Generation:
    """One sampled or greedy continuation. `finish` is "stop", "length" or "refused" (see `reason`)."""

    text: str
    tokens: int
    finish: str
    logprob: float | None = None
    """Sum of its tokens' log-probabilities at temperature 1, in nats, where the model tells."""
    reason: str = ""
    """Why the model, or its provider, gave no text for this prompt (a content filter, say); empty where it did."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool, as a model asks for it. `arguments` is JSON as the model wrote it, well formed or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply(Generation):
    """A model's next message in a chat. One that calls tools finishes by "calls", with text beside them or without."""

    calls: tuple[ToolCall, ...] = ()


class Model(ABC):
    """A language model behind a narrow seam. Any ability may be absent; asking for it raises `Unsupported`."""

    facts: ModelFacts

    def score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> Scores:
        """log p(option | prompt) for each prompt's own options, in nats, whole and per token.

        Prompt and option are tokenised as one string (spaces at the end of a prompt move to the option), so that scores
        equal those of a model that reads the text as written. An empty option list or option is an error of the caller.
        """
        self._need("score")
        _check_options(prompts, options)

        def ask(places: list[int]) -> tuple[list[Any], Usage]:
            scores, usage = self._score([prompts[i] for i in places], [options[i] for i in places])
            return [[list(t) for t in own] for own in scores.tokens], usage

        found = answered(self.facts, "score", [[p, list(own)] for p, own in zip(prompts, options, strict=True)], ask)
        tokens = tuple(tuple(tuple(t) for t in own) for own in found)
        return Scores(tuple(tuple(math.fsum(t) for t in own) for own in tokens), tokens)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_tokens: int = 64,
        stop: Sequence[str] = (),
        n: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[list[Generation]]:
        """`n` continuations of each prompt, cut before the first stop string. Temperature 0 is greedy; otherwise `seed` decides."""
        self._need("generate")

        def ask(places: list[int]) -> tuple[list[Any], Usage]:
            return self._generate([prompts[i] for i in places], max_tokens=max_tokens, stop=tuple(stop), n=n, temperature=temperature, seed=seed)

        how = [max_tokens, sorted(set(stop)), n, float(temperature), seed if temperature > 0 else None]
        return answered(self.facts, "generate", [[p, *how] for p in prompts], ask, each=n, code=_GENERATIONS)

    def reply(self, chats: Sequence[Sequence[Mapping[str, Any]]], tools: Sequence[Mapping[str, Any]], *, max_tokens: int = 256) -> list[Reply]:
        """The next message of each chat, which may call `tools`: greedy, and one call of the model each.

        Messages are those of OpenAI's chat completions, which most servers and chat templates share: {"role", "content"}, with "tool_calls" where
        the assistant called tools and "tool_call_id" where a tool answers. A tool is {"name", "description", "parameters": a JSON schema}.
        """
        if "tools" not in self.facts.can:
            raise Unsupported(f"The model {self.facts.reference!r} takes no tools; it can: {', '.join(sorted(self.facts.can)) or 'nothing'}.")

        def ask(places: list[int]) -> tuple[list[Any], Usage]:
            return self._reply([chats[i] for i in places], tools, max_tokens=max_tokens)

        return [own[0] for own in answered(self.facts, "reply", [[chat, tools, max_tokens] for chat in chats], ask, code=_REPLIES)]

    def choose(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]], *, n: int = 1, temperature: float = 0.0, seed: int = 0
    ) -> list[list[Generation]]:
        """`n` answers to each prompt, held to its own options.

        A model that can score takes the most likely option, or draws one from softmax(log p(option | prompt) / temperature). One
        that can only generate is held to the options as far as its backend can; a text that is none of them comes back as written.
        """
        if not self.facts.can & {"score", "generate"}:
            self._need("generate")
        _check_options(prompts, options)

        def ask(places: list[int]) -> tuple[list[Any], Usage]:
            return self._choose([prompts[i] for i in places], [options[i] for i in places], n=n, temperature=temperature, seed=seed)

        how = [n, float(temperature), seed if temperature > 0 else None]
        questions = [[p, list(own), *how] for p, own in zip(prompts, options, strict=True)]
        return answered(self.facts, "choose", questions, ask, each=1 if "score" in self.facts.can else n, code=_GENERATIONS)

    def log_likelihoods(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """(log p of the whole text in nats, its tokens) for each text that is not empty.

        A text longer than the context is read in windows that follow one another: all but the last are conditioned on the one token
        before them, the last on as many as fit. These are the windows of lm-evaluation-harness 0.4.13 (`loglikelihood_rolling`).
        """
        self._need("score")
        if not all(texts):
            raise ValueError("A text must hold at least one character.")
        found = answered(self.facts, "read", list(texts), lambda places: self._log_likelihoods([texts[i] for i in places]))
        return [(float(total), int(tokens)) for total, tokens in found]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit-length embeddings, float32, shape (texts, dims)."""
        self._need("embed")
        if not texts:
            return np.zeros((0, self.facts.dims or 0), dtype=np.float32)
        return np.stack(answered(self.facts, "embed", list(texts), lambda places: self._embed([texts[i] for i in places]), code=VECTORS))

    def weights(self) -> torch.nn.Module:
        """A copy of the network to tune, probe or look inside; forward and backward passes through it are metered."""
        self._need("weights")
        return self._weights()

    # The author's half. Each but the last returns its answer and the usage of the call: `seconds` are filled in here, and so is one call
    # a prompt, so that `calls` are attempts beyond that. A backend that fails part of the way raises `Incomplete`.

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        raise NotImplementedError

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        raise NotImplementedError

    def _reply(
        self, chats: Sequence[Sequence[Mapping[str, Any]]], tools: Sequence[Mapping[str, Any]], *, max_tokens: int
    ) -> tuple[list[list[Reply]], Usage]:
        raise NotImplementedError

    def _choose(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]], *, n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        if "score" not in self.facts.can:
            longest = max(len(option) for own in options for option in own)
            return self._generate(prompts, max_tokens=longest + 4, stop=("\n",), n=n, temperature=temperature, seed=seed)
        scores, usage = self._score(prompts, options)
        return [
            [_pick(p, own, parts, temperature, (seed, k)) for k in range(n)] for p, own, parts in zip(prompts, options, scores.tokens, strict=True)
        ], usage

    def _log_likelihoods(self, texts: Sequence[str]) -> tuple[list[tuple[float, int]], Usage]:
        scores, usage = self._score([""] * len(texts), [[text] for text in texts])
        return [(math.fsum(parts), len(parts)) for (parts,) in scores.tokens], usage

    def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        raise NotImplementedError

    def _weights(self) -> torch.nn.Module:
        raise NotImplementedError

    def _need(self, ability: str) -> None:
        if ability not in self.facts.can:
            has = ", ".join(sorted(self.facts.can)) or "nothing"
            raise Unsupported(f"The model {self.facts.reference!r} cannot {ability}; it can: {has}.")


_GENERATIONS = (PLAIN[0], lambda data: [Generation(**g) for g in PLAIN[1](data)])
_REPLIES = (PLAIN[0], lambda data: [Reply(**{**r, "calls": tuple(ToolCall(**c) for c in r["calls"])}) for r in PLAIN[1](data)])


def _check_options(prompts: Sequence[str], options: Sequence[Sequence[str]]) -> None:
    if len(prompts) != len(options):
        raise ValueError(f"One option list a prompt is needed; {len(prompts)} prompts and {len(options)} lists came.")
    if any(not own or not all(own) for own in options):
        raise ValueError("Each prompt needs at least one option, and no option may be empty.")


def _pick(prompt: str, options: Sequence[str], parts: Sequence[Sequence[float]], temperature: float, draw: tuple[int, int]) -> Generation:
    """The most likely option, or one drawn by the Gumbel-max trick from a generator that the prompt and `draw` seed."""
    totals = np.array([math.fsum(p) for p in parts])
    if temperature > 0:
        own = hashlib.blake2b(f"{draw}\0{prompt}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        noisy = totals / temperature + np.random.default_rng(int.from_bytes(own, "big")).gumbel(size=len(totals))
    else:
        noisy = totals
    best = int(np.argmax(noisy))
    return Generation(options[best], tokens=len(parts[best]), finish="stop", logprob=float(totals[best]))

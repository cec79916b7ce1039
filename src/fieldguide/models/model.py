"""The seam: what Fieldguide asks of a language model, and no more.

An author of a backend writes the private half (`_score`, `_generate`, `_embed`, `_weights`) for the abilities that its
`facts.can` names; the public half here validates, times and meters, so that no call can go uncounted.
"""

from __future__ import annotations

import time
from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import Unsupported
from fieldguide.models import meter
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
    """Abilities out of {"score", "generate", "embed", "weights"}."""
    type: str
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
    usd_per_million_completion: float = 0.0
    price_date: str = ""


@dataclass(frozen=True)
class Scores:
    """Log-probabilities of options, in nats: `totals[i][j]` is log p(option j | prompt i), `tokens[i][j]` its per-token parts."""

    totals: tuple[tuple[float, ...], ...]
    tokens: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True)
class Generation:
    """One sampled or greedy continuation. `finish` is "stop" or "length"."""

    text: str
    tokens: int
    finish: str
    logprob: float | None = None


class Model(ABC):
    """A language model behind a narrow seam. Any ability may be absent; asking for it raises `Unsupported`."""

    facts: ModelFacts

    def score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> Scores:
        """log p(option | prompt) for each prompt's own options, in nats, whole and per token.

        Prompt and option are tokenised as one string (spaces at the end of a prompt move to the option), so that scores
        equal those of a model that reads the text as written. An empty option list or option is an error of the caller.
        """
        self._need("score")
        if len(prompts) != len(options):
            raise ValueError(f"score needs one option list a prompt; it got {len(prompts)} prompts and {len(options)} lists.")
        if any(not opts or not all(opts) for opts in options):
            raise ValueError("score needs at least one option a prompt, and no option may be empty.")
        if not prompts:
            return Scores((), ())
        return self._metered(len(prompts), lambda: self._score(prompts, options))

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
        if not prompts:
            return []
        return self._metered(
            len(prompts) * n,
            lambda: self._generate(prompts, max_tokens=max_tokens, stop=tuple(stop), n=n, temperature=temperature, seed=seed),
        )

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit-length embeddings, float32, shape (texts, dims)."""
        self._need("embed")
        if not texts:
            return np.zeros((0, self.facts.dims or 0), dtype=np.float32)
        return self._metered(len(texts), lambda: self._embed(texts))

    def weights(self) -> torch.nn.Module:
        """A copy of the network to tune, probe or look inside; forward and backward passes through it are metered."""
        self._need("weights")
        return self._weights()

    # The author's half. Each of the first three returns its answer and the usage of the call; `calls` and `seconds` are filled in here.

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        raise NotImplementedError

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        raise NotImplementedError

    def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        raise NotImplementedError

    def _weights(self) -> torch.nn.Module:
        raise NotImplementedError

    def _need(self, ability: str) -> None:
        if ability not in self.facts.can:
            has = ", ".join(sorted(self.facts.can)) or "nothing"
            raise Unsupported(f"The model {self.facts.reference!r} cannot {ability}; it can: {has}.")

    def _metered(self, calls, ask):
        meter.check(calls)
        start = time.perf_counter()
        answer, usage = ask()
        meter.record(replace(usage, calls=calls, seconds=time.perf_counter() - start))
        return answer

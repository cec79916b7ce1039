"""Causal language models: score options, continue prompts, lend weights."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import torch

from fieldguide.models.engine.requests import Request, make_requests
from fieldguide.models.engine.scoring import DEFAULT_CONTEXT, Scorer
from fieldguide.models.generation import continue_prompts
from fieldguide.models.instrument import metered_copy, size_of
from fieldguide.models.model import Generation, Model, ModelFacts, Scores
from fieldguide.records import Usage


class CausalModel(Model):
    """A decoder of transformers behind the scoring engine. Calls from several threads take turns."""

    tokenizer: Any
    """The model's own tokeniser, for those who tune its weights or count tokens."""

    def __init__(self, module: Any, tokenizer: Any, facts: ModelFacts) -> None:
        self.module, self.tokenizer, self.facts = module.eval(), tokenizer, facts
        self._scorer = Scorer(module, self._context)
        self._size = size_of(module)
        self._turn = threading.Lock()

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        requests = make_requests(self.tokenizer, prompts, options, self._context)
        network = self._scorer.network
        with self._turn:
            computed, projected = network.computed, network.projected
            flat = iter(self._scorer.score([r for own in requests for r in own]))
            computed, projected = network.computed - computed, network.projected - projected
        tokens = tuple(tuple(tuple(next(flat)) for _ in own) for own in requests)
        totals = tuple(tuple(math.fsum(parts) for parts in row) for row in tokens)
        sent, unshared = _sent(requests)
        flops = 2.0 * (self._size.body * computed + self._size.head * projected)
        return Scores(totals, tokens), Usage(prompt_tokens=sent, cached_tokens=max(unshared - computed, 0), forward_flops=flops)

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        with self._turn:
            found, sent = continue_prompts(
                self.module, self.tokenizer, prompts, context=self._context, max_tokens=max_tokens, stop=stop, n=n, temperature=temperature, seed=seed
            )
        written = sum(g.tokens for row in found for g in row)
        flops = 2.0 * (self._size.body * (sent + written) + self._size.head * written)
        return found, Usage(prompt_tokens=sent, completion_tokens=written, forward_flops=flops)

    def _weights(self) -> torch.nn.Module:
        return metered_copy(self.module, self.facts.compute_parameters or 0)

    @property
    def _context(self) -> int:
        return self.facts.context or DEFAULT_CONTEXT


def _sent(requests: Sequence[Sequence[Request]]) -> tuple[int, int]:
    """(tokens sent, tokens that would be computed if nothing were shared but a prompt among its own options).

    A prompt counts once, each of its options in full; an option's last token is sent, but nothing is read after it.
    """
    prompts = sum(max(len(r.prompt) for r in own) for own in requests)
    options = sum(len(r.targets) for own in requests for r in own)
    return prompts + options, prompts + options - sum(len(own) for own in requests)

"""Causal language models: score options, continue prompts, lend weights."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import torch

from fieldguide.models.engine.requests import Request, make_requests
from fieldguide.models.engine.scoring import DEFAULT_CONTEXT, Scorer
from fieldguide.models.generation import continue_plainly, continue_shared, prompt_tokens
from fieldguide.models.instrument import metered_copy, size_of
from fieldguide.models.model import Generation, Model, ModelFacts, Scores
from fieldguide.records import Usage


class CausalModel(Model):
    """A decoder of transformers behind the engine. Calls from several threads take turns."""

    tokenizer: Any
    """The model's own tokeniser, for those who tune its weights or count tokens."""

    def __init__(self, module: Any, tokenizer: Any, facts: ModelFacts, memory_bytes: int | None = None) -> None:
        self.module, self.tokenizer, self.facts = module.eval(), tokenizer, facts
        self._scorer = Scorer(module, facts.context or DEFAULT_CONTEXT, memory_bytes)
        self._size = size_of(module)
        self._turn = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        """What the engine may take beside the weights, in bytes; longer prompts than that holds are refused."""
        return self._scorer.memory_bytes

    @memory_bytes.setter
    def memory_bytes(self, value: int) -> None:
        self._scorer.memory_bytes = value
        self._scorer.network.forget()

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        requests = make_requests(self.tokenizer, prompts, options, self._scorer.context)
        with self._turn:
            before = self._computed()
            flat = iter(self._scorer.score([r for own in requests for r in own]))
            computed, flops = self._computed_since(before)
        tokens = tuple(tuple(tuple(next(flat)) for _ in own) for own in requests)
        totals = tuple(tuple(math.fsum(parts) for parts in row) for row in tokens)
        sent, unshared = _sent(requests)
        return Scores(totals, tokens), Usage(prompt_tokens=sent, cached_tokens=max(unshared - computed, 0), forward_flops=flops)

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        how: dict[str, Any] = {"max_tokens": max_tokens, "stop": stop, "n": n, "temperature": temperature, "seed": seed}
        context = self._scorer.context
        sent = n * sum(map(len, prompt_tokens(self.tokenizer, prompts, max(context - max_tokens, 1))))
        with self._turn:
            shared = self._scorer.trusts()
            before = self._computed()
            if shared:
                found = continue_shared(self._scorer, self.tokenizer, prompts, **how)
            else:
                found = continue_plainly(self.module, self.tokenizer, prompts, context=context, **how)
            computed, flops = self._computed_since(before)
        written = sum(g.tokens for row in found for g in row)
        if not shared:
            flops = 2.0 * (self._size.body * (sent + written) + self._size.head * written)
        cached = max(sent - computed, 0) if shared else 0
        return found, Usage(prompt_tokens=sent, completion_tokens=written, cached_tokens=cached, forward_flops=flops)

    def _computed(self) -> tuple[int, int]:
        return self._scorer.network.computed, self._scorer.network.projected

    def _computed_since(self, before: tuple[int, int]) -> tuple[int, float]:
        """(tokens passed through the network, operations)."""
        computed, projected = (now - then for now, then in zip(self._computed(), before, strict=True))
        return computed, 2.0 * (self._size.body * computed + self._size.head * projected)

    def _weights(self) -> torch.nn.Module:
        with self._turn:
            return metered_copy(self.module, self.facts.compute_parameters or 0)


def _sent(requests: Sequence[Sequence[Request]]) -> tuple[int, int]:
    """(tokens sent, tokens that would be computed if nothing were shared but a prompt among its own options).

    A prompt counts once, each of its options in full; an option's last token is sent, but nothing is read after it.
    """
    prompts = sum(max(len(r.prompt) for r in own) for own in requests)
    options = sum(len(r.targets) for own in requests for r in own)
    return prompts + options, prompts + options - sum(len(own) for own in requests)

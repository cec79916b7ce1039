"""Continuations of a causal model: over a shared forest where the network allows it, else by transformers' own `generate`.

A prompt's samples come from its text, the seed and their number alone, so they do not depend on which other prompts were asked
with it (as far as rounding goes: a batch of another shape moves a logit in its last digits).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fieldguide.errors import ModelError
from fieldguide.models.endings import end_tokens, ends_with_stop, finish, seed_of
from fieldguide.models.engine.decode import Decoder, Limits, Sample
from fieldguide.models.engine.requests import prefix_token
from fieldguide.models.engine.scoring import Scorer
from fieldguide.models.loading import quiet
from fieldguide.models.model import Generation
from fieldguide.models.text import clean

PLAIN_BATCH = 16


def prompt_tokens(tokenizer: Any, prompts: Sequence[str], room: int) -> list[tuple[int, ...]]:
    """Each prompt as at least one token and at most `room`; longer ones lose tokens from the left."""
    encoded = tokenizer([clean(p) for p in prompts], return_attention_mask=False, verbose=False)["input_ids"]
    return [tuple(ids[-room:] or [prefix_token(tokenizer)]) for ids in encoded]


def prompt_room(context: int, max_tokens: int) -> int:
    """Tokens that a prompt may have, so that `max_tokens` more fit the context. Raises `ModelError` where none are left."""
    if not 1 <= max_tokens < context:
        raise ModelError(
            f"max_tokens is {max_tokens:,}, and the model's context of {context:,} tokens must hold the prompt too; ask for 1 to {context - 1:,} tokens."
        )
    return context - max_tokens


def continue_shared(
    scorer: Scorer,
    tokenizer: Any,
    prompts: Sequence[str],
    rows: Sequence[tuple[int, ...]],
    *,
    max_tokens: int,
    stop: tuple[str, ...],
    n: int,
    temperature: float,
    seed: int,
) -> list[list[Generation]]:
    """`n` continuations a prompt, whose tokens are `rows`; every shared token is computed once."""
    model = scorer.network.model
    ends = end_tokens(model, tokenizer)
    stopped = (lambda ids: ends_with_stop(tokenizer, ids, stop)) if stop else None
    copies = n if temperature > 0 else 1
    samples = [
        Sample(i, seed_of(seed, prompt, k) if temperature > 0 else None) for i, prompt in enumerate(prompts) for k in range(copies)
    ]
    Decoder(scorer.network, scorer.room, scorer.memory_bytes).run(rows, samples, Limits(max_tokens, frozenset(ends), stopped, temperature))
    found: list[list[Generation]] = [[] for _ in prompts]
    for sample in samples:
        found[sample.prompt].append(finish(tokenizer, sample.tokens, stop, ends, sample.logprob))
    return [own if temperature > 0 else own * n for own in found]


def continue_plainly(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    rows: Sequence[tuple[int, ...]],
    *,
    max_tokens: int,
    stop: tuple[str, ...],
    n: int,
    temperature: float,
    seed: int,
) -> list[list[Generation]]:
    """The same by transformers' `generate`: left-padded batches when greedy, one prompt at a time when sampled; no log-probabilities."""
    found: list[list[Generation]] = [[] for _ in rows]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    size = 1 if temperature > 0 else PLAIN_BATCH
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        copies = n if temperature > 0 else 1
        draw = seed_of(seed, prompts[batch[0]]) if temperature > 0 else None
        written = _run(model, tokenizer, [rows[i] for i in batch], max_tokens, stop, copies, temperature, draw)
        for place, i in enumerate(batch):
            own = [finish(tokenizer, ids, stop, end_tokens(model, tokenizer)) for ids in written[place * copies : (place + 1) * copies]]
            found[i] = own if temperature > 0 else own * n
    return found


def _run(
    model: Any, tokenizer: Any, rows: Sequence[Sequence[int]], max_tokens: int, stop: tuple[str, ...], copies: int, temperature: float, draw: int | None
) -> list[list[int]]:
    """New token ids of each row (`copies` a prompt, side by side), padding included."""
    from transformers import GenerationConfig

    ends = end_tokens(model, tokenizer)
    blank = next((i for i in (tokenizer.pad_token_id, *ends) if i is not None), 0)
    length = max(map(len, rows))
    ids = torch.tensor([[blank] * (length - len(row)) + list(row) for row in rows], device=model.device)
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=model.device)
    how: dict[str, Any] = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if draw is not None else {"do_sample": False}
    config = GenerationConfig(max_new_tokens=max_tokens, num_return_sequences=copies, eos_token_id=ends or None, pad_token_id=blank, **how)

    def stopped(seen: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.tensor([ends_with_stop(tokenizer, row, stop) for row in seen[:, length:].tolist()], device=seen.device)

    with torch.random.fork_rng(), torch.inference_mode(), quiet():
        torch.manual_seed(draw or 0)
        whole = model.generate(input_ids=ids, attention_mask=mask, generation_config=config, stopping_criteria=[stopped] if stop else None)
    return whole[:, length:].tolist()

"""Continuations by transformers' own `generate`: left-padded batches when greedy, one prompt at a time when sampled.

A prompt's samples come from its text and the seed alone, so they do not depend on which other prompts were asked with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from fieldguide.models.engine.requests import prefix_token
from fieldguide.models.loading import quiet
from fieldguide.models.model import Generation
from fieldguide.models.text import clean

BATCH = 16


def continue_prompts(
    model: Any, tokenizer: Any, prompts: Sequence[str], *, context: int, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
) -> tuple[list[list[Generation]], int]:
    """`n` continuations a prompt, and the prompt tokens computed. Prompts that leave no room lose tokens from the left."""
    room = max(context - max_tokens, 1)
    encoded = tokenizer([clean(p) for p in prompts], return_attention_mask=False, verbose=False)["input_ids"]
    rows = [ids[-room:] or [prefix_token(tokenizer)] for ids in encoded]
    found: list[list[Generation]] = [[] for _ in rows]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    size = 1 if temperature > 0 else BATCH
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        copies = n if temperature > 0 else 1
        draw = _seed(seed, prompts[batch[0]]) if temperature > 0 else None
        written = _run(model, tokenizer, [rows[i] for i in batch], max_tokens, stop, copies, temperature, draw)
        for place, i in enumerate(batch):
            own = [_finish(tokenizer, ids, stop, _ends(model, tokenizer)) for ids in written[place * copies : (place + 1) * copies]]
            found[i] = own if temperature > 0 else own * n
    return found, sum(map(len, rows))


def _run(
    model: Any, tokenizer: Any, rows: list[list[int]], max_tokens: int, stop: tuple[str, ...], copies: int, temperature: float, draw: int | None
) -> list[list[int]]:
    """New token ids of each row (`copies` a prompt, side by side), padding included."""
    from transformers import GenerationConfig

    ends = _ends(model, tokenizer)
    blank = next((i for i in (tokenizer.pad_token_id, *ends) if i is not None), 0)
    length = max(map(len, rows))
    ids = torch.tensor([[blank] * (length - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=model.device)
    how: dict[str, Any] = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if draw is not None else {"do_sample": False}
    config = GenerationConfig(max_new_tokens=max_tokens, num_return_sequences=copies, eos_token_id=ends or None, pad_token_id=blank, **how)

    def stopped(seen: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        texts = tokenizer.batch_decode(seen[:, length:], skip_special_tokens=True)
        return torch.tensor([any(mark in text for mark in stop) for text in texts], device=seen.device)

    with torch.random.fork_rng(), torch.inference_mode(), quiet():
        torch.manual_seed(draw or 0)
        whole = model.generate(input_ids=ids, attention_mask=mask, generation_config=config, stopping_criteria=[stopped] if stop else None)
    return whole[:, length:].tolist()


def _finish(tokenizer: Any, ids: list[int], stop: tuple[str, ...], ends: list[int]) -> Generation:
    """Cut at the first end token, then before the first stop string. Tokens count what was generated, the end token included."""
    at = next((i for i, token in enumerate(ids) if token in ends), None)
    kept = ids if at is None else ids[:at]
    text = tokenizer.decode(kept, skip_special_tokens=True)
    cut = min((place for mark in stop if mark and (place := text.find(mark)) >= 0), default=None)
    if cut is not None:
        used = next((k for k in range(1, len(kept) + 1) if any(m in tokenizer.decode(kept[:k], skip_special_tokens=True) for m in stop if m)), len(kept))
        return Generation(text[:cut], tokens=used, finish="stop")
    return Generation(text, tokens=len(kept) + (at is not None), finish="length" if at is None else "stop")


def _ends(model: Any, tokenizer: Any) -> list[int]:
    own = getattr(model.generation_config, "eos_token_id", None)
    ends = own if isinstance(own, list) else [own]
    return [i for i in dict.fromkeys((*ends, tokenizer.eos_token_id)) if i is not None]


def _seed(seed: int, prompt: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{prompt}".encode("utf-8", "surrogatepass"), digest_size=7).digest(), "big")

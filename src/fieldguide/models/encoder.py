"""Encoders: texts → unit vectors, in batches of like length, no text computed twice.

Legend: B texts in a batch, L tokens in the longest of them, D dims.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from fieldguide.models import meter
from fieldguide.models.instrument import metered_copy
from fieldguide.models.model import Model, ModelFacts
from fieldguide.models.text import clean
from fieldguide.records import Usage

BATCH_TOKENS = 4096
"""Tokens in a batch, padding included: large enough to fill two cores, small enough to stay in their caches."""

REMEMBERED = 200_000
"""Texts whose vectors are kept (about 0.3 GB at 384 dims); past that all are forgotten."""


class EncoderModel(Model):
    """An encoder of transformers, with pooling. Vectors are remembered by text; `uncached()` sets that aside."""

    tokenizer: Any
    """The model's own tokeniser, for those who tune its weights."""

    def __init__(self, module: Any, tokenizer: Any, facts: ModelFacts, pooling: str = "mean") -> None:
        self.module, self.tokenizer, self.facts, self.pooling = module.eval(), tokenizer, facts, pooling
        self._known: dict[bytes, tuple[np.ndarray, int]] = {}
        self._turn = threading.Lock()

    def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        with self._turn:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            return self._look_up(texts)

    def _look_up(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        names = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        fresh = {name: text for name, text in zip(names, texts, strict=True) if name not in self._known or not meter.may_use_cache()}
        computed = self._compute(fresh)
        vectors = np.stack([self._known[name][0] for name in names])  # (texts, D)
        tokens = sum(self._known[name][1] for name in names)
        flops = 2.0 * (self.facts.compute_parameters or 0) * computed
        return vectors, Usage(prompt_tokens=tokens, cached_tokens=tokens - computed, forward_flops=flops)

    def _compute(self, fresh: dict[bytes, str]) -> int:
        """Embed and remember; returns how many tokens that took."""
        if not fresh:
            return 0
        encoded = self.tokenizer([clean(t) for t in fresh.values()], truncation=True, max_length=self.facts.context, return_token_type_ids=False)
        rows: list[list[int]] = [ids or [self._blank()] for ids in encoded["input_ids"]]
        names = list(fresh)
        for batch in _batches([len(ids) for ids in rows]):
            for i, vector in zip(batch, self._forward([rows[i] for i in batch]), strict=True):
                self._known[names[i]] = (vector, len(rows[i]))
        return sum(map(len, rows))

    def _forward(self, rows: list[list[int]]) -> np.ndarray:
        length = max(map(len, rows))
        ids = torch.full((len(rows), length), self._blank(), dtype=torch.long)  # (B, L)
        mask = torch.zeros((len(rows), length), dtype=torch.long)  # (B, L)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = torch.tensor(row), 1
        with torch.inference_mode():
            hidden = self.module(input_ids=ids.to(self.module.device), attention_mask=mask.to(self.module.device)).last_hidden_state  # (B, L, D)
            vectors = torch.nn.functional.normalize(pool(hidden, mask.to(hidden.device), self.pooling), dim=-1)  # (B, D)
        return vectors.float().cpu().numpy()

    def _blank(self) -> int:
        return next((i for i in (self.tokenizer.pad_token_id, self.tokenizer.unk_token_id) if i is not None), 0)

    def _weights(self) -> torch.nn.Module:
        return metered_copy(self.module, self.facts.compute_parameters or 0)


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Token vectors (B, L, D) and mask (B, L) → text vectors (B, D): the mean over real tokens, or the first."""
    if pooling == "cls":
        return hidden[:, 0]
    weight = mask.unsqueeze(-1).to(hidden.dtype)  # (B, L, 1)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places in batches of at most `BATCH_TOKENS` padded tokens, the longest first."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch

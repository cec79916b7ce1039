"""Encoders: texts → unit vectors, in batches of like length, no text computed twice.

Legend: B texts in a batch, L tokens in the longest of them, D dims.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fieldguide.models.engine.batches import batches, padded
from fieldguide.models.instrument import metered_copy
from fieldguide.models.model import Model, ModelFacts
from fieldguide.models.text import clean
from fieldguide.records import Usage


class EncoderModel(Model):
    """An encoder of transformers, with pooling. Calls from several threads take turns."""

    tokenizer: Any
    """The model's own tokeniser, for those who tune its weights."""

    def __init__(self, module: Any, tokenizer: Any, facts: ModelFacts, pooling: str = "mean") -> None:
        self.module, self.tokenizer, self.facts, self.pooling = module.eval(), tokenizer, facts, pooling
        self._turn = threading.Lock()

    def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        places = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        encoded = self.tokenizer([clean(t) for t in places], truncation=True, max_length=self.facts.context, return_token_type_ids=False)
        rows: list[list[int]] = [ids or [self._blank()] for ids in encoded["input_ids"]]
        vectors = np.empty((len(rows), self.facts.dims or 0), dtype=np.float32)  # (distinct texts, D)
        with self._turn:
            for batch in batches([len(ids) for ids in rows]):
                vectors[batch] = self._forward([rows[i] for i in batch])
        computed, sent = sum(map(len, rows)), sum(len(rows[places[text]]) for text in texts)
        flops = 2.0 * (self.facts.compute_parameters or 0) * computed
        return vectors[[places[text] for text in texts]], Usage(prompt_tokens=sent, cached_tokens=sent - computed, forward_flops=flops)

    def _forward(self, rows: list[list[int]]) -> np.ndarray:
        ids, mask = padded(rows, self._blank(), self.module.device)  # (B, L)
        with torch.inference_mode():
            hidden = self.module(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, L, D)
            vectors = torch.nn.functional.normalize(pool(hidden, mask, self.pooling), dim=-1)  # (B, D)
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

"""How many tokens one pass may hold, so that a memory budget is kept.

Legend: T new tokens of a pass, S slots before it. What a pass needs beside the weights is estimated from the network's shapes; the
estimate is checked against the process's memory in tests and benchmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from fieldguide.errors import ModelError
from fieldguide.models.engine.network import READ_ROWS

SIZES = (4096, 2048, 1024, 512, 384, 256, 128, 64, 32, 16)
"""Sizes of a pass that are tried, from the largest."""
CPU_TOKENS, CUDA_TOKENS = 256, 4096
"""New tokens of a pass at most: past that, unrelated rows that share a pass cost more attention than the larger product saves."""
DEFAULT_CPU_BYTES = 2 * 2**30
CUDA_SHARE = 0.5
"""Of what is free on the device."""


@dataclass(frozen=True)
class Room:
    """The memory that passes through a network take, in bytes."""

    slot: int
    """A slot's keys and values over all layers."""
    spread: int
    """A slot's keys and values in one layer, once for each query head."""
    token: int
    """What one token carries through a layer at its widest."""
    mask: int
    """One entry of the attention mask: its boolean and the number made of it, for each kind of layer."""
    fixed: int
    """The projection to the vocabulary."""
    most: int
    """Tokens of a pass at most, whatever the budget."""

    @classmethod
    def of(cls, model: Any, kinds: int = 1) -> Room:
        """The needs of a transformers causal model."""
        config = model.config.get_text_config()
        size, heads = model.dtype.itemsize, config.num_attention_heads
        own = getattr(config, "head_dim", None) or config.hidden_size // heads
        groups = getattr(config, "num_key_value_heads", None) or heads
        wide = next((v for name in ("intermediate_size", "ffn_dim", "n_inner") if (v := getattr(config, name, None))), 4 * config.hidden_size)
        return cls(
            slot=2 * config.num_hidden_layers * groups * own * size,
            spread=2 * heads * own * size,
            token=(8 * config.hidden_size + 4 * wide + 4 * heads * own) * size,
            mask=kinds * (1 + size) + 2,
            fixed=3 * READ_ROWS * config.vocab_size * 4,
            most=CUDA_TOKENS if model.device.type == "cuda" else CPU_TOKENS,
        )

    def needs(self, before: int, new: int) -> int:
        """Bytes of a pass of `new` tokens on `before` slots, the slots included."""
        return (before + new) * (self.slot + self.spread) + new * self.token + new * (before + new) * self.mask + self.fixed

    def tokens(self, before: int, budget: int, after: int = 0) -> int:
        """New tokens that a pass on `before` slots may hold if `after` slots are still to come. Raises `ModelError` if none fit."""
        for size in SIZES:
            if size <= self.most and self.needs(before, size) + after * self.slot <= budget:
                return size
        least = self.needs(before, SIZES[-1]) + after * self.slot
        raise ModelError(
            f"A prompt of {before + after:,} tokens needs about {least / 2**20:,.0f} MB beside the model's weights, and the memory budget is "
            f"{budget / 2**20:,.0f} MB; raise it (FIELDGUIDE_MEMORY=4GB, say) or shorten the prompt."
        )


def default_budget(device: torch.device) -> int:
    """Bytes that passes may take where nothing was said: 2 GiB, or half of what is free on a CUDA device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * CUDA_SHARE)
    return DEFAULT_CPU_BYTES

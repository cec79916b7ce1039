"""How many tokens one pass may hold, so that a memory budget is kept.

What a pass needs beside the weights is estimated from the network's shapes, and corrected by what its cache shows; a test checks the
estimate against the process's memory. It bounds the tensors that are alive: what the C library keeps back of freed memory comes on top
(much of it where attention holds all its scores), and so do compiled kernels (some 10 to 20 MB).

Legend: T new tokens of a pass, S slots before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from fieldguide.errors import ModelError
from fieldguide.models.engine.network import READ_ROWS, setting, windows_of

SIZES = (4096, 2048, 1024, 512, 384, 256, 128, 64, 32, 16)
"""Sizes of a pass that are tried, from the largest."""
CPU_TOKENS, CUDA_TOKENS = 256, 4096
"""New tokens of a pass at most: past that, unrelated rows that share a pass cost more attention than the larger product saves."""
DEFAULT_CPU_BYTES = 2 * 2**30
CUDA_SHARE = 0.5
"""Of what is free on the device."""
FUSED = {"sdpa", "flex_attention", "flash_attention_2", "flash_attention_3"}
"""Kinds of attention that never hold all scores at once."""
SCORES = 3
"""Copies of the attention scores that are alive where they are held: themselves, with the mask, normalised."""


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
    """One entry of the attention mask: its boolean and the number made of it, for each kind of layer; its scores where attention holds them all."""
    fixed: int
    """The projection to the vocabulary."""
    most: int
    """Tokens of a pass at most, whatever the budget."""

    heads: int = 1
    """Query heads."""

    @classmethod
    def of(cls, model: Any) -> Room:
        """The needs of a transformers causal model, as its configuration tells them; families without attention have one head here."""
        config = model.config.get_text_config()
        size, width, layers = model.dtype.itemsize, _largest(config, 1, "hidden_size"), _largest(config, 1, "num_hidden_layers")
        heads = _largest(config, 1, "num_attention_heads")
        own = _largest(config, width // heads, "head_dim")
        groups = _largest(config, heads, "num_key_value_heads")
        wide = _largest(config, 4 * width, "intermediate_size", "ffn_dim", "n_inner")
        experts = _largest(config, 0, "num_experts_per_tok", "num_experts_per_token")
        wide = max(wide, experts * (width + _largest(config, wide, "moe_intermediate_size")))
        windows = windows_of(config)
        held = 0 if setting(config, "_attn_implementation") in FUSED else SCORES * heads * max(size, 4)
        return cls(
            slot=2 * layers * groups * own * size,
            spread=2 * heads * own * size,
            token=(8 * width + 4 * wide + 4 * heads * own) * size,
            mask=len(windows) * (1 + size) + 2 + (8 if any(windows.values()) else 0) + held,
            fixed=3 * READ_ROWS * _largest(config, 1, "vocab_size") * 4,
            most=CUDA_TOKENS if model.device.type == "cuda" else CPU_TOKENS,
            heads=heads,
        )

    def corrected(self, shapes: Sequence[tuple[int, int, int]], size: int) -> Room:
        """The same by what a filled cache shows: each layer's key–value heads, width of a key and width of a value, of `size` bytes a number.

        Where keys are of another width than values (latent attention), no fused kernel takes them, and all scores are held at once.
        """
        if not shapes:
            return self
        uneven = any(key != value for _, key, value in shapes)
        return replace(
            self,
            slot=sum(groups * (key + value) for groups, key, value in shapes) * size,
            spread=self.heads * max(key + value for _, key, value in shapes) * size,
            mask=self.mask + (SCORES * self.heads * max(size, 4) if uneven else 0),
        )

    def needs(self, before: int, new: int) -> int:
        """Bytes of a pass of `new` tokens on `before` slots, the slots included."""
        return (before + new) * (self.slot + self.spread) + new * self.token + new * (before + new) * self.mask + self.fixed

    def tokens(self, before: int, budget: int, after: int = 0) -> int:
        """New tokens that a pass on `before` slots may hold if `after` slots, its own among them, are still to come.

        Raises `ModelError` if none fit.
        """
        for size in SIZES:
            if size <= self.most and self.needs(before, size) + max(after - size, 0) * self.slot <= budget:
                return size
        least = self.needs(before, SIZES[-1]) + max(after - SIZES[-1], 0) * self.slot
        raise ModelError(
            f"A prompt of {before + (after or SIZES[-1]):,} tokens needs about {least / 2**20:,.0f} MB beside the model's weights, and the memory budget is "
            f"{budget / 2**20:,.0f} MB; raise it (FIELDGUIDE_MEMORY=4GB, say) or shorten the prompt."
        )


def _largest(config: Any, default: int, *names: str) -> int:
    """The largest number that a configuration gives under the first of these names that it knows; some give one for each layer."""
    for name in names:
        value = setting(config, name)
        numbers = [int(v) for v in (value if isinstance(value, list | tuple) else [value]) if v]
        if numbers:
            return max(numbers)
    return default


def default_budget(device: torch.device) -> int:
    """Bytes that passes may take where nothing was said: 2 GiB, or half of what is free on a CUDA device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * CUDA_SHARE)
    return DEFAULT_CPU_BYTES

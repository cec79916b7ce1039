"""Keys and values in numbered slots: appended, cut off at the end, or thinned out, without copying what stays.

Legend: S slots in use, T slots added by a pass, H key–value heads, D width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

STEP = 256
"""Slots by which a buffer grows at least."""


class SlotLayer(DynamicLayer):
    """One layer's keys and values in a buffer (1, H, capacity, D) of which the first S slots are in use."""

    used = 0
    wanted = 0
    """Slots that are known to be needed soon."""

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = (t.new_empty(*t.shape[:2], 0, t.shape[3]) for t in (key_states, value_states))
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        end = self.used + key_states.shape[2]
        if end > self.keys.shape[2]:
            self._resize(self.wanted if self.wanted >= end else max(end, min(self.keys.shape[2] * 3 // 2, self.keys.shape[2] + 8 * STEP)))
        self.keys[:, :, self.used : end] = key_states
        self.values[:, :, self.used : end] = value_states
        self.used = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def _resize(self, capacity: int) -> None:
        capacity = -(-capacity // STEP) * STEP
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_empty(*old.shape[:2], capacity, old.shape[3])
            new[:, :, : self.used] = old[:, :, : self.used]
            setattr(self, name, new)

    def get_seq_length(self) -> int:
        return self.used

    def crop(self, tokens_to_remove: int) -> None:
        self.used = max(self.used - abs(tokens_to_remove), 0)  # a layer that keeps nothing has none

    def reserve(self, slots: int) -> None:
        """The next growth makes room for so many slots; a buffer of more than twice as many, and a step, gives the rest back."""
        self.wanted = slots
        if self.is_initialized and self.keys is not None and self.keys.shape[2] > 2 * max(slots, self.used) + STEP:
            self._resize(max(slots, self.used))

    def keep(self, slots: torch.Tensor) -> None:
        """Only these slots stay, in this order, as the first of the buffer."""
        for buffer in (self.keys, self.values) if self.is_initialized else ():
            assert buffer is not None
            buffer[:, :, : len(slots)] = buffer[:, :, slots.to(buffer.device)]
        self.used = len(slots)


class SlotCache(Cache):
    """A `SlotLayer` for each attention layer, made when the layer first comes."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=SlotLayer)

    def reserve(self, slots: int) -> None:
        """The next growth makes room for so many slots at once; buffers that are much larger give the rest back."""
        for layer in self._own():
            layer.reserve(slots)

    def keep(self, slots: torch.Tensor) -> None:
        """Only these slots stay, in every layer."""
        for layer in self._own():
            layer.keep(slots)

    def shapes(self) -> list[tuple[int, int, int]]:
        """Of each layer that has kept something: key–value heads, width of a key, width of a value."""
        return [(k.shape[1], k.shape[3], v.shape[3]) for own in self._own() if (k := own.keys) is not None and (v := own.values) is not None]

    def _own(self) -> list[SlotLayer]:
        return [layer for layer in self.layers if isinstance(layer, SlotLayer)]

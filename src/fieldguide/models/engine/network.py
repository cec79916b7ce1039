"""One causal network as the engine uses it: hidden states over a growing trunk, and log-probabilities read off some of them.

Legend: T tokens of a pass, P tokens of the trunk before them, R rows read, W width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fieldguide.models.engine.tree import Tree, shared_length

READ_ROWS = 128
"""Rows projected to the vocabulary at a time, so that (T, V) never exists."""


class Network:
    """A transformers causal model and the key–value cache of one trunk, which is kept from call to call."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.computed = 0
        """Tokens passed through the network so far."""
        self.projected = 0
        """Rows projected to the vocabulary so far."""
        self.forget()

    def forget(self) -> None:
        """Drop the trunk."""
        from transformers import DynamicCache

        self.trunk: tuple[int, ...] = ()
        self._cache = DynamicCache()

    def keep(self, sequence: Sequence[int], limit: int) -> int:
        """Cut the trunk back to what it shares with `sequence`, at most `limit` tokens; returns its length."""
        length = min(shared_length(self.trunk, sequence), limit)
        if length == 0:
            self.forget()
        elif length < len(self.trunk):
            self._cache.crop(length - len(self.trunk))  # a negative number: how many to remove
            self.trunk = self.trunk[:length]
        return length

    def extend(self, tokens: Sequence[int]) -> torch.Tensor:
        """Add tokens to the trunk's end; returns their hidden states (T, W)."""
        hidden = self._forward(tokens, list(range(len(self.trunk), len(self.trunk) + len(tokens))), None, self._cache)
        self.trunk = (*self.trunk, *tokens)
        return hidden

    def branch(self, tree: Tree) -> torch.Tensor:
        """Hidden states (T, W) of a tree's nodes on top of the trunk, which stays as it was."""
        below = len(self.trunk)
        sight = torch.from_numpy(tree.sight())
        mask = torch.zeros(1, 1, len(tree), below + len(tree), dtype=self.model.dtype)  # (1, 1, T, P + T), added to attention scores
        mask[0, 0, :, below:].masked_fill_(~sight, torch.finfo(self.model.dtype).min)
        cache = self._cache if below else None
        hidden = self._forward(tree.tokens, [below + depth for depth in tree.depths], mask.to(self.model.device), cache)
        if cache is not None:
            cache.crop(-len(tree))
        return hidden

    def _forward(self, tokens: Sequence[int], positions: list[int], mask: torch.Tensor | None, cache: Any) -> torch.Tensor:
        device = self.model.device
        self.computed += len(tokens)
        found = self.model.base_model(
            input_ids=torch.tensor([tokens], device=device),
            position_ids=torch.tensor([positions], device=device),
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return found.last_hidden_state[0]

    def read(self, hidden: torch.Tensor, targets: Sequence[int], rows: Sequence[int]) -> list[float]:
        """log p, in nats, of token `targets[i]` after the hidden state `hidden[rows[i]]`; each row is projected once."""
        places = {row: place for place, row in enumerate(dict.fromkeys(rows))}
        wanted = list(places)
        self.projected += len(wanted)
        found = [0.0] * len(rows)
        asked = [(places[row], target, i) for i, (row, target) in enumerate(zip(rows, targets, strict=True))]
        for start in range(0, len(wanted), READ_ROWS):
            logs = torch.log_softmax(self._logits(hidden[wanted[start : start + READ_ROWS]]), dim=-1)  # (R, V)
            inside = [(place - start, target, i) for place, target, i in asked if start <= place < start + READ_ROWS]
            picked = logs[[p for p, _, _ in inside], [t for _, t, _ in inside]].tolist()
            for (_, _, i), value in zip(inside, picked, strict=True):
                found[i] = min(value, 0.0)
        return found

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The projection to the vocabulary, with what some families do after it (Cohere, Granite, Gemma 2)."""
        config = self.model.config.get_text_config()
        logits = self.model.get_output_embeddings()(hidden).float()
        if scale := getattr(config, "logit_scale", None):
            logits = logits * scale
        if scale := getattr(config, "logits_scaling", None):
            logits = logits / scale
        if cap := getattr(config, "final_logit_softcapping", None):
            logits = torch.tanh(logits / cap) * cap
        return logits

    def plain(self, inputs: Sequence[int], targets: Sequence[int]) -> list[float]:
        """The same as the model itself computes it: one sequence, nothing shared. What the rest is checked against."""
        self.computed += len(inputs)
        self.projected += len(targets)
        logits = self.model(input_ids=torch.tensor([inputs], device=self.model.device), use_cache=False).logits[0, -len(targets) :].float()
        logs = torch.log_softmax(logits, dim=-1)
        return [min(float(logs[i, target]), 0.0) for i, target in enumerate(targets)]

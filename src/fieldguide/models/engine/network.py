"""One causal network as the engine uses it: hidden states over a forest of tokens in slots, log-probabilities read off some of them.

The first slots are the trunk, one sequence that is kept from call to call. What comes after is pushed and popped; each token sees
the slots that its caller says it descends from, and no others.

Legend: T tokens of a pass, S slots before it, R rows read, W width, V vocabulary.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from fieldguide.errors import ModelError
from fieldguide.models.engine.cache import SlotCache
from fieldguide.models.engine.kernels import PackedLinears
from fieldguide.models.engine.tree import Tree, shared_length

READ_ROWS = 128
"""Rows projected to the vocabulary at a time, so that (T, V) never exists."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.05}
"""Nats by which a token's log-probability may differ between the two ways: rounding, in each precision."""


class Network:
    """A transformers causal model and the key–value cache of a forest."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.computed = 0
        """Tokens passed through the network so far."""
        self.projected = 0
        """Rows projected to the vocabulary so far."""
        self._fast: PackedLinears | None = None
        self._projects_last = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.forget()

    def forget(self) -> None:
        """Drop everything in the slots, and their memory."""
        self.trunk: tuple[int, ...] = ()
        self._cache = SlotCache()
        self._places: list[int] = []

    @property
    def slots(self) -> int:
        """Slots in use."""
        return len(self._places)

    def cut_back(self, sequence: Sequence[int], limit: int) -> int:
        """Cut the trunk back to what it shares with `sequence`, at most `limit` tokens; returns its length."""
        length = min(shared_length(self.trunk, sequence), limit)
        if length == 0:
            self.forget()
        else:
            self.pop(self.slots - length)
            self.trunk = self.trunk[:length]
        return length

    def extend(self, tokens: Sequence[int]) -> torch.Tensor:
        """Add tokens to the trunk's end; returns their hidden states (T, W). Nothing may stand on the trunk."""
        assert self.slots == len(self.trunk), "the trunk grows only while nothing stands on it"
        hidden = self.push(tokens, list(range(self.slots, self.slots + len(tokens))))
        self.trunk = (*self.trunk, *tokens)
        return hidden

    def branch(self, tree: Tree) -> torch.Tensor:
        """Hidden states (T, W) of a tree's nodes on top of the trunk; the slots stay as they were."""
        below = len(self.trunk)
        sees = torch.ones(len(tree), below + len(tree), dtype=torch.bool)
        sees[:, below:] = torch.from_numpy(tree.sight())
        hidden = self.push(tree.tokens, [below + depth for depth in tree.depths], sees)
        self.pop(len(tree))
        return hidden

    def push(self, tokens: Sequence[int], places: Sequence[int], sees: torch.Tensor | None = None) -> torch.Tensor:
        """Tokens into the next slots; returns their hidden states (T, W).

        `places` are positions in their sequences; `sees` (T, S + T) says which slots each may look at, None meaning all up to itself.
        """
        device = self.model.device
        masks = self._masks(places, sees)
        self.computed += len(tokens)
        with self._quickened():
            found = self.model.base_model(
                input_ids=torch.tensor([tokens], device=device),
                position_ids=torch.tensor([places], device=device),
                attention_mask=masks,
                past_key_values=self._cache,
                use_cache=True,
            )
        self._places += places
        return found.last_hidden_state[0]

    def _quickened(self) -> AbstractContextManager[None]:
        if self._fast is None:
            self._fast = PackedLinears.of(self.model)
        return self._fast.in_use()

    def pop(self, count: int) -> None:
        """Free the last slots."""
        if count:
            self._cache.crop(-count)
            del self._places[-count:]

    def keep(self, slots: torch.Tensor) -> None:
        """Only these slots stay (ascending numbers, the trunk's among them); they are renumbered from 0."""
        self._cache.keep(slots)
        self._places = [self._places[i] for i in slots.tolist()]

    def shapes(self) -> list[tuple[int, int, int]]:
        """Of each layer that has slots: key–value heads, width of a key, width of a value."""
        return self._cache.shapes()

    def reserve(self, slots: int) -> None:
        """Make room for so many slots at the next growth, rather than bit by bit; give back what an earlier, longer call left."""
        self._cache.reserve(slots)

    def _masks(self, places: Sequence[int], sees: torch.Tensor | None) -> Any:
        """What is added to attention scores, (1, 1, T, S + T): one mask, or one for each kind of layer where some look through a window."""
        windows = windows_of(self.model.config.get_text_config())
        if sees is None:
            if not any(windows.values()):
                return None
            sees = torch.ones(len(places), self.slots + len(places), dtype=torch.bool).tril(self.slots)
        masks = {kind: self._mask(self._within(places, sees, window) if window else sees) for kind, window in windows.items()}
        return masks if len(masks) > 1 else masks.popitem()[1]

    def _within(self, places: Sequence[int], sees: torch.Tensor, window: int) -> torch.Tensor:
        at, of = torch.tensor(places), torch.tensor([*self._places, *places])
        return sees & (at[:, None] - of[None, :] < window)

    def _mask(self, sees: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(1, 1, *sees.shape, dtype=self.model.dtype)
        mask[0, 0].masked_fill_(~sees, torch.finfo(self.model.dtype).min)
        return mask.to(self.model.device)

    def read(self, hidden: torch.Tensor, targets: Sequence[int], rows: Sequence[int]) -> list[float]:
        """log p, in nats, of token `targets[i]` after the hidden state `hidden[rows[i]]`; each row is projected once."""
        places = {row: place for place, row in enumerate(dict.fromkeys(rows))}
        wanted = list(places)
        found = [0.0] * len(rows)
        asked = [(places[row], target, i) for i, (row, target) in enumerate(zip(rows, targets, strict=True))]
        for start in range(0, len(wanted), READ_ROWS):
            logs = torch.log_softmax(self.logits(hidden[wanted[start : start + READ_ROWS]]), dim=-1)  # (R, V)
            inside = [(place - start, target, i) for place, target, i in asked if start <= place < start + READ_ROWS]
            picked = logs[[p for p, _, _ in inside], [t for _, t, _ in inside]]
            for (_, _, i), value in zip(inside, picked.tolist(), strict=True):
                found[i] = min(value, 0.0)
        return found

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(R, W) → (R, V): the projection to the vocabulary in float32, with what some families do after it (Cohere, Granite, Gemma 2)."""
        self.projected += len(hidden)
        config = self.model.config.get_text_config()
        with self._quickened():
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
        wanted = {"logits_to_keep": len(targets)} if self._projects_last else {}
        logits = self.model(input_ids=torch.tensor([inputs], device=self.model.device), use_cache=False, **wanted).logits[0, -len(targets) :].float()
        logs = torch.log_softmax(logits, dim=-1)
        return [min(float(logs[i, target]), 0.0) for i, target in enumerate(targets)]


def not_numbers(model: Any) -> ModelError:
    """What to say of a network whose predictions are not numbers."""
    return ModelError(
        f"The model gives log-probabilities that are not numbers ({type(model).__name__} in {str(model.dtype).removeprefix('torch.')}); its weights may be "
        "damaged, or too large for this precision: load them anew, or set FIELDGUIDE_DEVICE=cpu, where it computes in float32."
    )


def setting(config: Any, name: str) -> Any:
    """What a configuration says under a name: None where it says nothing, a list where it differs between layers."""
    try:
        return getattr(config, name, None)
    except RuntimeError:  # so transformers refuses to give one value for all layers
        return [getattr(layer, name, None) for layer in config.per_layer_config]


def windows_of(config: Any) -> dict[str, int | None]:
    """Kind of layer → how far back it looks, itself included; None for all the way. One kind where all layers are alike."""
    kinds = dict.fromkeys(setting(config, "layer_types") or ())
    size = setting(config, "sliding_window")
    if not kinds:
        slides = size and getattr(config, "use_sliding_window", True)
        return {"all": size if slides else None}
    return {kind: size if kind == "sliding_attention" else None for kind in kinds}


def hides_by_slot(config: Any) -> bool:
    """Whether some layers hide tokens by where they stand in the cache, whatever mask they are given (GPT-Neo, Llama 4).

    Windows of several sizes in one network count as such, for nothing here tells the layers apart.
    """
    return bool(setting(config, "window_size") or setting(config, "attention_chunk_size") or isinstance(setting(config, "sliding_window"), list))


def shares_up_to(config: Any) -> float:
    """The longest sequence that may share tokens with others, infinite for most networks.

    Some rotary embeddings turn all tokens of a sequence in another way once it is longer than in pre-training ("longrope" of Phi-3, "dynamic").
    """
    told = setting(config, "rope_parameters") or {}
    ropes = [told] if "rope_type" in told else [own for own in told.values() if isinstance(own, dict)]  # one for all layers, or one a kind
    changing = [own for own in ropes if own.get("rope_type") in {"longrope", "dynamic"} and not own.get("alpha")]  # alpha: a fixed scale
    limits = [own.get("original_max_position_embeddings") or setting(config, "max_position_embeddings") for own in changing]
    return min((float(limit) for limit in limits if limit), default=math.inf)

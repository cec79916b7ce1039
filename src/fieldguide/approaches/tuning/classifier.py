"""An encoder with a classification head: encode, pool, score; its own weights, configuration and tokeniser on disk.

Shapes: B rows in a batch, T tokens of the longest of them, H hidden size, K labels.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fieldguide.models.model import Model

ROWS_A_BATCH = 64  # rows predicted at a time


class Classifier(torch.nn.Module):
    """encoder → mean over tokens → dropout → linear."""

    def __init__(self, encoder: Any, tokenizer: Any, labels: int, max_tokens: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(encoder.config.hidden_size, labels)
        self.max_tokens = max_tokens

    @classmethod
    def start(cls, model: Model, labels: int, max_tokens: int, dropout: float, seed: int) -> Classifier:
        """A copy of the model's encoder under a fresh head; the seed decides the head's first weights."""
        encoder = model.weights().float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            classifier = cls(encoder, model.tokenizer, labels, max_tokens, dropout)  # type: ignore[attr-defined]
        torch.nn.init.normal_(classifier.head.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        torch.nn.init.zeros_(classifier.head.bias)
        return classifier.to(next(encoder.parameters()).device)

    @property
    def parameters_trained(self) -> int:
        return sum(weight.numel() for weight in self.parameters() if weight.requires_grad)

    def encode(self, texts: Sequence[tuple[str, ...]]) -> dict[str, list[list[int]]]:
        """Rows of one or two texts → lists of token ids (and segment ids, where the model has them), unpadded."""
        sides = [list(side) for side in zip(*texts, strict=True)]
        found = self.tokenizer(*sides, truncation=True, max_length=self.max_tokens, padding=False)
        taken = inspect.signature(self.encoder.forward).parameters
        return {name: found[name] for name in ("input_ids", "attention_mask", "token_type_ids") if name in found and name in taken}

    def forward(self, encoded: Mapping[str, Sequence[Sequence[int]]], rows: np.ndarray) -> torch.Tensor:
        """Logits (B, K) of these rows, padded to the longest of them."""
        padded = self.tokenizer.pad({name: [values[i] for i in rows] for name, values in encoded.items()}, return_tensors="pt").to(self.head.weight.device)
        hidden = self.encoder(**padded).last_hidden_state  # (B, T, H)
        mask = padded["attention_mask"].unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)  # (B, H)
        return self.head(self.dropout(pooled))

    def logits_of(self, encoded: Mapping[str, Sequence[Sequence[int]]], rows: np.ndarray) -> np.ndarray:
        """Logits (rows, K), float32, in the order of `rows`; computed in order of length."""
        self.eval()
        lengths = np.array([len(encoded["input_ids"][i]) for i in rows])
        order = np.argsort(lengths, kind="stable")
        found = np.empty((len(rows), self.head.out_features), dtype=np.float32)
        with torch.inference_mode():
            for i in range(0, len(order), ROWS_A_BATCH):
                places = order[i : i + ROWS_A_BATCH]
                found[places] = self(encoded, rows[places]).cpu().numpy()
        return found

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Logits (rows, K) of texts."""
        return self.logits_of(self.encode(texts), np.arange(len(texts)))

    def save(self, folder: Path) -> dict[str, Any]:
        """Encoder, tokeniser and head into the folder; the few plain values that loading needs besides."""
        from safetensors.torch import save_file

        from fieldguide.models.loading import quiet

        with quiet():
            self.encoder.save_pretrained(folder / "encoder")
            self.tokenizer.save_pretrained(folder / "encoder")
        save_file({"weight": self.head.weight.detach().contiguous(), "bias": self.head.bias.detach()}, folder / "head.safetensors")
        return {"labels": self.head.out_features, "max_tokens": self.max_tokens, "dropout": self.dropout.p}

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Classifier:
        """What `save` wrote, with its passes metered as before."""
        from safetensors.torch import load_file
        from transformers import AutoModel, AutoTokenizer

        from fieldguide.models.device import chosen_device
        from fieldguide.models.instrument import metered_copy, size_of
        from fieldguide.models.loading import quiet

        with quiet():
            encoder = AutoModel.from_pretrained(folder / "encoder", dtype=torch.float32, use_safetensors=True, trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(folder / "encoder", trust_remote_code=False)
        classifier = cls(metered_copy(encoder, size_of(encoder).body), tokenizer, state["labels"], state["max_tokens"], state["dropout"])
        classifier.head.load_state_dict(load_file(folder / "head.safetensors"))
        classifier.eval()
        return classifier.to(chosen_device())

"""An encoder under a head: rows in, outputs or answers out; its own weights, configuration and tokeniser on disk.

Shapes: S sequences in a batch, T tokens of the longest of them, H hidden size.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fieldguide.approaches.tuning.heads import head_class
from fieldguide.approaches.tuning.heads.head import Example, Head, States
from fieldguide.approaches.tuning.heads.sequences import Sequencer
from fieldguide.models.model import Model
from fieldguide.records import Inputs, Prediction, Unparsed
from fieldguide.tasks.task import TaskSpec

AT_ONCE = 64  # sequences read at a time in prediction


class EncoderWithHead(torch.nn.Module):
    """encoder → states of tokens, and their mean → head."""

    def __init__(self, encoder: Any, tokenizer: Any, head: Head, max_tokens: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        taken = inspect.signature(encoder.forward).parameters
        self.sequencer = Sequencer(tokenizer, max_tokens, tuple(name for name in ("input_ids", "attention_mask", "token_type_ids") if name in taken))

    @classmethod
    def start(cls, model: Model, task: TaskSpec, max_tokens: int, dropout: float, seed: int) -> EncoderWithHead:
        """A copy of the model's encoder under a fresh head for the task's form of answer; the seed decides the head's first weights."""
        encoder: Any = model.weights().float()
        with torch.random.fork_rng(devices=[]):
            head = head_class(task.reader.answer)(task, encoder.config.hidden_size, dropout)
        head.begin(seed)
        max_tokens = max(max_tokens, head.least_tokens)
        whole = cls(encoder, model.tokenizer, head, min(max_tokens, model.facts.context or max_tokens))  # type: ignore[attr-defined]
        return whole.to(next(encoder.parameters()).device)

    @property
    def parameters_trained(self) -> int:
        return sum(weight.numel() for weight in self.parameters() if weight.requires_grad)

    def forward(self, examples: Sequence[Example]) -> list[torch.Tensor]:
        """One output an example, its sequences padded to the longest of all."""
        sequences = [sequence for example in examples for sequence in example.sequences]
        fields = {name: [sequence[name] for sequence in sequences] for name in sequences[0]}
        padded = self.sequencer.tokenizer.pad(fields, return_tensors="pt").to(next(self.encoder.parameters()).device)
        hidden = self.encoder(**padded).last_hidden_state  # (S, T, H)
        mask = padded["attention_mask"].to(hidden.dtype)  # (S, T)
        pooled = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)  # (S, H)
        return self.head(States(hidden, mask, pooled), examples)

    @torch.inference_mode()
    def outputs(self, examples: Sequence[Example]) -> list[torch.Tensor]:
        """One output an example, in their order, on the processor; computed in order of length."""
        self.eval()
        found: list[Any] = [None] * len(examples)
        for places in _batches(examples):
            for place, output in zip(places, self([examples[i] for i in places]), strict=True):
                found[place] = output.cpu()
        return found

    def answers(self, task: TaskSpec, inputs: Sequence[Inputs]) -> list[Prediction]:
        """The head's answer to each row; `Unparsed` to one that offers nothing to choose from."""
        examples = self.head.examples(task, inputs, self.sequencer)
        outputs = self.outputs(examples)
        own: list[list[int]] = [[] for _ in inputs]
        for i, example in enumerate(examples):
            own[example.row].append(i)
        return [
            self.head.answer(task, row, [outputs[i] for i in its], [examples[i] for i in its]) if its else Prediction(Unparsed("", "the row offers nothing"))
            for row, its in zip(inputs, own, strict=True)
        ]

    def save(self, folder: Path) -> dict[str, Any]:
        """Encoder, tokeniser and head into the folder; the few plain values that loading needs besides."""
        from safetensors.torch import save_file

        from fieldguide.models.loading import quiet

        with quiet():
            self.encoder.save_pretrained(folder / "encoder")
            self.sequencer.tokenizer.save_pretrained(folder / "encoder")
        save_file({name: value.detach().contiguous() for name, value in self.head.state_dict().items()}, folder / "head.safetensors")
        return {"max_tokens": self.sequencer.max_tokens, "dropout": self.head.dropout.p}

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any], task: TaskSpec) -> EncoderWithHead:
        """What `save` wrote, with its passes metered as before."""
        from safetensors.torch import load_file
        from transformers import AutoModel, AutoTokenizer

        from fieldguide.models.device import chosen_device
        from fieldguide.models.instrument import metered_copy, size_of
        from fieldguide.models.loading import quiet

        with quiet():
            encoder = AutoModel.from_pretrained(folder / "encoder", dtype=torch.float32, use_safetensors=True, trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(folder / "encoder", trust_remote_code=False)
        head = head_class(task.reader.answer)(task, encoder.config.hidden_size, state["dropout"])
        head.load_state_dict(load_file(folder / "head.safetensors"))
        whole = cls(metered_copy(encoder, size_of(encoder).body), tokenizer, head, state["max_tokens"])
        whole.eval()
        return whole.to(chosen_device())


def lengths(examples: Sequence[Example]) -> np.ndarray:
    """Tokens of each example's longest sequence, (examples,)."""
    return np.array([max((len(sequence["input_ids"]) for sequence in example.sequences), default=0) for example in examples], dtype=np.int64)


def _batches(examples: Sequence[Example]) -> Iterator[list[int]]:
    """Places of examples in order of length, in batches of at most `AT_ONCE` sequences, or of one example."""
    batch: list[int] = []
    size = 0
    for place in np.argsort(lengths(examples), kind="stable").tolist():
        if batch and size + len(examples[place].sequences) > AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += len(examples[place].sequences)
    if batch:
        yield batch

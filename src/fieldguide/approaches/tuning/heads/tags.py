"""A tag for each token: its first sub-token carries it (Devlin et al. 2019, arXiv:1810.04805, section 5.3); cross-entropy over tokens.

A row longer than the body reads is cut into windows that overlap, so that every token gets its tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch

from fieldguide.approaches.tuning.heads import SEQUENCES
from fieldguide.approaches.tuning.heads.head import Example, Head, States
from fieldguide.approaches.tuning.heads.sequences import Sequencer
from fieldguide.records import Inputs, Prediction
from fieldguide.tasks.kinds.forms import TokensKind
from fieldguide.tasks.task import TaskSpec


class TagsHead(Head):
    def __init__(self, task: TaskSpec, hidden: int, dropout: float) -> None:
        super().__init__(task, hidden, dropout)
        self.linear = torch.nn.Linear(hidden, len(task.labels))

    def examples(
        self, task: TaskSpec, inputs: Sequence[Inputs], sequencer: Sequencer, targets: Sequence[Any] | None = None, seed: int = 0
    ) -> list[Example]:
        """One a window, with the tags of the tokens that it answers for."""
        reader, number = cast(TokensKind, task.reader), {tag: i for i, tag in enumerate(task.labels)}
        found = []
        for i, row in enumerate(inputs):
            parts = sequencer.words(reader.tokens(task, row))
            for part in parts[: SEQUENCES["tags"].trained] if targets is not None else parts:
                own = None if targets is None else targets[i][part.first : part.first + len(part.places)]
                found.append(Example(i, (part.sequence,), None if own is None else [number[tag] for tag in own], part.places))
        return found

    def forward(self, states: States, examples: Sequence[Example]) -> list[torch.Tensor]:
        """(tokens, K) each."""
        found = torch.cat([states.hidden[i, example.places] for i, example in enumerate(examples)])  # (all tokens, H)
        return list(self.linear(self.dropout(found)).split([len(example.places) for example in examples]))

    def loss(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(torch.cat(list(outputs)), _tags(outputs, examples))

    def score(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> tuple[float, ...]:
        """The share of right tags, then minus the loss."""
        right = torch.cat(list(outputs)).argmax(1) == _tags(outputs, examples)
        return float(right.float().mean()), -float(self.loss(outputs, examples))

    def answer(self, task: TaskSpec, inputs: Inputs, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> Prediction:
        return Prediction([task.labels[place] for output in outputs for place in output.argmax(1).tolist()])


def _tags(outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
    return torch.tensor([tag for example in examples for tag in example.target], dtype=torch.long, device=outputs[0].device)

"""A number: squared error of targets that are standardised by the training labels' mean and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from fieldguide.approaches.tuning.heads.head import Example, States, TextHead, compared, goals
from fieldguide.approaches.tuning.heads.sequences import Sequencer
from fieldguide.records import Inputs, Prediction
from fieldguide.tasks.task import TaskSpec


class NumberHead(TextHead):
    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, task: TaskSpec, hidden: int, dropout: float) -> None:
        super().__init__(task, hidden if task.reader.arity == 1 else 4 * hidden, dropout)
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("spread", torch.ones((), dtype=torch.float64))

    def learn(self, targets: Sequence[float]) -> None:
        """The mean and the standard deviation; 1 for numbers that are all alike."""
        self.mean.fill_(float(np.mean(targets)))
        self.spread.fill_(float(np.std(targets)) or 1.0)

    def examples(
        self, task: TaskSpec, inputs: Sequence[Inputs], sequencer: Sequencer, targets: Sequence[Any] | None = None, seed: int = 0
    ) -> list[Example]:
        """Of a pair, `places` is where the second text begins."""
        found = super().examples(task, inputs, sequencer, targets, seed)
        if task.reader.arity == 1:
            return found
        pairs = sequencer.pairs([(first, second) for first, second in (task.reader.segments(task, row) for row in inputs)])
        return [replace(example, places=second) for example, (_, second) in zip(found, pairs, strict=True)]

    def vectors(self, states: States, examples: Sequence[Example]) -> torch.Tensor:
        """(S, H), or of pairs (S, 4 H): their comparison."""
        seconds = [example.places for example in examples]
        return states.pooled if None in seconds else compared(states, seconds)

    def width(self, task: TaskSpec) -> int:
        return 1

    def goal(self, task: TaskSpec, target: float) -> list[float]:
        return [(float(target) - float(self.mean)) / float(self.spread)]

    def loss(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
        return torch.nn.functional.mse_loss(torch.stack(list(outputs)), goals(examples, outputs, torch.float32))

    def answer(self, task: TaskSpec, inputs: Inputs, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> Prediction:
        return Prediction(float(outputs[0]) * float(self.spread) + float(self.mean))

"""One label: softmax and cross-entropy over the label space."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fieldguide.approaches.answers import predictions, softmax
from fieldguide.approaches.tuning.heads.head import Example, TextHead, goals
from fieldguide.records import Inputs, Prediction
from fieldguide.tasks.task import TaskSpec


class LabelHead(TextHead):
    def width(self, task: TaskSpec) -> int:
        return len(task.labels)

    def goal(self, task: TaskSpec, target: str) -> int:
        return task.labels.index(target)

    def loss(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(torch.stack(list(outputs)), goals(examples, outputs, torch.long))

    def score(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> tuple[float, ...]:
        """Accuracy, then minus the loss."""
        right = torch.stack(list(outputs)).argmax(1) == goals(examples, outputs, torch.long)
        return float(right.float().mean()), -float(self.loss(outputs, examples))

    def answer(self, task: TaskSpec, inputs: Inputs, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> Prediction:
        return predictions(task.labels, softmax(outputs[0].numpy()[None]))[0]

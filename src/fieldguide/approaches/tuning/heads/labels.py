"""Any number of labels: for each its own sigmoid and binary cross-entropy; those at .5 or above apply."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.special import expit, logit

from fieldguide.approaches.tuning.heads.head import Example, TextHead, goals
from fieldguide.records import Inputs, Prediction
from fieldguide.tasks.task import TaskSpec

APPLIES = 0.5


class LabelsHead(TextHead):
    def __init__(self, task: TaskSpec, hidden: int, dropout: float) -> None:
        super().__init__(task, hidden, dropout)
        self.labels = task.labels

    def learn(self, targets: Sequence[Sequence[str]]) -> None:
        """Each label starts from its share of the training rows (Lin et al. 2017, arXiv:1708.02002, section 3.3),
        counted as if half a row more had it and half a row had it not."""
        shares = [(sum(label in target for target in targets) + 0.5) / (len(targets) + 1) for label in self.labels]
        with torch.no_grad():
            self.linear.bias.copy_(torch.tensor(logit(shares)))

    def width(self, task: TaskSpec) -> int:
        return len(task.labels)

    def goal(self, task: TaskSpec, target: Sequence[str]) -> list[float]:
        return [float(label in target) for label in task.labels]

    def loss(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(torch.stack(list(outputs)), goals(examples, outputs, torch.float32))

    def answer(self, task: TaskSpec, inputs: Inputs, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> Prediction:
        probabilities = dict(zip(task.labels, expit(outputs[0].numpy().astype(float)).tolist(), strict=True))
        return Prediction([label for label, p in probabilities.items() if p >= APPLIES], probabilities)

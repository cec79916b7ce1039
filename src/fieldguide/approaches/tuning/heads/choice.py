"""One of the row's own choices: each is scored with the question, and a softmax over the row's scores is trained by cross-entropy.

The scheme is that of Devlin et al. 2019 (arXiv:1810.04805, section 4.4, SWAG). A row may have any number of choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from fieldguide.approaches.answers import predictions, softmax
from fieldguide.approaches.tuning.heads import SEQUENCES
from fieldguide.approaches.tuning.heads.head import Example, PairHead
from fieldguide.approaches.tuning.heads.sequences import Sequencer
from fieldguide.records import Inputs, Prediction
from fieldguide.tasks.kinds.forms import ChoiceKind, letters
from fieldguide.tasks.task import TaskSpec


class ChoiceHead(PairHead):
    def examples(
        self, task: TaskSpec, inputs: Sequence[Inputs], sequencer: Sequencer, targets: Sequence[Any] | None = None, seed: int = 0
    ) -> list[Example]:
        """One a row. For training a row with many choices keeps the right one and draws the others."""
        reader, rng = cast(ChoiceKind, task.reader), np.random.default_rng([seed, 4111])
        found = []
        for i, row in enumerate(inputs):
            question, choices = reader.question(task, row), reader.choices(task, row)
            if not choices:
                continue
            kept, goal = np.arange(len(choices)), None
            if targets is not None:
                right = letters(len(choices)).index(targets[i])
                others = np.delete(kept, right)
                most = SEQUENCES["choice"].trained - 1
                kept = np.sort([right, *(others if len(others) <= most else rng.choice(others, most, replace=False))])
                goal = int(np.searchsorted(kept, right))
            sequences, seconds = zip(*sequencer.pairs([(question, choices[place]) for place in kept]), strict=True)
            found.append(Example(i, sequences, goal, seconds))
        return found

    def loss(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
        """A row with twice the choices counts no more than another."""
        return torch.stack([-output.log_softmax(0)[example.target] for output, example in zip(outputs, examples, strict=True)]).mean()

    def score(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> tuple[float, ...]:
        """Accuracy, then minus the loss."""
        right = [int(output.argmax()) == example.target for output, example in zip(outputs, examples, strict=True)]
        return float(np.mean(right)), -float(self.loss(outputs, examples))

    def answer(self, task: TaskSpec, inputs: Inputs, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> Prediction:
        return predictions(letters(len(outputs[0])), softmax(outputs[0].numpy()[None]))[0]

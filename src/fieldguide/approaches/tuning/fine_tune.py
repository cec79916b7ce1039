"""Full fine-tuning: every weight of an encoder and a fresh classification head, by plain PyTorch.

Mean pooling → dropout → linear (Howard and Ruder 2018 and Devlin et al. 2019 set the pattern; arXiv:1801.06146, arXiv:1810.04805).
Small label counts need many passes rather than more rows (Mosbach et al. 2021, arXiv:2006.04884), so the number of epochs falls
with the number of labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.answers import label_numbers, predictions, segments, softmax
from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.embedding.features import too_many_texts
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.task import TaskSpec

LEAST_TO_HOLD_OUT = 128
"""Below this many labels none is held out: training runs its fixed number of steps. (TREC at 64 labels: .77 so, .71 with ten held out.)"""


@dataclass(frozen=True, kw_only=True)
class FineTune(Approach):
    """An encoder with a classification head, all weights trained with AdamW, linear warm-up and decay."""

    name = "fine-tune"
    title = "Full fine-tuning"
    family = "tuning"
    needs = frozenset({"weights"})
    model_type = "encoder"
    training = True

    model: str = "minilm-l6"
    learning_rate: float = 1e-4
    """Of the encoder."""
    head_learning_rate: float = 1e-3
    """Of the head, which starts from noise."""
    batch: int = 16
    steps: int = 300
    """Optimiser steps aimed at; the epochs that this makes are kept between 3 and 30."""
    max_tokens: int = 128
    """Longer rows are cut (of a pair, the longer text first)."""
    dropout: float = 0.1
    held_out: float = 0.15
    """Share of the labels on which training stops early, from 128 labels up."""
    patience: int = 4
    """Epochs without improvement on the held-out labels before training stops."""

    def unsuited(self, task: TaskSpec) -> str | None:
        return super().unsuited(task) or too_many_texts(self.title, task, 2)

    def epochs(self, n_labels: int) -> int:
        """Passes over the labels: enough for about `steps` steps, from 3 to 30."""
        return min(30, max(3, round(self.steps / max(1, math.ceil(n_labels / self.batch)))))

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_labels * self.epochs(n_labels) + n_rows

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> FineTuneSolver:
        from fieldguide.approaches.tuning.classifier import Classifier
        from fieldguide.approaches.tuning.training import Schedule, train_classifier

        numbers = label_numbers(task, train)
        model = _needs_weights(context.models.get(self.model))
        max_tokens = min(self.max_tokens, model.facts.context or self.max_tokens)
        schedule = Schedule(
            epochs=self.epochs(len(train)),
            batch=self.batch,
            learning_rate=self.learning_rate,
            head_learning_rate=self.head_learning_rate,
            held_out=self.held_out if len(train) >= LEAST_TO_HOLD_OUT else 0.0,
            patience=self.patience,
        )
        classifier = Classifier.start(model, len(task.labels), max_tokens, self.dropout, context.seed)
        texts = segments(task, [row.inputs for row in train])
        train_classifier(classifier, texts, numbers, schedule, context.seed, context.progress)
        return FineTuneSolver(classifier)

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return FineTuneSolver


class FineTuneSolver(Solver):
    standalone = True

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier
        self.trainable_parameters = classifier.parameters_trained

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        return predictions(self.task.labels, softmax(self.classifier.logits(segments(self.task, inputs))))

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return self.classifier.save(folder)

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        from fieldguide.approaches.tuning.classifier import Classifier

        return cls(Classifier.load(folder, state))


def _needs_weights(model: Model) -> Model:
    """The model itself; raises `ApproachError` if it is no encoder with weights."""
    if "weights" not in model.facts.can or model.facts.type != "encoder":
        raise ApproachError(f"The model {model.facts.reference!r} cannot be fine-tuned; give an encoder such as minilm-l6 or hf:org/name.")
    return model

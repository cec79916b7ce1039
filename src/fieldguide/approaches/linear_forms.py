"""A linear head for every form of answer that features can give: label, labels, number, choice, ranking.

Choices and rankings are learned from pairs: one line of features for a question and a choice, or a query and a document, under a logistic
regression of being right or relevant ("pointwise" learning to rank: Liu 2009, "Learning to rank for information retrieval", section 2).
A row's scores are the log-odds of its pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldguide.approaches.answers import chosen, label_numbers, label_table, pair_numbers, paired, sizes
from fieldguide.approaches.linear import Head, LinearHead, fit_head
from fieldguide.approaches.linear_labels import LabelsHead, fit_labels
from fieldguide.approaches.linear_number import NumberHead, fit_number
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.task import TaskSpec

LINEAR_FORMS = frozenset({"label", "labels", "number", "choice", "ranking"})
BLOCK = 256
"""Rows answered at a time where each makes several lines of features."""


@dataclass(frozen=True)
class PairsHead(Head):
    """Log-odds of being right for each of a row's pairs; 0 where training held no contrast."""

    weights: np.ndarray
    """(1, d) float32"""
    bias: np.ndarray
    """(1,) float32"""
    c: float = 0.0

    def answers(self, task: TaskSpec, features: Any, sizes: Sequence[int]) -> list[Prediction]:
        parts = [part.tolist() for part in np.split(self.scores(features)[:, 0], np.cumsum(sizes)[:-1])]
        return [chosen(part) if task.reader.answer == "choice" else Prediction(part) for part in parts]

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weights": np.ascontiguousarray(self.weights), "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], c: float) -> PairsHead:
        return cls(arrays["weights"], arrays["bias"], c)


def fit_form(task: TaskSpec, train: Sequence[Row], features: Any, grid: Sequence[float], *, seed: int = 0) -> Head:
    """The head for the task's form of answer, fitted on the features of these rows.

    C comes from `grid` (ascending) for a label, a choice and a ranking; the other forms have values of their own to try.
    """
    form = task.reader.answer
    if form == "label":
        return fit_head(features, label_numbers(task, train), len(task.labels), grid, seed=seed)
    if form == "labels":
        return fit_labels(features, label_table(task, train), seed=seed)
    if form == "number":
        return fit_number(features, np.array([row.target for row in train], dtype=float), seed=seed)
    right = pair_numbers(task, train, sizes(task, [row.inputs for row in train]))
    head = fit_head(features, right, 2, grid, seed=seed)
    return PairsHead(head.weights[-1:] - head.weights[:1], head.bias[-1:] - head.bias[:1], head.c)


def load_form(task: TaskSpec, arrays: Mapping[str, np.ndarray], c: float) -> Head:
    """The head that `arrays` of one for this task holds."""
    form = task.reader.answer
    if form == "label":
        return LinearHead.from_arrays(arrays, len(task.labels), c)
    heads: dict[str, type[LabelsHead | NumberHead | PairsHead]] = {"labels": LabelsHead, "number": NumberHead}
    return heads.get(form, PairsHead).from_arrays(arrays, c)


def answer_rows(head: Head, task: TaskSpec, inputs: Sequence[Inputs], features: Callable[[Sequence[Inputs]], Any]) -> list[Prediction]:
    """The head's answers to rows, in blocks where rows make several lines of features each, so that memory stays small."""
    step = BLOCK if paired(task) else max(len(inputs), 1)
    found: list[Prediction] = []
    for start in range(0, len(inputs), step):
        block = inputs[start : start + step]
        lines = sizes(task, block)
        found += head.answers(task, features(block) if sum(lines) else np.zeros((0, head.weights.shape[1])), lines)
    return found

"""Majority label: always answers the most frequent training label. What any other approach must beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldguide.approaches.answers import predictions
from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.task import TaskSpec


@dataclass(frozen=True, kw_only=True)
class Majority(Approach):
    """The most frequent training label for every row, with the training frequencies as probabilities."""

    name = "majority"
    title = "Majority label"
    family = "baseline"
    contract_exceptions = {"beats_majority": "It is the majority label."}

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return (max(ladder),) if ladder else ()

    def repeats(self) -> bool:
        return False

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> MajoritySolver:
        counts = Counter(row.target for row in train)
        return MajoritySolver([counts[label] / len(train) if train else 1 / len(task.labels) for label in task.labels])

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return MajoritySolver


class MajoritySolver(Solver):
    def __init__(self, frequencies: Sequence[float]) -> None:
        self.frequencies = tuple(frequencies)  # (labels,)

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        return predictions(self.task.labels, np.tile(self.frequencies, (len(inputs), 1)))

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {"frequencies": self.frequencies}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        return cls(state["frequencies"])

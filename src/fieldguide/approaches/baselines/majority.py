"""Majority answer: what one would say without looking, by the task's kind. What any other approach must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.kinds.forms import FORMS
from fieldguide.tasks.task import TaskSpec


@dataclass(frozen=True, kw_only=True)
class Majority(Approach):
    """The most frequent training label for every row, the mean of the numbers, the most usual tag: as the task's kind has it."""

    name = "majority"
    title = "Majority answer"
    family = "baseline"
    answers = FORMS
    contract_exceptions = {"beats_majority": "It is the majority answer."}

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return (max(ladder),) if ladder else ()

    def repeats(self) -> bool:
        return False

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> MajoritySolver:
        return MajoritySolver(task.reader.usual(task, [row.target for row in train]))

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return MajoritySolver


class MajoritySolver(Solver):
    def __init__(self, usual: Any) -> None:
        self.usual = usual

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        return [self.task.reader.usually(self.task, self.usual, row) for row in inputs]

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {"usual": self.usual}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        return cls(state["usual"])

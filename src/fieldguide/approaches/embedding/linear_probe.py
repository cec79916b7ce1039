"""Linear probe: a logistic regression on frozen embeddings. The encoder is never changed, so each row is embedded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.answers import label_numbers, predictions
from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.embedding.features import needs_embedding, row_features, too_many_texts
from fieldguide.approaches.linear import LinearHead, fit_head
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.task import TaskSpec

GRID = (1.0, 4.0, 16.0, 64.0)
"""Values of C tried: unit-length embeddings have small features, so weak penalties."""


@dataclass(frozen=True, kw_only=True)
class LinearProbe(Approach):
    """Multinomial logistic regression on frozen embeddings, C by cross-validation inside the given labels."""

    name = "linear-probe"
    title = "Linear probe"
    family = "embedding"
    needs = frozenset({"embed"})
    training = True

    model: str = "minilm-l6"

    def unsuited(self, task: TaskSpec) -> str | None:
        return super().unsuited(task) or too_many_texts(self.title, task, 2)

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> LinearProbeSolver:
        numbers = label_numbers(task, train)
        model = needs_embedding(context.models.get(self.model))
        context.progress("embedding", 0.0)
        features = row_features(model, task, [row.inputs for row in train])
        context.progress("fitting", 0.5)
        return LinearProbeSolver(fit_head(features, numbers, len(task.labels), GRID, seed=context.seed))

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return LinearProbeSolver


class LinearProbeSolver(Solver):
    approach: LinearProbe

    def __init__(self, head: LinearHead) -> None:
        self.head = head
        self.trainable_parameters = head.parameters

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        features = row_features(self.models.get(self.approach.model), self.task, inputs)
        return predictions(self.task.labels, self.head.probabilities(features))

    def _save(self, folder: Path) -> Mapping[str, Any]:
        from safetensors.numpy import save_file

        save_file(self.head.arrays(), folder / "head.safetensors")
        return {"c": self.head.c}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        from safetensors.numpy import load_file

        return cls(LinearHead.from_arrays(load_file(folder / "head.safetensors"), len(task.labels), state["c"]))

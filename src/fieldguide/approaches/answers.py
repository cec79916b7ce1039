"""Small things that approaches with label answers share: probabilities → predictions, rows → label numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fieldguide.errors import ApproachError
from fieldguide.models.text import clean
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.task import TaskSpec


def predictions(labels: Sequence[str], probabilities: np.ndarray, texts: Sequence[str] | None = None) -> list[Prediction]:
    """One prediction a row from `probabilities` (rows, labels); ties go to the label that comes first.

    Probabilities within 1e-9 of the best count as tied, so that rounding does not decide.
    """
    found = []
    for i, row in enumerate(np.asarray(probabilities, dtype=np.float64)):
        row = row / row.sum()
        best = int(np.flatnonzero(row >= row.max() - 1e-9)[0])
        found.append(Prediction(labels[best], dict(zip(labels, row.tolist(), strict=True)), texts[i] if texts else None))
    return found


def softmax(scores: np.ndarray) -> np.ndarray:
    """Rows of scores (rows, options) as probabilities, in float64; −inf gives 0."""
    scores = np.asarray(scores, dtype=np.float64)
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def label_numbers(task: TaskSpec, train: Sequence[Row]) -> np.ndarray:
    """Each row's label as its place in `task.labels`, shape (rows,). Raises `ApproachError` if there are no rows."""
    if not train:
        raise ApproachError("This approach learns from labelled rows and was given none; give it at least one.")
    place = {label: i for i, label in enumerate(task.labels)}
    return np.array([place[row.target] for row in train], dtype=np.int64)


def segments(task: TaskSpec, inputs: Sequence[Inputs]) -> list[tuple[str, ...]]:
    """Each row as the texts that its kind compares: `arity` strings a row, free of broken characters."""
    reader = task.reader
    return [tuple(clean(text) for text in reader.segments(task, row)) for row in inputs]

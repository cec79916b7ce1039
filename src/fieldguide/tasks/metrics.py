"""Metrics by name. A metric is a number over rows; some are also a number a row, and then a mean.

`Unparsed` answers and labels outside the label space count as wrong. All values lie in [0, 1], higher is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldguide.errors import UserError


@dataclass(frozen=True)
class Metric:
    name: str
    title: str
    of: Callable[[Sequence[Any], Sequence[Any]], float]
    """(targets, values) → the metric."""
    per_row: Callable[[Sequence[Any], Sequence[Any]], np.ndarray] | None = None
    """(targets, values) → (rows,) numbers whose mean is the metric; None where rows do not add up."""


def correct(targets: Sequence[Any], values: Sequence[Any]) -> np.ndarray:
    """1.0 where the value is the target, else 0.0; shape (rows,)."""
    return np.fromiter((t == v for t, v in zip(targets, values, strict=True)), dtype=float, count=len(targets))


def accuracy(targets: Sequence[Any], values: Sequence[Any]) -> float:
    return float(correct(targets, values).mean()) if len(targets) else float("nan")


def macro_f1(targets: Sequence[Any], values: Sequence[Any]) -> float:
    """The unweighted mean of F1 over the labels among targets and answers, as scikit-learn defines it; `Unparsed` is no label."""
    if not len(targets):
        return float("nan")
    names = {name: i for i, name in enumerate(sorted(set(targets) | {v for v in values if isinstance(v, str)}))}
    true = np.array([names[t] for t in targets])
    given = np.array([names[v] if isinstance(v, str) else -1 for v in values])
    k = len(names)
    hits = np.bincount(true[true == given], minlength=k)
    denominator = np.bincount(true, minlength=k) + np.bincount(given[given >= 0], minlength=k)
    return float((2 * hits / np.maximum(denominator, 1)).mean())


METRICS = {
    "accuracy": Metric("accuracy", "accuracy", accuracy, correct),
    "macro_f1": Metric("macro_f1", "macro-F1", macro_f1),
}


def metric(name: str) -> Metric:
    """The metric called `name`; an unknown name lists the valid ones."""
    if name not in METRICS:
        raise UserError(f"There is no metric called {name!r}; the metrics are {', '.join(METRICS)}.")
    return METRICS[name]

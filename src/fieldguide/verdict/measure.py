"""The metric of a cell, with its interval, and the paired bound of one cell over another.

Two kinds of metric: those that are a mean over rows, and macro-F1. Shapes: `B` bootstrap replicates, `S` seeds, `n` rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fieldguide.stats import intervals, paired
from fieldguide.tasks.metrics import correct, metric
from fieldguide.verdict.cells import Cell
from fieldguide.verdict.verdict import Estimate

LEVEL = 0.95
FEW = 5
"""With fewer right or fewer wrong answers than this, the bootstrap sees too little of them and Wilson's interval is used."""
MOST_WEIGHTS = 8_000_000
"""Largest table of bootstrap weights (replicates × rows); more rows take fewer replicates, never below 200."""


class Ruler:
    """Measures cells against the targets, remembering what several comparisons need. Seeded: the same cells, the same numbers."""

    def __init__(self, targets: tuple[Any, ...]) -> None:
        self.targets = list(targets)
        self._numbers: dict[str, int] = {}
        self._true = np.array([self._number(t) for t in targets], dtype=int)
        self._kept: dict[tuple, Any] = {}

    def scores(self, name: str, cell: Cell) -> np.ndarray:
        """(S, n) row scores of a metric that is a mean over rows; being right, for one that is not."""
        per_row = metric(name).per_row or correct
        return self._keep(("scores", per_row, cell.name), lambda: np.array([per_row(self._targets(cell.rows), seed) for seed in cell.answers]))

    def row_scores(self, name: str, cell: Cell, rows: np.ndarray) -> np.ndarray:
        """(rows,) row scores, mean over seeds."""
        return self.scores(name, cell)[:, cell.at(rows)].mean(axis=0)

    def by_seed(self, name: str, cell: Cell, rows: np.ndarray | None = None) -> np.ndarray:
        """(S,) the metric on these rows, or on all that the cell answered."""
        rows = cell.rows if rows is None else rows
        if metric(name).per_row:
            return self.scores(name, cell)[:, cell.at(rows)].mean(axis=1)

        def count() -> np.ndarray:
            places, targets = cell.at(rows), self._targets(rows)
            return np.array([metric(name).of(targets, [seed[i] for i in places]) for seed in cell.answers])

        return self._keep(("by seed", name, cell.name, rows.tobytes()), count)

    def value(self, name: str, cell: Cell, rows: np.ndarray | None = None) -> float:
        """The metric, mean over seeds."""
        if not (cell.rows if rows is None else rows).size:
            return float("nan")
        return float(self.by_seed(name, cell, rows).mean())

    def estimate(self, name: str, cell: Cell) -> Estimate:
        """The metric with its interval: Wilson's for 0/1 scores of one seed or where one outcome is rare, else the bootstrap."""
        value, n, single = self.value(name, cell), len(cell.rows), len(cell.records) == 1
        right = float(self.scores(name, cell).mean())
        low, high = intervals.wilson(right * n, n, LEVEL)
        rare = min(right, 1 - right) * n < FEW
        additive = metric(name).per_row is not None
        if additive and (rare or (single and np.isin(self.scores(name, cell), (0.0, 1.0)).all())):
            return Estimate(value, low, high, "Wilson", n, LEVEL)
        drawn = intervals.percentile(intervals.over_seeds(self.replicates(name, cell, cell.rows)), LEVEL)
        margins = (value - drawn[0], drawn[1] - value)
        if rare:  # macro-F1 of a cell that is almost always right, or wrong: no narrower than its accuracy
            margins = (max(margins[0], right - low), max(margins[1], high - right))
        method = "bootstrap over rows" + ("" if single else " and seeds")
        return Estimate(value, max(0.0, value - max(margins[0], 0.0)), min(1.0, value + max(margins[1], 0.0)), method, n, LEVEL)

    def replicates(self, name: str, cell: Cell, rows: np.ndarray) -> np.ndarray:
        """(B, S) bootstrap replicates on these rows; the same draws of rows for every cell."""
        return self._keep(("replicates", name, cell.name, rows.tobytes()), lambda: self._replicates(name, cell, rows))

    def _replicates(self, name: str, cell: Cell, rows: np.ndarray) -> np.ndarray:
        n, places = len(rows), cell.at(rows)
        count = max(200, min(intervals.REPLICATES, MOST_WEIGHTS // n))
        weights = self._keep(("weights", n), lambda: intervals.row_weights(n, count))
        if metric(name).per_row:
            return intervals.resampled_means(weights, self.scores(name, cell)[:, places].T)
        assert name == "macro_f1", f"{name} has neither row scores nor a bootstrap of its own"
        given = np.array([[self._number(v) if isinstance(v, str) else -1 for v in seed] for seed in cell.answers])[:, places].T
        return intervals.resampled_macro_f1(weights, self._true[rows], given, len(self._numbers))

    def difference(self, name: str, first: Cell, second: Cell) -> tuple[float, np.ndarray]:
        """(first minus second on the rows that both answered, those rows); the metric's mean over each one's seeds."""
        rows = np.intersect1d(first.rows, second.rows, assume_unique=True)
        return (self.value(name, first, rows) - self.value(name, second, rows) if rows.size else 0.0), rows

    def upper(self, name: str, first: Cell, second: Cell, level: float) -> float:
        """One-sided upper bound at `level` for first minus second, paired on the rows that both answered; 1 if there are none."""
        value, rows = self.difference(name, first, second)
        if not rows.size:
            return 1.0
        d = self.row_scores(name, first, rows) - self.row_scores(name, second, rows)
        if metric(name).per_row:
            return paired.upper_bound(d, level)
        return paired.bootstrap_difference(self._drawn_difference(name, first, second, rows), value, d, level)

    def lower(self, name: str, first: Cell, second: Cell, level: float) -> float:
        """One-sided lower bound at `level` for first minus second."""
        return -self.upper(name, second, first, level)

    def row_variance(self, name: str, first: Cell, second: Cell) -> float:
        """What one row adds to the variance of the difference: the variance of an estimate from n rows, times n."""
        _, rows = self.difference(name, first, second)
        d = self.row_scores(name, first, rows) - self.row_scores(name, second, rows)
        variance = paired.adjusted_moments(d)[1]
        if metric(name).per_row or not rows.size:
            return variance
        return max(variance, float(self._drawn_difference(name, first, second, rows).var(ddof=1)) * len(rows))

    def _drawn_difference(self, name: str, first: Cell, second: Cell, rows: np.ndarray) -> np.ndarray:
        return self.replicates(name, first, rows).mean(axis=1) - self.replicates(name, second, rows).mean(axis=1)

    def _targets(self, rows: np.ndarray) -> list[Any]:
        return [self.targets[i] for i in rows]

    def _number(self, label: Any) -> int:
        return self._numbers.setdefault(str(label), len(self._numbers))

    def _keep(self, key: tuple, make: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

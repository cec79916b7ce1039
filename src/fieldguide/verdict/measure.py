"""The metric of a cell, with its interval, and the paired bound of one cell over another.

Two kinds of metric: those that are a mean over rows, and those of sums over rows, such as F1 or a correlation, which enter through
their jackknife pseudo-values. What the
intervals are of: a cell's own quality, with several seeds, is the approach's over rows and a new draw of seeds; with one seed it
is that of the solver as run, over rows. Differences and their bounds are always over rows, the seeds of both sides as run.
Shapes: `B` bootstrap replicates, `S` seeds, `n` rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fieldguide.stats import intervals, paired
from fieldguide.tasks.metrics import correct, metric
from fieldguide.verdict.cells import Cell
from fieldguide.verdict.verdict import Estimate

LEVEL = 0.95
FEWEST_SEEDS = 3
"""With fewer seeds an interval is one of the seeds as run: two hardly show how far others may lie (t is 12.7)."""
MOST_WEIGHTS = 8_000_000
"""Largest table of bootstrap weights (replicates × rows); more rows take fewer replicates, never below 200."""


class Ruler:
    """Measures cells against the targets, remembering what several comparisons need. Seeded: the same cells, the same numbers."""

    def __init__(self, targets: tuple[Any, ...]) -> None:
        self.targets = list(targets)
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

    def columns(self, name: str, cell: Cell, rows: np.ndarray | None = None) -> np.ndarray:
        """(n, S) what each row adds to the metric on these rows: its score, or its jackknife pseudo-value."""
        rows = cell.rows if rows is None else rows
        if metric(name).per_row:
            return self.scores(name, cell)[:, cell.at(rows)].T
        return self._keep(("columns", name, cell.name, rows.tobytes()), lambda: self._pseudo_values(name, cell, rows))

    def _pseudo_values(self, name: str, cell: Cell, rows: np.ndarray) -> np.ndarray:
        return np.column_stack([intervals.pseudo_values(parts, _whole(name)) for parts in self._parts(name, cell, rows)])

    def _parts(self, name: str, cell: Cell, rows: np.ndarray) -> list[np.ndarray]:
        """For each seed, (n, k) what each row adds to the metric's sums."""
        parts, places, targets = metric(name).parts, cell.at(rows), self._targets(rows)
        assert parts is not None, f"{name} has neither row scores nor sums"
        return self._keep(("parts", name, cell.name, rows.tobytes()), lambda: [parts(targets, [seed[i] for i in places]) for seed in cell.answers])

    def estimate(self, name: str, cell: Cell) -> Estimate:
        """The metric with its interval: over rows, and from three seeds up over a new draw of seeds; fewer are taken as run."""
        value, columns = self.value(name, cell), self.columns(name, cell)
        n, seeds = columns.shape
        if not metric(name).decides:  # an error has no highest value to be held under
            low, high = intervals.percentile(self.replicates(name, cell, cell.rows).mean(axis=1), LEVEL)
            return Estimate(value, min(low, value), max(high, value), f"bootstrap over rows, {_as_run(seeds)}", n, LEVEL)
        mean, least = metric(name).per_row is not None, metric(name).least
        effective = intervals.effective_rows(np.array([str(t) for t in self._targets(cell.rows)])) if name == "macro_f1" else None
        spoken_for = columns if seeds >= FEWEST_SEEDS else columns.mean(axis=1, keepdims=True)
        bounds = intervals.over_rows_and_seeds((spoken_for - least) / (1 - least), LEVEL, effective=effective)
        low, high = (least + (1 - least) * bound for bound in bounds)
        return Estimate(value, min(low, value), max(high, value), _method(mean, seeds), n, LEVEL)

    def replicates(self, name: str, cell: Cell, rows: np.ndarray) -> np.ndarray:
        """(B, S) bootstrap replicates on these rows; the same draws of rows for every cell."""
        return self._keep(("replicates", name, cell.name, rows.tobytes()), lambda: self._replicates(name, cell, rows))

    def _replicates(self, name: str, cell: Cell, rows: np.ndarray) -> np.ndarray:
        n, places = len(rows), cell.at(rows)
        count = max(200, min(intervals.REPLICATES, MOST_WEIGHTS // n))
        weights = self._keep(("weights", n), lambda: intervals.row_weights(n, count))
        if metric(name).per_row:
            return intervals.resampled_means(weights, self.scores(name, cell)[:, places].T)
        return np.column_stack([intervals.resampled(weights, parts, _whole(name)) for parts in self._parts(name, cell, rows)])

    def difference(self, name: str, first: Cell, second: Cell) -> tuple[float, np.ndarray]:
        """(first minus second on the rows that both answered, those rows); the metric's mean over each one's seeds."""
        rows = np.intersect1d(first.rows, second.rows, assume_unique=True)
        return (self.value(name, first, rows) - self.value(name, second, rows) if rows.size else 0.0), rows

    def differences(self, name: str, first: Cell, second: Cell, rows: np.ndarray) -> np.ndarray:
        """(rows,) what each row adds to first minus second, mean over each one's seeds."""
        return self.columns(name, first, rows).mean(axis=1) - self.columns(name, second, rows).mean(axis=1)

    def upper(self, name: str, first: Cell, second: Cell, level: float) -> float:
        """One-sided upper bound at `level` for first minus second, paired on the rows that both answered; 1 if there are none."""
        rows = np.intersect1d(first.rows, second.rows, assume_unique=True)
        if not rows.size:
            return 1.0
        return paired.upper_bound(self.differences(name, first, second, rows), level)

    def lower(self, name: str, first: Cell, second: Cell, level: float) -> float:
        """One-sided lower bound at `level` for first minus second."""
        return -self.upper(name, second, first, level)

    def row_variance(self, name: str, first: Cell, second: Cell) -> float:
        """What one row adds to the variance of the difference: the variance of an estimate from n rows, times n."""
        rows = np.intersect1d(first.rows, second.rows, assume_unique=True)
        return paired.adjusted_moments(self.differences(name, first, second, rows))[1]

    def _targets(self, rows: np.ndarray) -> list[Any]:
        return [self.targets[i] for i in rows]

    def _keep(self, key: tuple, make: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def _whole(name: str) -> Any:
    return metric(name).whole


def _method(mean: bool, seeds: int) -> str:
    """How an interval was made, and of what it is one."""
    if seeds < FEWEST_SEEDS:
        return f"{('Wilson' if seeds == 1 else 'score interval') if mean else 'jackknife'} over rows, {_as_run(seeds)}"
    return f"{'score interval' if mean else 'jackknife'} over rows and new seeds"


def _as_run(seeds: int) -> str:
    return {1: "the seed as run", 2: "the two seeds as run"}.get(seeds, "the seeds as run")

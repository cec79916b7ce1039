"""Macro-F1 of class numbers through the general functions for metrics of sums, as the verdict uses them."""

from __future__ import annotations

import numpy as np

from fieldguide.stats.intervals import pseudo_values, resampled
from fieldguide.tasks.metrics import f1_parts, whole_macro_f1


def macro_f1_pseudo_values(true: np.ndarray, given: np.ndarray, classes: int) -> np.ndarray:
    """(n,) targets and (n, S) answers → (n, S)."""
    return np.column_stack([pseudo_values(f1_parts(true, said, classes), whole_macro_f1) for said in given.T])


def resampled_macro_f1(weights: np.ndarray, true: np.ndarray, given: np.ndarray, classes: int) -> np.ndarray:
    """(B, n) weights → (B, S) replicates."""
    return np.column_stack([resampled(weights, f1_parts(true, said, classes), whole_macro_f1) for said in given.T])

"""Where the variance of a mean comes from: balanced crossed random effects by the method of moments.

A layout has one value in every combination of its factors: rows × seeds, or rows × templates × seeds. Axis 0 is rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations
from math import prod

import numpy as np


def components(values: np.ndarray) -> dict[tuple[int, ...], float]:
    """Axes → variance component of their effect or interaction, that of all axes being the residual; none is below zero.

    Each mean square is set equal to its expectation, Σ over the effects v that contain u of σ²_v times the number of values a
    level of v has, and solved from the highest interaction down (Searle, Casella & McCulloch 1992, Variance Components, chapter
    4; for rows and raters also Owen 2007, Annals of Applied Statistics 1:386–411). A negative solution is truncated at zero,
    after the others have used it as it is. An axis of length 1 shows no variance: effects that hold it are left out.
    """
    sizes = dict(enumerate(values.shape))
    axes = [axis for axis, size in sizes.items() if size > 1]
    effects = list(chain.from_iterable(combinations(axes, k) for k in range(len(axes), 0, -1)))
    found: dict[tuple[int, ...], float] = {}
    for effect in effects:
        others = prod(sizes[axis] for axis in axes if axis not in effect)
        square = others * float(np.square(_effect(values, effect)).sum()) / prod(sizes[axis] - 1 for axis in effect)
        higher = sum(value * prod(sizes[axis] for axis in axes if axis not in of) for of, value in found.items() if set(of) > set(effect))
        found[effect] = (square - higher) / others
    rounding = 1e-12 * float(values.var())
    return {effect: value if value > rounding else 0.0 for effect, value in found.items()}


def _effect(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The effect or interaction of these axes: means over all other axes, with every lower effect taken out."""
    rest = tuple(axis for axis in range(values.ndim) if axis not in axes)
    left = values.mean(axis=rest, keepdims=True)
    for axis in axes:
        left = left - left.mean(axis=axis, keepdims=True)
    return left


@dataclass(frozen=True)
class Split:
    """Variances of the mean of a rows × seeds layout, and of one seed, in the scores' units squared."""

    rows: float
    """Of other rows, the seeds as they are: it falls as rows are added."""
    seeds: float
    """Of other seeds on endless rows."""
    one_seed: float
    """Of a single seed on endless rows."""


def split(columns: np.ndarray) -> Split:
    """The variance of the mean of (n, S) row scores, S ≥ 2. The interaction of rows and seeds counts with the rows, which redraw it."""
    n, seeds = columns.shape
    found = components(columns)
    row, seed, both = (found.get(effect, 0.0) for effect in ((0,), (1,), (0, 1)))
    return Split(row / n + both / (n * seeds), seed / seeds, seed)


def of_mean(values: np.ndarray) -> tuple[float, ...]:
    """By axis, what drawing its levels anew adds to the variance of the overall mean; an interaction counts with its first axis.

    For rows × templates × seeds: (rows, templates, seeds), in the scores' units squared.
    """
    shares = [0.0] * values.ndim
    for effect, value in components(values).items():
        shares[effect[0]] += value / prod(values.shape[axis] for axis in effect)
    return tuple(shares)

"""Where one learning curve overtakes another: every change of the lead that noise does not explain, with its interval, and the safe n.

Shapes: `g` label counts of a fine grid, equally spaced on log n; `B` bootstrap replicates; `m` curves at once. A difference is the
second curve minus the first: below 0 the first is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fieldguide.stats.intervals import quantile

SURE = 0.9
"""Share of replicates that must agree on who leads before a lead counts as seen."""


@dataclass(frozen=True)
class Switch:
    """One change of the lead as labels grow."""

    rising: bool
    """Whether it is the second curve that takes the lead."""
    n: float
    low: float | None
    """Ends of the interval of n*; None where it reaches beyond the grid."""
    high: float | None


def switches(n: np.ndarray, difference: np.ndarray, replicates: np.ndarray, level: float = 0.95) -> tuple[Switch, ...]:
    """Every change of the lead along the (g,) grid, ascending, from the (g,) difference and its (B, g) replicates.

    A lead is seen where 90 % of the replicates agree on its sign; between two opposite leads the curves cross. There n* is the
    place at which changing over loses least, the minimum of the integral of the difference: the one root where there is one, and
    a single number still where noise makes a replicate touch zero three times. The interval holds the percentiles of that place
    in the replicates. A crossing that noise cannot tell from none, near an end of the grid, is not given, nor is one of which the
    interval is open at both ends.
    """
    found = []
    leads = _leads(difference, replicates)
    for i, ((leader, left), (_, right)) in enumerate(pairwise(leads)):
        start, stop = left if i else 0, right if i + 2 < len(leads) else len(n) - 1
        window = slice(start, stop + 1)
        place = int(_change(-leader * difference[None, window])[0]) + start
        drawn = _change(-leader * replicates[:, window]) + start
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
        if start < place < stop and (low > 0 or high < len(n) - 1):
            found.append(Switch(leader < 0, float(n[place]), float(n[low]) if low > 0 else None, float(n[high]) if high < len(n) - 1 else None))
    return tuple(found)


def _leads(difference: np.ndarray, replicates: np.ndarray) -> list[tuple[int, int]]:
    """(who leads: 1 the second, −1 the first; where on the grid it shows most) of each lead that is seen, in turn."""
    ahead = (replicates > 0).mean(axis=0)
    leader = np.where(ahead >= SURE, 1, np.where(ahead <= 1 - SURE, -1, 0))
    strength = np.abs(difference) / np.maximum(replicates.std(axis=0), 1e-12)
    leads: list[tuple[int, int]] = []
    for place in np.flatnonzero(leader).tolist():
        if not leads or leads[-1][0] != leader[place]:
            leads.append((int(leader[place]), place))
        elif strength[place] > strength[leads[-1][1]]:
            leads[-1] = (leads[-1][0], place)
    return leads


def _change(gain: np.ndarray) -> np.ndarray:
    """(m, g) by how much the curve that takes over is ahead → (m,) the place at which it is best to change over to it."""
    steps = (gain[:, 1:] + gain[:, :-1]) / 2
    return np.argmin(np.concatenate([np.zeros((len(gain), 1)), np.cumsum(steps, axis=1)], axis=1), axis=1)


def sure_from(n: np.ndarray, difference: np.ndarray, spread: np.ndarray, chance: float = 0.8) -> float | None:
    """The variance-aware break-even: the n from which on one draw of the second beats one draw of the first with probability `chance`.

    `spread` is the (g,) standard deviation of the difference of two single draws of labels and seed, taken as normal. None where
    the grid ends before that.
    """
    short = np.flatnonzero(difference < quantile(chance) * spread)
    if not short.size:
        return float(n[0])
    return float(n[short[-1] + 1]) if short[-1] + 1 < len(n) else None

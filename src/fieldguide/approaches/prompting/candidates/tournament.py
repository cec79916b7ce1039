"""Who meets whom among candidates, and how many points each has won. Pure functions, no model.

Candidates are numbered from 0, the most probable first. An outcome of the pair (i, j) is 1 where i wins, −1 where j does, 0 for a tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

WIN, TIE = 1.0, 0.5


def entrants(candidates: int, duels: int) -> int:
    """How many of the most probable candidates can all meet one another in so many duels: the largest k with k (k − 1) / 2 ≤ duels, at least 1."""
    k = 1
    while k < candidates and (k + 1) * k // 2 <= duels:
        k += 1
    return k


def round_robin(size: int) -> list[tuple[int, int]]:
    """Every pair (i, j), i < j, of so many candidates."""
    return list(combinations(range(size), 2))


def points(size: int, outcomes: Sequence[int]) -> list[float]:
    """Points of so many candidates after a round robin with these outcomes, in the order of `round_robin`: 1 a win, 1/2 a tie (Copeland 1951).

    All meet equally often, so that the order by points is that by wins less defeats.
    """
    found = [0.0] * size
    for (i, j), outcome in zip(round_robin(size), outcomes, strict=True):
        found[i] += {1: WIN, 0: TIE, -1: 0.0}[outcome]
        found[j] += {1: 0.0, 0: TIE, -1: WIN}[outcome]
    return found

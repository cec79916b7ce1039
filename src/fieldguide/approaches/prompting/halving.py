"""Successive halving: many arms are judged on few rows, the better half of them on more, until one is left.

Karnin, Koren and Somekh 2013 (ICML) for chance rewards; Jamieson and Talwalkar 2016 (arXiv:1502.07943, section 3) for any sequence of losses. A pull is
one row on which an arm is judged; all arms are judged on the same rows in the same order, so that a rung compares them row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Arm = TypeVar("Arm")


def turns(arms: int) -> int:
    """⌈log₂ n⌉: the rungs in which n arms become one."""
    return max(arms - 1, 0).bit_length()


def most_arms(budget: int, arms: int) -> int:
    """How many of these arms a budget of pulls can judge, one row at least in each rung."""
    while arms > 1 and arms * turns(arms) > budget:
        arms -= 1
    return arms


def rungs(arms: int, budget: int, rows: int) -> list[tuple[int, int]]:
    """(arms judged, rows that each has been judged on by then), rung by rung: at most `budget` pulls, and `rows` for each arm.

    Rung k of ⌈log₂ n⌉ pulls each of its |S_k| arms r_k = ⌊B / (|S_k| ⌈log₂ n⌉)⌋ more times, and R_k is the sum of these; half of the arms, rounded up, go on.
    """
    found, seen, left = list[tuple[int, int]](), 0, arms
    for _ in range(turns(arms)):
        seen = min(seen + budget // (left * turns(arms)), rows)
        found.append((left, seen))
        left = -(-left // 2)
    return found


def halved(arms: Sequence[Arm], judge: Callable[[list[Arm], int], Sequence[float]], budget: int, rows: int) -> list[Arm]:
    """The arms that the budget can judge, the best first: the one that is left, then those that dropped out, the last of them first.

    `judge(arms, seen)` gives each arm's score on the first `seen` rows, higher is better; of arms that tie the earlier one stays.
    """
    left, dropped = list(arms[: most_arms(budget, len(arms))]), list[Arm]()
    for size, seen in rungs(len(left), budget, rows):
        scores = judge(left, seen)
        order = sorted(range(size), key=lambda i: -scores[i])
        keep = -(-size // 2)
        dropped[:0] = [left[i] for i in order[keep:]]
        left = [left[i] for i in order[:keep]]
    return left + dropped

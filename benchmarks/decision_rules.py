"""Ways to choose an approach without a verdict: what the decision benchmark compares `decide` with.

All see a `Board`: approaches, what fits and answers cost, and which rows a trial gets right. The budgeted ones spend what a study
may spend; the others spend nothing. Rows come in an order fixed beforehand, so that a prefix is a fair sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2

import numpy as np

LEAST_ROWS = 40
"""A uniform share must pay for so many answers beside the fit, or a smaller label count is taken."""
Pick = tuple[str, int]
"""(part, label count)"""


@dataclass(frozen=True)
class Board:
    """What there is to choose from. Parts are the approaches' registered names; the trivial baseline is none of them."""

    counts: Mapping[str, tuple[int, ...]]
    """Label counts of each part, ascending."""
    seeds: Mapping[str, tuple[int, ...]]
    fit_cost: Callable[[str, int, int], float]
    """(part, label count, seed) → cost in the budget's unit."""
    row_cost: Callable[[str, int, int], float]
    right: Callable[[str, int, int, str], np.ndarray | None]
    """(part, label count, seed, role) → (rows,) 0/1 on "select" or "certify" rows; None for a trial that fails."""


@dataclass
class _Hand:
    """What one approach has bought: rows that it got right, by label count and seed."""

    left: float
    bought: dict[tuple[int, int], np.ndarray]

    def score(self, n: int) -> float:
        """Mean over all answers at a label count, weighted by rows."""
        rows = [right for (count, _), right in self.bought.items() if count == n]
        return float(np.concatenate(rows).mean()) if rows else float("nan")

    @property
    def stands(self) -> int | None:
        """The largest label count at which a trial answered."""
        return max((n for n, _ in self.bought), default=None)


def uniform(board: Board, budget: float) -> Pick | None:
    """Equal shares and no elimination: each approach spends its own on the largest label count that it pays for, seed after seed.

    What an approach cannot use goes to those that can. The best mean over select and certify rows wins.
    """
    hands: dict[str, _Hand] = {}
    left, waiting = budget, sorted(board.counts, key=lambda part: _whole_cost(board, part))
    for place, part in enumerate(waiting):
        hands[part] = _buy(board, part, _Hand(left / (len(waiting) - place), {}), ("select", "certify"))
        left -= left / (len(waiting) - place) - hands[part].left
    return _best(hands)


def halving(board: Board, budget: float) -> Pick | None:
    """Successive halving on select rows (Jamieson & Talwalkar 2016, AISTATS, algorithm 1): equal shares of a round, the better half stays.

    The last one wins. Where there are no select rows, certify rows stand in.
    """
    survivors, rounds = list(board.counts), ceil(log2(max(len(board.counts), 2)))
    hands = {part: _Hand(0.0, {}) for part in survivors}
    some = next(iter(board.counts))
    probe = board.right(some, board.counts[some][0], board.seeds[some][0], "select")
    roles = ("certify",) if probe is not None and not len(probe) else ("select",)
    for _ in range(rounds):
        for part in survivors:
            hands[part].left += budget / rounds / len(survivors)
            hands[part] = _buy(board, part, hands[part], roles)
        ranked = sorted(survivors, key=lambda part: -_score_or_worst(hands[part]))
        survivors = ranked[: max(1, ceil(len(ranked) / 2))]
    return _best({part: hands[part] for part in survivors})


def everything(board: Board) -> Pick | None:
    """The best mean over select and certify rows with every trial at all labels: what the rows alone would allow."""
    return uniform(board, 1e12)


def always(board: Board, part: str) -> Pick:
    """One approach, with all the labels that it can use."""
    return part, board.counts[part][-1]


def best_on_average(regrets: Sequence[Mapping[str, float]], groups: Sequence[str]) -> list[str]:
    """For each record the part with the smallest mean regret over the records of all other groups, of the parts that it has itself.

    `regrets` holds each record's regret by part with all labels. Where there is one group only, its own records have to do.
    """
    total: dict[str, np.ndarray] = {}
    own: dict[tuple[str, str], np.ndarray] = {}
    for known, group in zip(regrets, groups, strict=True):
        for part, value in known.items():
            one = np.array([value, 1.0])
            total[part] = total.get(part, np.zeros(2)) + one
            own[group, part] = own.get((group, part), np.zeros(2)) + one

    def elsewhere(part: str, group: str) -> float:
        regret, count = total[part] - own[group, part] if len(set(groups)) > 1 else total[part]
        return float(regret / count) if count else float("inf")

    return [min(known, key=lambda part: elsewhere(part, group)) for known, group in zip(regrets, groups, strict=True)]


def _buy(board: Board, part: str, hand: _Hand, roles: Sequence[str]) -> _Hand:
    """Spend on the largest label count whose fit and `LEAST_ROWS` answers can be paid, then on further seeds of it."""
    for seed in board.seeds[part]:
        for n in reversed(board.counts[part]):
            if (n, seed) in hand.bought or (hand.stands is not None and n < hand.stands):
                continue
            fit, row = board.fit_cost(part, n, seed), board.row_cost(part, n, seed)
            if fit + LEAST_ROWS * row > hand.left:
                continue
            parts = [board.right(part, n, seed, role) for role in roles]
            hand.left -= fit
            if not any(found is None for found in parts):
                right = np.concatenate([found for found in parts if found is not None])
                rows = len(right) if row <= 0 else int(min(len(right), hand.left / row))
                hand.left -= rows * row
                hand.bought[n, seed] = right[:rows]
            break
    return hand


def _best(hands: Mapping[str, _Hand]) -> Pick | None:
    stands = {part: hand.stands for part, hand in hands.items()}
    measured = {part: n for part, n in stands.items() if n is not None}
    if not measured:
        return None
    best = max(measured, key=lambda part: hands[part].score(measured[part]))
    return best, measured[best]


def _score_or_worst(hand: _Hand) -> float:
    return -1.0 if hand.stands is None else hand.score(hand.stands)


def _whole_cost(board: Board, part: str) -> float:
    n, seed = board.counts[part][-1], board.seeds[part][0]
    return board.fit_cost(part, n, seed) + 1000 * board.row_cost(part, n, seed)

"""Votes of sampled answers: who wins, how sure that is, and when no more samples are needed. Pure functions, no model.

A vote is (answer, weight): answers that count as the same are the same text, None is a sample whose answer could not be read and which votes for
nothing; weights lie between 0 and 1. Of answers that tie, the one that was given first wins.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from fieldguide.records import Prediction
from fieldguide.tasks.scoring.strings import plain

Vote = tuple[str | None, float]


def said(form: str, answer: Prediction) -> str | None:
    """An answer of a form as text that is the same where answers are: numbers to nine digits, texts but for white space; None where none was read."""
    if not answer.parsed:
        return None
    return f"{answer.value:.9g}" if form == "number" else plain(answer.value) if form == "text" else str(answer.value)


def normalised(logprob: float | None, tokens: int) -> float:
    """exp(log p / tokens): what a sample weighs (Wang et al. 2022, arXiv:2203.11171, section 2, equation 1); 1 where a model does not tell log p."""
    return 1.0 if logprob is None else min(math.exp(logprob / max(tokens, 1)), 1.0)


def tally(votes: Sequence[Vote]) -> dict[str, float]:
    """Answer → the sum of its weights, in the order in which answers were first given. Sums are rounded once, whatever the order."""
    return {answer: math.fsum(own) for answer, own in _grouped(votes).items()}


def _grouped(votes: Sequence[Vote]) -> dict[str, list[float]]:
    weights: dict[str, list[float]] = {}
    for answer, weight in votes:
        if answer is not None:
            weights.setdefault(answer, []).append(weight)
    return weights


def winner(votes: Sequence[Vote]) -> str | None:
    """The answer with the largest sum, argmax over a of Σ 1(a_i = a) w_i (Wang et al. 2022, section 2); None where none could be read."""
    sums = tally(votes)
    return max(sums, key=sums.__getitem__) if sums else None


def shares(votes: Sequence[Vote], options: Sequence[str]) -> dict[str, float]:
    """Option → its share of all weight. What voted for nothing is spread evenly, so that answers that cannot be read lower the confidence."""
    sums, lost = tally(votes), math.fsum(weight for answer, weight in votes if answer is None)
    parts = [sums.get(option, 0.0) + lost / len(options) for option in options]
    whole = math.fsum(parts)
    return {option: part / whole if whole else 1 / len(options) for option, part in zip(options, parts, strict=True)}


def settled(votes: Sequence[Vote], left: int) -> bool:
    """Whether the winner is certain, whatever the `left` samples still to come say: each weighs at most 1.

    The most that another answer can reach is its sum + `left`. It wins a tie only if it was given before the leader; one that no sample has
    given yet was not.
    """
    leader = winner(votes)
    if leader is None or left <= 0:
        return left <= 0
    weights = _grouped(votes)
    ahead, earlier = math.fsum(weights[leader]), True
    for answer, own in weights.items():
        most = math.fsum([*own, left])
        if answer == leader:
            earlier = False
        elif most > ahead or (earlier and most == ahead):
            return False
    return left <= ahead


def lead_probability(votes: Sequence[Vote]) -> float:
    """The posterior probability that the leader is given more often than the runner-up, after v1 and v2 samples of each.

    With a uniform prior over the share of the leader among the two that is P(Beta(v1 + 1, v2 + 1) > 1/2) (Aggarwal et al. 2023, arXiv:2305.11860,
    section 3), for whole numbers the same as P(Binomial(v1 + v2 + 1, 1/2) ≤ v1). Samples are counted, not weighed.
    """
    leader, counts = winner(votes), Counter(answer for answer, _ in votes if answer is not None)
    first = counts.pop(leader, 0) if leader is not None else 0
    flips = first + max(counts.values(), default=0) + 1
    return sum(math.comb(flips, k) for k in range(first + 1)) / 2**flips


def enough(votes: Sequence[Vote], left: int, stop: float) -> bool:
    """Whether to draw no more: the winner is certain, or, where `stop` is not 0, its lead is at least that probable."""
    return settled(votes, left) or (stop > 0 and lead_probability(votes) >= stop)


def drawn(votes: Sequence[Vote], block: int, stop: float) -> int:
    """How many of a row's stored samples would have been drawn, in blocks of `block`."""
    return next((n for n in range(block, len(votes), block) if enough(votes[:n], len(votes) - n, stop)), len(votes))

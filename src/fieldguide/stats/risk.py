"""Certifying a risk: p-values that a mean loss in [0, 1] exceeds a target, its upper bound, and tests in a fixed order.

Each p-value is of the hypothesis "the true risk is greater than α", for independent losses of `n` rows drawn like the rows to
come: at most δ of all studies see p ≤ δ where the true risk is α or more. To reject it certifies the risk at level 1 − δ.
Losses that are 0 or 1 by their nature: `exact_binomial` is the most powerful. Losses between (three values, means over seeds,
scores): `betting` adapts to their variance. `hoeffding_bentkus` needs no more than their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, e, exp, log, log1p, sqrt

import numpy as np
from scipy.special import bdtr

from fieldguide.stats.intervals import exact

CAP = 0.95
"""Largest share of the wealth that one row may cost."""
PRIOR_ROWS = 5
"""Imagined rows of the largest possible variance with which the bets begin, so that the first ones are small."""
GRID = 64
"""Risks tried at once when a p-value is turned round into a bound; two rounds give it to (1 − mean) / 64²."""


def hoeffding_bentkus(risk: float, rows: int, alpha: float) -> float:
    """P-value from the mean loss alone: the smaller of Hoeffding's and Bentkus's tail bounds.

    min(exp(−n h(min(r̂, α), α)), e · P(Bin(n, α) ≤ ⌈n r̂⌉)) with h(a, b) = a log(a/b) + (1 − a) log((1 − a)/(1 − b)): Bates,
    Angelopoulos, Lei, Malik & Jordan 2021 (Journal of the ACM 68(6):43, arXiv:2101.02703), section 3.1; as a p-value in
    Angelopoulos, Bates, Candès, Jordan & Lei 2021 (Learn then Test, arXiv:2110.01052).
    """
    if rows <= 0 or alpha <= 0:
        return 1.0
    if alpha >= 1:
        return 0.0
    hoeffding = exp(-rows * _divergence(min(risk, alpha), alpha))
    return min(1.0, hoeffding, e * exact_binomial(ceil(rows * risk - 1e-9), rows, alpha))


def exact_binomial(errors: int, rows: int, alpha: float) -> float:
    """P-value from so many errors in so many rows, for losses of 0 or 1: P(Bin(n, α) ≤ errors), exact (Clopper & Pearson 1934, Biometrika 26:404)."""
    if rows <= 0 or alpha <= 0 or errors >= rows:
        return 1.0
    return 0.0 if alpha >= 1 else float(bdtr(errors, rows, alpha))


def betting(losses: np.ndarray, alpha: float, delta: float = 0.05) -> float:
    """P-value from the losses themselves, (n,) in [0, 1], in an order that does not depend on them: 1 / the greatest wealth on the way.

    A gambler with wealth 1 multiplies it by 1 + λ (α − loss) in each row, λ chosen from the rows before; where the risk is α or
    more, no such game is won on average, so by Ville's inequality wealth reaches 1/δ in at most δ of all studies (Waudby-Smith
    & Ramdas 2023, JRSS B 86:1–27, arXiv:2010.09686, sections 3 and 4). The bets aim at wealth 1/`delta` by the last row and
    stop there: λ = √(2 log(1/(δ wealth)) / (rows left · σ̂²)), at most `CAP` / (1 − α), with σ̂² the mean of (loss − α)² (Voráček
    & Orabona 2025, arXiv:2505.22422). The p-value is valid at any level, and sharp at `delta` only: pass the level you test at.
    """
    losses = _checked(losses)
    if alpha <= 0 or not losses.size:
        return 1.0
    if alpha >= 1:
        return 0.0
    missing, cap = log(1 / delta), CAP / (1 - alpha)
    least, squares, weight = missing, PRIOR_ROWS * alpha * (1 - alpha), float(PRIOR_ROWS)
    for left, loss in zip(range(losses.size, 0, -1), losses.tolist(), strict=True):
        missing -= log1p(min(sqrt(2 * missing * weight / (left * squares)), cap) * (alpha - loss))
        least = min(least, missing)
        if missing <= 0:
            break
        squares, weight = squares + (loss - alpha) ** 2, weight + 1
    return min(1.0, delta * exp(least))


def upper(losses: np.ndarray, delta: float) -> float:
    """Upper bound for the risk at level 1 − δ from (n,) losses in [0, 1]: every greater risk is rejected at δ.

    Clopper & Pearson's where every loss is 0 or 1, else from `betting`. No rows give 1.
    """
    losses = _checked(losses)
    n, mean = losses.size, float(losses.mean()) if losses.size else 1.0
    if mean >= 1:
        return 1.0
    if np.isin(losses, (0.0, 1.0)).all():
        return exact(round(mean * n), n, 1 - 2 * delta)[1]
    low, high = mean, 1.0
    for _ in range(2):
        grid = np.linspace(low, high, GRID + 1)
        kept = next((i for i in range(GRID - 1, 0, -1) if betting(losses, grid[i], delta) > delta), 0)
        low, high = float(grid[kept]), float(grid[kept + 1])
    return high


def fixed_sequence(p_values: Sequence[float], delta: float) -> int:
    """How many leading hypotheses are rejected, tested each at δ in an order fixed beforehand, up to the first that is not.

    All those rejections are right at once with probability 1 − δ (fixed sequence testing; Angelopoulos et al. 2021, arXiv:2110.01052).
    """
    return next((rejected for rejected, p in enumerate(p_values) if not p <= delta), len(p_values))


def feasible(rows: int, alpha: float, delta: float) -> bool:
    """Whether even no loss at all in so many rows would certify α at level 1 − δ: (1 − α)ⁿ ≤ δ."""
    return alpha >= 1 or (rows > 0 and alpha > 0 and rows * log1p(-alpha) <= log(delta) + 1e-12)


def _divergence(a: float, b: float) -> float:
    """Kullback–Leibler divergence of two coins in nats."""
    return (a * log(a / b) if a > 0 else 0.0) + ((1 - a) * log((1 - a) / (1 - b)) if a < 1 else 0.0)


def _checked(losses: np.ndarray) -> np.ndarray:
    losses = np.asarray(losses, dtype=float)
    if losses.size and not (losses.min() >= 0 and losses.max() <= 1):
        raise ValueError(f"Losses lie in [0, 1]; these go from {losses.min():g} to {losses.max():g}.")
    return losses
